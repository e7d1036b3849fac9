#include <fmt/format.h>

#include <array>
#include <utility>

#include "tasks/builtin_tasks.h"
#include "tasks/official_metrics.h"
#include "tasks/task_files.h"
#include "tasks/task_items.h"
#include "tasks/task_text.h"

namespace cola {
namespace {

constexpr std::array<std::string_view, 3> labels{"entailment", "contradiction", "neutral"};

TaskItem item(const JsonReader& row, std::string id) {
  return choice_item(fmt::format("Suppose {} Can we infer that \"{}\"? Yes, No, or Maybe?\n",
                                 row.string("premise"), row.string("hypothesis")),
                     {"Yes", "No", "Maybe"}, label_index(row, "label", labels), std::move(id));
}

}  // namespace

Task cb_task() {
  Task task;
  task.name = "cb";
  task.folder = "CB";
  task.official = cb_scores;
  task.read = superglue_reader(item);
  task.dev_examples = 100;
  return task;
}

}  // namespace cola
