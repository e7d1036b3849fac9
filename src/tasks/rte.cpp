#include <fmt/format.h>

#include <array>
#include <utility>

#include "tasks/builtin_tasks.h"
#include "tasks/task_files.h"
#include "tasks/task_items.h"
#include "tasks/task_text.h"

namespace cola {
namespace {

constexpr std::array<std::string_view, 2> labels{"entailment", "not_entailment"};

TaskItem item(const JsonReader& row, std::string id) {
  return choice_item(fmt::format("{}\nDoes this mean that \"{}\" is true? Yes or No?\n",
                                 row.string("premise"), row.string("hypothesis")),
                     {"Yes", "No"}, label_index(row, "label", labels), std::move(id));
}

}  // namespace

Task rte_task() {
  Task task;
  task.name = "rte";
  task.folder = "RTE";
  task.read = superglue_reader(item);
  return task;
}

}  // namespace cola
