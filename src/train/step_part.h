#pragma once
#include <cstdint>
#include <vector>

#include "data/batch_plan.h"
#include "dist/ranks.h"
#include "train/training_data.h"

namespace cola {

/// What one rank computes of an optimizer step, and what it has to know of the whole.
struct StepPart {
  std::vector<TrainingBatch> batches;  ///< one after the other; none if the step has fewer items than ranks
  std::int64_t loss_terms = 0;         ///< of the whole step: what the mean loss is over
  /// Lengths of the sequences that one process computes at a time: what hf_flos counts, whatever the ranks.
  std::vector<std::vector<std::int64_t>> lengths;
};

/// Every rank takes its share (dist/ranks.h) of each batch of step `step`, and computes `at_a_time` of it at
/// a time. Sequences have the number in the step that they have with one process, and so its dropout masks.
[[nodiscard]] StepPart part_of_step(const TrainingData& data, const BatchPlan& plan, std::int64_t step,
                                    std::int64_t at_a_time, const Ranks& ranks);

}  // namespace cola
