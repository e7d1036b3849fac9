#include <fmt/format.h>

#include <utility>

#include "tasks/builtin_tasks.h"
#include "tasks/official_metrics.h"
#include "tasks/task_files.h"
#include "tasks/task_items.h"

namespace cola {
namespace {

/// One example an answer of the question, in the file's order.
void add_question(const std::string& paragraph, const JsonReader& question, const std::string& id,
                  std::vector<TaskItem>& items) {
  const std::string text = question.string("question");
  std::size_t number = 0;
  const Json& answers = array_member(question, "answers");
  for (const Json& entry : answers) {
    const JsonReader answer(entry, fmt::format("{}: answer {}", question.where(), number));
    items.push_back(
        choice_item(fmt::format("{}\nQuestion: {}\nI found this answer \"{}\". Is that correct? Yes or No?\n",
                                paragraph, text, answer.string("text")),
                    {"No", "Yes"}, boolean_label(answer, "label") ? 1 : 0, fmt::format("{}-{}", id, number)));
    items.back().question = id;
    items.back().question_answers = std::ssize(answers);
    ++number;
  }
}

std::vector<TaskItem> read(const std::filesystem::path& folder, TaskSplit split) {
  std::vector<TaskItem> items;
  for_each_row(
      find_jsonl_file(folder, split, superglue_address), [&](const JsonReader& row, std::int64_t index) {
        const JsonReader passage(row.at("passage"), row.where() + ": passage");
        const std::string paragraph = passage.string("text");
        const std::string id = row_id(row, index);
        std::size_t number = 0;
        for (const Json& question : array_member(passage, "questions")) {
          add_question(paragraph, JsonReader(question, fmt::format("{}: question {}", row.where(), number)),
                       fmt::format("{}-{}", id, number), items);
          ++number;
        }
      });
  return items;
}

}  // namespace

Task multirc_task() {
  Task task;
  task.name = "multirc";
  task.folder = "MultiRC";
  task.official = multirc_scores;
  task.read = read;
  return task;
}

}  // namespace cola
