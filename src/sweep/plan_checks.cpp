#include "sweep/plan_checks.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <optional>

#include "tasks/split.h"
#include "tasks/task.h"
#include "train/run_plan.h"

namespace cola {
namespace {

struct TaskSize {
  Task task;
  std::int64_t train = 0, validation = 0;  ///< examples in the files
  std::int64_t characters = 0;             ///< of a mean prompt, with its candidates
};

std::int64_t mean_characters(const std::vector<TaskItem>& items) {
  std::size_t sum = 0;
  for (const TaskItem& item : items) {
    sum += item.prompt.size();
    for (const std::string& candidate : item.candidates)
      sum += candidate.size() - std::min(candidate.size(), item.prompt.size());
  }
  return 1 + static_cast<std::int64_t>(sum / std::max<std::size_t>(1, items.size()));
}

/// The sizes of a trial's task; none, with the reason in `problems`, where its files cannot be read.
std::optional<TaskSize> task_size(const SweepTrial& trial, Problems& problems) {
  try {
    TaskSize size{find_task(trial.options.task)};
    const auto train = size.task.read(trial.options.task_data, TaskSplit::train);
    size.train = static_cast<std::int64_t>(train.size());
    size.characters = mean_characters(train);
    size.validation =
        static_cast<std::int64_t>(size.task.read(trial.options.task_data, TaskSplit::validation).size());
    return size;
  } catch (const Error& error) {
    problems.add(fmt::format("task {}: {}", trial.task, error.what()));
    return std::nullopt;
  }
}

/// Forward passes in characters; a backward pass counts as two.
std::int64_t check_steps(const SweepTrial& trial, const TaskSize& size, Problems& problems) {
  const std::int64_t test = std::min(trial.num_test.value_or(size.task.test_examples), size.validation);
  std::int64_t passes = test * (1 + trial.demonstrations);
  if (trial.trains) {
    try {
      const std::int64_t dev = trial.options.num_dev.value_or(size.task.dev_examples);
      const auto splits =
          make_splits(size.train, size.validation, trial.options.num_train.value_or(size.task.train_examples),
                      dev, test, static_cast<std::uint32_t>(*trial.options.data_seed));
      const auto examples = static_cast<std::int64_t>(splits.train.size());
      const RunPlan run = make_run_plan(trial.options, examples, DType::f32);
      passes += run.total_steps * trial.options.batch_size * trial.options.gradient_accumulation_steps * 3;
      passes += trial.options.epochs * static_cast<std::int64_t>(splits.dev.size());
    } catch (const Error& error) {
      problems.add(fmt::format("task {}, method '{}': {}", trial.task, trial.method, error.what()));
    }
  }
  return std::max<std::int64_t>(1, passes) * size.characters;
}

}  // namespace

std::vector<std::int64_t> check_plan_data(const SweepPlan& plan, Problems& problems) {
  std::error_code ignored;
  if (!plan.model.empty() && !std::filesystem::is_regular_file(plan.model / "config.json", ignored))
    problems.add(fmt::format("'model': {} is no model folder: it has no config.json", plan.model.string()));
  std::map<std::string, std::optional<TaskSize>> sizes;
  std::vector<std::int64_t> work;
  for (const SweepTrial& trial : plan.trials) {
    const auto found = sizes.find(trial.task);
    const auto& size = found != sizes.end()
                           ? found->second
                           : sizes.emplace(trial.task, task_size(trial, problems)).first->second;
    work.push_back(size ? check_steps(trial, *size, problems) : 1);
  }
  return work;
}

}  // namespace cola
