#include <fmt/format.h>

#include <array>
#include <utility>

#include "tasks/builtin_tasks.h"
#include "tasks/task_files.h"
#include "tasks/task_items.h"
#include "tasks/task_text.h"

namespace cola {
namespace {

constexpr std::array<std::string_view, 2> labels{"negative", "positive"};

std::filesystem::path find_file(const std::filesystem::path& folder, TaskSplit split) {
  constexpr std::string_view address = "https://gluebenchmark.com/tasks";
  if (split == TaskSplit::train) return find_data_file(folder, {"train.tsv", "train.jsonl"}, address);
  return find_data_file(
      folder, {"dev.tsv", "val.tsv", "validation.tsv", "val.jsonl", "dev.jsonl", "validation.jsonl"},
      address);
}

TaskItem item(const JsonReader& row, std::string id) {
  const std::string sentence = row.string("sentence");
  const std::vector<std::string> options{" terrible", " great"};
  return choice_item(fmt::format("{} It was", strip_whitespace(sentence)), options, {"terrible", "great"},
                     label_index(row, "label", labels), std::move(id));
}

std::vector<TaskItem> read(const std::filesystem::path& folder, TaskSplit split) {
  return read_rows(find_file(folder, split), item);
}

}  // namespace

Task sst2_task() {
  Task task;
  task.name = "sst2";
  task.folder = "SST-2";
  task.read = read;
  return task;
}

}  // namespace cola
