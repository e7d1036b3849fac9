#include <fmt/format.h>

#include <utility>

#include "tasks/builtin_tasks.h"
#include "tasks/task_files.h"
#include "tasks/task_items.h"
#include "tasks/task_text.h"

namespace cola {
namespace {

/// Google's own file has the passage as it is; SuperGLUE's copy, told by its "label", puts "TITLE -- " before
/// it.
std::string passage_of(const JsonReader& row) {
  std::string passage = row.string("passage");
  if (row.has("answer")) return passage;
  constexpr std::string_view separator = " -- ";
  const std::size_t title_end = passage.find(separator);
  if (title_end != std::string::npos) passage.erase(0, title_end + separator.size());
  return passage;
}

TaskItem item(const JsonReader& row, std::string id) {
  std::string question = with_first_upper(row.string("question"));
  if (!question.ends_with('?')) question += '?';
  const bool yes = boolean_label(row, row.has("answer") ? "answer" : "label");
  return choice_item(fmt::format("{} {}\n", passage_of(row), question), {"Yes", "No"}, yes ? 0 : 1,
                     std::move(id));
}

std::vector<TaskItem> read(const std::filesystem::path& folder, TaskSplit split) {
  return read_rows(
      find_jsonl_file(folder, split, "https://github.com/google-research-datasets/boolean-questions"), item);
}

}  // namespace

Task boolq_task() {
  Task task;
  task.name = "boolq";
  task.folder = "BoolQ";
  task.read = read;
  return task;
}

}  // namespace cola
