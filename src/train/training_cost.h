#pragma once
#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <vector>

#include "cola/train.h"
#include "data/question.h"
#include "tasks/task_sequences.h"
#include "train/step_flops.h"

namespace cola {

/// What a training example costs, as far as it is the example's.
struct ExampleSize {
  std::vector<std::int64_t> lengths;  ///< of the sequences that the reference runs: every candidate, whole
  BatchSize computed;                 ///< what runs here
};

/// `windows`: of the model. Throws Error as make_question_batch does.
[[nodiscard]] ExampleSize example_size(const Question& question, bool share_prefix,
                                       std::span<const std::int64_t> windows);
[[nodiscard]] ExampleSize example_size(const Example& example, std::span<const std::int64_t> windows);

/// The training file's examples of a task, in its order. Throws Error as Task::read and the encoding do.
[[nodiscard]] std::vector<ExampleSize> task_example_sizes(const Task& task,
                                                          const std::filesystem::path& folder,
                                                          const TaskEncoding& encoding, bool share_prefix,
                                                          std::span<const std::int64_t> windows);

/// One link of a run: counts over the steps that it is trained in.
struct LinkCost {
  std::int64_t rank = 0;
  std::int64_t steps = 0;
  std::int64_t parameters = 0;        ///< trained
  std::int64_t reference_tokens = 0;  ///< as the reference's collator pads them
  std::int64_t unpadded_tokens = 0;   ///< of every candidate whole
  std::int64_t tokens = 0;            ///< processed here
  double hf_flos = 0.0, real_flops = 0.0;
  double hf_flos_saved = 0.0, real_flops_saved = 0.0;  ///< against the first link's rank throughout

  LinkCost& operator+=(const LinkCost& other);  ///< rank and parameters stay
};

struct TrainingCost {
  std::int64_t examples = 0, steps_per_epoch = 0;
  std::vector<LinkCost> links;

  [[nodiscard]] LinkCost total() const;  ///< rank and parameters 0
};

/// The plan of a run that is not done: the chain's options, epochs, batch size and seeds of TrainOptions, on
/// a task.
struct CostPlan {
  DecoderSpec config;
  TaskObjective objective = TaskObjective::candidates;
  std::int64_t num_train = 0, num_dev = 0;  ///< of the training file, MeZO's split
  TrainOptions options;
};

/// What can be checked of the plan before any file is read. Throws UsageError naming the option.
void check_cost_plan(const CostPlan& plan);

/// FLOPs of forward and backward in all steps; evaluations and knots are not counted. `file` has the sizes of
/// all examples of the training file. Throws UsageError naming the option.
[[nodiscard]] TrainingCost training_cost(const CostPlan& plan, std::span<const ExampleSize> file);

}  // namespace cola
