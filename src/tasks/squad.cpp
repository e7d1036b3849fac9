#include <fmt/format.h>

#include <utility>

#include "core/error.h"
#include "tasks/builtin_tasks.h"
#include "tasks/official_metrics.h"
#include "tasks/task_files.h"
#include "tasks/task_items.h"
#include "tasks/task_text.h"

namespace cola {
namespace {

constexpr std::string_view address = "https://rajpurkar.github.io/SQuAD-explorer";

TaskItem item(const std::string& title, const std::string& context, const JsonReader& question) {
  std::vector<std::string> answers;
  for (const Json& answer : array_member(question, "answers")) {
    answers.push_back(JsonReader(answer, question.where() + ": answer").string("text"));
  }
  if (answers.empty())
    throw Error(fmt::format("{}: no answer (SQuAD 1.1 has one to each)", question.where()));
  const std::string text = question.string("question");
  return generation_item(
      fmt::format("Title: {}\nContext: {}\nQuestion: {}\nAnswer:", title, context, strip_whitespace(text)),
      std::move(answers), question.string("id"));
}

void add_article(const JsonReader& article, std::vector<TaskItem>& items) {
  const std::string title = article.string("title", "");
  std::size_t paragraph_number = 0;
  for (const Json& entry : array_member(article, "paragraphs")) {
    const JsonReader paragraph(entry, fmt::format("{}, paragraph {}", article.where(), paragraph_number++));
    const std::string context = paragraph.string("context");
    std::size_t number = 0;
    for (const Json& question : array_member(paragraph, "qas")) {
      items.push_back(
          item(title, context, JsonReader(question, fmt::format("{}, qas {}", paragraph.where(), number++))));
    }
  }
}

std::vector<TaskItem> read(const std::filesystem::path& folder, TaskSplit split) {
  const std::filesystem::path file =
      find_data_file(folder, {split == TaskSplit::train ? "train-v1.1.json" : "dev-v1.1.json"}, address);
  const Json json = read_json_file(file);
  std::vector<TaskItem> items;
  std::size_t number = 0;
  for (const Json& article : array_member(JsonReader(json, file.string()), "data")) {
    add_article(JsonReader(article, fmt::format("{}: article {}", file.string(), number++)), items);
  }
  if (items.empty()) throw Error(fmt::format("{}: no examples in it", file.string()));
  return items;
}

}  // namespace

Task squad_task() {
  Task task;
  task.name = "squad";
  task.folder = "SQuAD";
  task.metric = TaskMetric::f1;
  task.official = exact_match_and_f1;
  task.objective = TaskObjective::language_model;
  task.generates = true;
  task.read = read;
  return task;
}

}  // namespace cola
