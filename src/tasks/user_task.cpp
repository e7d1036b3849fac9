#include "tasks/user_task.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <memory>
#include <utility>

#include "core/error.h"
#include "io/printable.h"
#include "tasks/task_files.h"
#include "tasks/task_items.h"
#include "tasks/task_text.h"
#include "tasks/user_task_file.h"

namespace cola {
namespace {

/// A field of a record as text; the error tells which fields there are.
std::string field_text(const JsonReader& row, const std::string& name) {
  if (row.has(name)) return scalar_text(row, name);
  std::vector<std::string> names;
  for (const auto& member : row.object().items()) names.push_back(member.key());
  throw Error(fmt::format("{}: no field '{}': the record has {}", row.where(), printable(name),
                          printable(fmt::format("{}", fmt::join(names, ", ")))));
}

/// The right candidate: by `labels`, else by the candidates' own texts, else by number from 0.
std::int32_t label_of(const UserTaskFile& task, const JsonReader& row,
                      const std::vector<std::string>& candidate_names) {
  (void)field_text(row, task.label);  // for its error
  const std::vector<std::string>& texts = task.labels.empty() ? candidate_names : task.labels;
  const std::vector<std::string_view> names(texts.begin(), texts.end());
  if (!task.labels.empty()) return label_index_by_name(row, task.label, names);
  if (row.at(task.label).is_boolean() && names.size() == 2) return boolean_label(row, task.label) ? 1 : 0;
  return label_index(row, task.label, names);
}

std::vector<std::string> gold_strings(const UserTaskFile& task, const JsonReader& row) {
  if (!row.has(task.answers) || !row.at(task.answers).is_array()) return {field_text(row, task.answers)};
  std::vector<std::string> answers;
  for (const Json& answer : row.at(task.answers)) {
    if (!answer.is_string()) {
      throw Error(fmt::format("{}: '{}' must be a string or a list of strings", row.where(),
                              printable(task.answers)));
    }
    answers.push_back(answer.get<std::string>());
  }
  if (answers.empty()) throw Error(fmt::format("{}: '{}' is empty", row.where(), printable(task.answers)));
  return answers;
}

TaskItem item(const UserTaskFile& task, const JsonReader& row, std::string id) {
  const auto value_of = [&](const std::string& name) { return field_text(row, name); };
  const std::string prompt = task.prompt.fill(value_of);
  if (!task.answers.empty()) return generation_item(prompt, gold_strings(task, row), std::move(id));
  std::vector<std::string> options;
  for (const PromptTemplate& candidate : task.candidates) options.push_back(candidate.fill(value_of));
  for (const std::string& field : task.candidate_fields) options.push_back(value_of(field));
  std::vector<std::string> names;
  for (const std::string& option : options) names.emplace_back(strip_whitespace(option));
  const std::int32_t correct = label_of(task, row, names);
  return choice_item(prompt, options, std::move(names), correct, std::move(id));
}

std::vector<TaskItem> read(const UserTaskFile& task, const std::filesystem::path& folder, TaskSplit split) {
  const std::filesystem::path file = folder / (split == TaskSplit::train ? task.train : task.validation);
  std::error_code ignored;
  if (!std::filesystem::is_regular_file(file, ignored)) {
    throw Error(fmt::format("{}: no such file: '{}' of task {} names it", file.string(),
                            split == TaskSplit::train ? "train" : "validation", task.name));
  }
  return read_rows(file,
                   [&](const JsonReader& row, std::string id) { return item(task, row, std::move(id)); });
}

}  // namespace

Task read_user_task(const std::filesystem::path& toml_file) {
  const auto file = std::make_shared<const UserTaskFile>(read_user_task_file(toml_file));
  Task task;
  task.name = file->name;
  task.metric = file->metric;
  task.objective = file->objective;
  task.generates = !file->answers.empty();
  task.train_examples = file->train_examples;
  task.dev_examples = file->dev_examples;
  task.test_examples = file->test_examples;
  task.folder = std::filesystem::absolute(toml_file).parent_path();
  task.read = [file](const std::filesystem::path& folder, TaskSplit split) {
    return read(*file, folder, split);
  };
  return task;
}

}  // namespace cola
