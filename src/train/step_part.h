#pragma once
#include <cstdint>
#include <vector>

#include "cola/train.h"
#include "data/batch_plan.h"
#include "dist/ranks.h"
#include "train/training_data.h"

namespace cola {

/// What one rank computes of an optimizer step, and what it has to know of the whole.
struct StepPart {
  std::vector<TrainingBatch> batches;  ///< one after the other; none if the step has fewer items than ranks
  LossTerms loss_terms;                ///< of the whole step: what the mean loss is over
  /// Lengths of the sequences of --micro-batch-size items: what hf_flos counts, whatever the ranks.
  std::vector<std::vector<std::int64_t>> lengths;
};

/// The limit that the options ask for, or that is the default for a base with quantised matrices in the
/// host's memory: 512 tokens, where activations take less than such a base and products are as fast as with
/// more.
[[nodiscard]] MicroBatchLimit micro_batch_limit(const TrainOptions& options, bool quantized_in_host_memory);

/// Every rank takes its share (dist/ranks.h) of each batch of step `step`, and computes it in micro-batches.
/// Sequences have the number in the step that they have with one process, and so its dropout masks.
[[nodiscard]] StepPart part_of_step(const TrainingData& data, const BatchPlan& plan, std::int64_t step,
                                    const MicroBatchLimit& limit, const Ranks& ranks);

}  // namespace cola
