#include <fmt/format.h>

#include <utility>

#include "tasks/builtin_tasks.h"
#include "tasks/task_files.h"
#include "tasks/task_items.h"
#include "tasks/task_text.h"

namespace cola {
namespace {

TaskItem item(const JsonReader& row, std::string id) {
  return choice_item(
      fmt::format("Does the word \"{}\" have the same meaning in these two sentences? Yes, No?\n{}\n{}\n",
                  row.string("word"), row.string("sentence1"), row.string("sentence2")),
      {"No", "Yes"}, boolean_label(row, "label") ? 1 : 0, std::move(id));
}

}  // namespace

Task wic_task() {
  Task task;
  task.name = "wic";
  task.folder = "WiC";
  task.read = superglue_reader(item);
  return task;
}

}  // namespace cola
