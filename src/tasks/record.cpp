#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <utility>

#include "core/error.h"
#include "tasks/builtin_tasks.h"
#include "tasks/official_metrics.h"
#include "tasks/task_files.h"
#include "tasks/task_items.h"
#include "tasks/task_text.h"
#include "text/normalizer.h"
#include "text/utf8.h"

namespace cola {
namespace {

constexpr std::string_view placeholder = "@placeholder";

/// Byte offsets of the characters of `text`, and its size: offsets in the file count characters.
std::vector<std::size_t> character_offsets(std::string_view text) {
  std::vector<std::size_t> offsets;
  for (std::size_t position = 0; position < text.size(); position += utf8_step(text, position).length) {
    offsets.push_back(position);
  }
  offsets.push_back(text.size());
  return offsets;
}

/// The different surface strings of the passage's entities, sorted; `end` is the last character's offset.
std::set<std::string> entities_of(const JsonReader& passage, const std::string& text) {
  const std::vector<std::size_t> offsets = character_offsets(text);
  std::set<std::string> entities;
  for (const Json& entry : array_member(passage, "entities")) {
    const JsonReader entity(entry, passage.where() + ": entity");
    const std::int64_t start = entity.integer("start");
    const std::int64_t end = entity.integer("end");
    if (start < 0 || end < start || static_cast<std::size_t>(end) >= offsets.size() - 1) {
      throw Error(fmt::format("{}: {} to {} does not lie in the text of {} characters", entity.where(), start,
                              end, offsets.size() - 1));
    }
    const std::size_t begin = offsets[static_cast<std::size_t>(start)];
    entities.insert(text.substr(begin, offsets[static_cast<std::size_t>(end) + 1] - begin));
  }
  return entities;
}

std::set<std::string> answers_of(const JsonReader& query) {
  std::set<std::string> answers;
  for (const Json& entry : array_member(query, "answers")) {
    answers.insert(JsonReader(entry, query.where() + ": answer").string("text"));
  }
  if (answers.empty()) throw Error(fmt::format("{}: no answer", query.where()));
  return answers;
}

/// `prompt` ends in the "-" that opens a highlight; each candidate is the query as that highlight.
TaskItem item(const std::string& prompt, const std::set<std::string>& entities, const JsonReader& query,
              std::string id) {
  const std::string text = query.string("query");
  if (text.find(placeholder) == std::string::npos) {
    throw Error(fmt::format("{}: 'query' has no {}", query.where(), placeholder));
  }
  const auto filled = [&](const std::string& entity) {
    return std::string(strip_spaces(prompt + " " + replace_all(text, placeholder, entity)));
  };
  const std::set<std::string> answers = answers_of(query);
  TaskItem result;
  result.prompt = strip_spaces(prompt);
  for (const std::string& entity : entities) {
    if (answers.contains(entity))
      result.correct.push_back(static_cast<std::int32_t>(result.candidates.size()));
    result.candidates.push_back(filled(entity));
  }
  result.candidate_names.assign(entities.begin(), entities.end());
  result.answered = filled(*answers.begin());
  result.answers.assign(answers.begin(), answers.end());
  result.id = std::move(id);
  return result;
}

std::vector<TaskItem> read(const std::filesystem::path& folder, TaskSplit split) {
  std::vector<TaskItem> items;
  for_each_row(find_jsonl_file(folder, split, superglue_address), [&](const JsonReader& row,
                                                                      std::int64_t index) {
    const JsonReader passage(row.at("passage"), row.where() + ": passage");
    const std::string text = passage.string("text");
    const std::set<std::string> entities = entities_of(passage, text);
    if (entities.empty() && split == TaskSplit::validation) {
      throw Error(fmt::format("{}: 'entities' is empty: there is nothing to choose from", passage.where()));
    }
    const std::string prompt = replace_all(text, "@highlight\n", "- ") + "\n-";
    const std::string id = row_id(row, index);
    std::size_t number = 0;
    for (const Json& query : array_member(row, "qas")) {
      const JsonReader reader(query, fmt::format("{}: query {}", row.where(), number));
      items.push_back(item(prompt, entities, reader, fmt::format("{}-{}", id, number)));
      ++number;
    }
  });
  return items;
}

}  // namespace

Task record_task() {
  Task task;
  task.name = "record";
  task.folder = "ReCoRD";
  task.official = exact_match_and_f1;
  task.objective = TaskObjective::language_model;
  task.read = read;
  return task;
}

}  // namespace cola
