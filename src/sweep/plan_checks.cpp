#include "sweep/plan_checks.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <utility>

#include "eval/task_evaluation.h"
#include "io/gguf/gguf_file.h"
#include "model/model_config.h"
#include "tasks/split.h"
#include "tasks/task.h"
#include "text/tokenizer.h"
#include "train/run_plan.h"
#include "train/step_flops.h"

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

std::string where_of(const SweepTrial& trial) {
  const std::string method = fmt::format("method '{}'", trial.method);
  return trial.task.empty() ? method : fmt::format("task {}, {}", trial.task, method);
}

/// Checks one trial after another; reads each file of the plan once.
class DataChecker {
 public:
  DataChecker(const SweepPlan& plan, Problems& problems) : problems_(problems) {
    if (plan.model.empty()) return;  // told with the plan
    std::error_code ignored;
    if (!is_gguf_file(plan.model) && !std::filesystem::is_regular_file(plan.model / "config.json", ignored)) {
      problems.add(fmt::format("'model': {} is no model folder: it has no config.json", plan.model.string()));
      return;
    }
    tell("'model'", [&] { config_ = read_model_config(plan.model); });
  }

  /// Returns the trial's work.
  std::int64_t check(const SweepTrial& trial) {
    const auto& size = once(sizes_, trial.task, [&] { return read_size(trial); });
    if (config_) check_model(trial, size ? size->task : Task());
    return check_steps(trial, size);
  }

  [[nodiscard]] const std::vector<std::string>& notes() const { return notes_; }

 private:
  /// Does something; what it throws becomes a problem.
  template <class Do>
  void tell(const std::string& where, const Do& act) {
    try {
      act();
    } catch (const Error& error) {
      problems_.add(fmt::format("{}: {}", where, error.what()));
    }
  }

  template <class Value, class Make>
  static const Value& once(std::map<std::string, Value>& made, const std::string& key, const Make& make) {
    const auto found = made.find(key);
    return found != made.end() ? found->second : made.emplace(key, make()).first->second;
  }

  /// None where the task's files cannot be read.
  std::optional<TaskSize> read_size(const SweepTrial& trial) {
    const auto& folder = trial.options.task_data;
    if (trial.task.empty() || folder.is_relative()) return std::nullopt;  // told: no task, or no 'data'
    std::optional<TaskSize> size;
    tell("task " + trial.task, [&] {
      TaskSize read{find_task(trial.options.task)};
      const auto train = read.task.read(folder, TaskSplit::train);
      read.train = static_cast<std::int64_t>(train.size());
      read.characters = mean_characters(train);
      read.validation = static_cast<std::int64_t>(read.task.read(folder, TaskSplit::validation).size());
      size = std::move(read);
    });
    return size;
  }

  /// Null, with the reason told, where the folder has none.
  const Tokenizer* tokenizer_of(const TrainOptions& options) {
    const auto& folder = options.tokenizer.empty() ? options.model : options.tokenizer;
    return once(tokenizers_, folder.string(),
                [&] {
                  std::unique_ptr<Tokenizer> tokenizer;
                  tell(options.tokenizer.empty() ? "'model'" : "'tokenizer'",
                       [&] { tokenizer = open_tokenizer(folder); });
                  return tokenizer;
                })
        .get();
  }

  /// What the options say of the model: tokenizer, length, BOS, target modules and ranks.
  void check_model(const SweepTrial& trial, const Task& task) {
    const TrainOptions& options = trial.options;
    if (const Tokenizer* tokenizer = tokenizer_of(options)) {
      tell(where_of(trial), [&] {
        (void)task_encoding(task, *tokenizer, *config_, options.max_length.value_or(0), options.bos_token_id);
      });
    }
    if (!trial.trains || options.method == "full") return;
    std::vector<std::int64_t> ranks = options.ranks;
    if (ranks.empty()) ranks = {options.lora_r.value_or(default_lora_r)};
    for (const std::int64_t rank : ranks) {
      tell(where_of(trial),
           [&] { (void)link_parameters(*config_, {target_modules_of(options, *config_), rank, 0}); });
    }
  }

  /// Forward passes in characters; a backward pass counts as two. Without the task's size the most examples
  /// that there can be are taken: what does not fit then, never does.
  std::int64_t check_steps(const SweepTrial& trial, const std::optional<TaskSize>& size) {
    const Task task = size ? size->task : Task();
    const TrainOptions& options = trial.options;
    const std::int64_t num_train = options.num_train.value_or(task.train_examples);
    const std::int64_t dev = options.num_dev.value_or(task.dev_examples);
    const std::int64_t in_train = size ? size->train : num_train + dev;
    const std::int64_t in_validation = size ? size->validation : 1;
    const std::int64_t test = std::min(trial.num_test.value_or(task.test_examples), in_validation);
    std::int64_t passes = test * (1 + trial.demonstrations);
    if (trial.trains) {
      tell(where_of(trial), [&] {
        const auto splits = make_splits(in_train, in_validation, num_train, dev, test,
                                        static_cast<std::uint32_t>(*options.data_seed));
        const RunPlan run = make_run_plan(options, std::ssize(splits.train), DType::f32);
        note_warm_up(trial, run.schedule);
        passes += run.total_steps * options.batch_size * options.gradient_accumulation_steps * 3;
        passes += options.epochs * std::ssize(splits.dev);
      });
    }
    return std::max<std::int64_t>(1, passes) * (size ? size->characters : 1);
  }

  /// Once for all rates, seeds and other settings of a method on a task: a note of each would be a flood.
  void note_warm_up(const SweepTrial& trial, const Schedule& schedule) {
    const auto found = warm_up_notes(schedule, std::ssize(trial.options.tied_link) + 1);
    if (found.empty() || !noted_.insert(where_of(trial)).second) return;
    for (const std::string& line : found) notes_.push_back(fmt::format("{}: {}", where_of(trial), line));
  }

  Problems& problems_;
  std::vector<std::string> notes_;
  std::set<std::string> noted_;  ///< where
  std::optional<DecoderSpec> config_;
  std::map<std::string, std::optional<TaskSize>> sizes_;          ///< by task
  std::map<std::string, std::unique_ptr<Tokenizer>> tokenizers_;  ///< by folder
};

}  // namespace

PlanOutlook check_plan_data(const SweepPlan& plan, Problems& problems) {
  DataChecker checker(plan, problems);
  PlanOutlook outlook;
  for (const SweepTrial& trial : plan.trials) outlook.work.push_back(checker.check(trial));
  outlook.notes = checker.notes();
  return outlook;
}

}  // namespace cola
