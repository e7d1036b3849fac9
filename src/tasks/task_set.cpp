#include "tasks/task_set.h"

#include <fmt/format.h>

#include <limits>
#include <span>
#include <utility>

#include "core/error.h"
#include "tasks/split.h"

namespace cola {
namespace {

std::uint32_t split_seed(std::uint64_t seed) {
  if (seed > std::numeric_limits<std::uint32_t>::max()) {
    throw UsageError(
        fmt::format("--data-seed {}: numpy's generator, which splits tasks, takes 32 bits", seed));
  }
  return static_cast<std::uint32_t>(seed);
}

void require_at_least(const char* option, std::optional<std::int64_t> value, std::int64_t least) {
  if (value && *value < least)
    throw UsageError(fmt::format("--{} is {}: it must be {} or more", option, *value, least));
}

std::vector<TaskItem> take(std::vector<TaskItem>& items, std::span<const std::int64_t> indices) {
  std::vector<TaskItem> taken;
  taken.reserve(indices.size());
  for (const std::int64_t index : indices) taken.push_back(std::move(items[static_cast<std::size_t>(index)]));
  return taken;
}

}  // namespace

std::filesystem::path task_folder(const Task& task, const std::filesystem::path& given) {
  if (!given.empty()) return given;
  if (task.folder.is_absolute()) return task.folder;
  throw UsageError(fmt::format("--task {} needs --task-data DIR, the folder of its files", task.name));
}

TaskTrainingSets read_training_sets(const Task& task, const std::filesystem::path& folder,
                                    const TaskSizes& sizes, std::uint64_t seed) {
  require_at_least("num-train", sizes.train, 1);
  require_at_least("num-dev", sizes.dev, 0);
  auto items = task.read(folder, TaskSplit::train);
  const TaskSplits splits =
      make_splits(static_cast<std::int64_t>(items.size()), 0, sizes.train.value_or(task.train_examples),
                  sizes.dev.value_or(task.dev_examples), 0, split_seed(seed));
  TaskTrainingSets sets;
  sets.train = take(items, splits.train);
  sets.dev = take(items, splits.dev);
  return sets;
}

std::vector<TaskItem> read_test_set(const Task& task, const std::filesystem::path& folder,
                                    const TaskSizes& sizes, std::uint64_t seed) {
  require_at_least("num-test", sizes.test, 1);
  auto items = task.read(folder, TaskSplit::validation);
  const TaskSplits splits = make_splits(0, static_cast<std::int64_t>(items.size()), 0, 0,
                                        sizes.test.value_or(task.test_examples), split_seed(seed));
  return take(items, splits.test);
}

}  // namespace cola
