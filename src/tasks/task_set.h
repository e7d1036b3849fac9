#pragma once
#include <cstdint>
#include <filesystem>
#include <optional>
#include <vector>

#include "tasks/task.h"

namespace cola {

/// How many examples of a task are used; the task's own numbers where not set.
struct TaskSizes {
  std::optional<std::int64_t> train, dev, test;
};

/// The folder of a task's files: `given` (--task-data), else a user's task's own. Throws UsageError if there
/// is neither.
[[nodiscard]] std::filesystem::path task_folder(const Task& task, const std::filesystem::path& given);

/// The examples that one seed chooses (tasks/split.h), in that order.
struct TaskTrainingSets {
  std::vector<TaskItem> train, dev;
};
/// Throws as Task::read, and UsageError for sizes that leave nothing to train on.
[[nodiscard]] TaskTrainingSets read_training_sets(const Task& task, const std::filesystem::path& folder,
                                                  const TaskSizes& sizes, std::uint64_t seed);
[[nodiscard]] std::vector<TaskItem> read_test_set(const Task& task, const std::filesystem::path& folder,
                                                  const TaskSizes& sizes, std::uint64_t seed);

}  // namespace cola
