#pragma once
#include <cstdint>
#include <filesystem>
#include <span>
#include <vector>

#include "cola/train.h"
#include "model/decoder_spec.h"
#include "train/step_part.h"
#include "train/training_data.h"

namespace cola {

/// `count` sequences of `length` random tokens, loss on every token but the first.
[[nodiscard]] std::vector<Example> random_examples(const DecoderSpec& config, std::int64_t count,
                                                   std::int64_t length);
[[nodiscard]] RaggedBatch random_batch(const DecoderSpec& config, std::int64_t count, std::int64_t length);

/// Every sequence padded on the right to the longest, rounded up to a multiple of 8, as the reference's
/// collator pads (padded_tokens()); the pads are ordinary tokens without loss. No sequence continues another:
/// questions are packed without a shared prefix.
[[nodiscard]] TrainingBatch padded_batch(TrainingBatch batch);

/// The first `steps` optimizer steps that `cola train` with these options does, in micro-batches of `limit`:
/// of `options` the task's data, tokens, split, batch size and seed count; `pad` applies padded_batch().
/// Throws as load_session_data, and UsageError for more steps than an epoch has.
[[nodiscard]] std::vector<StepPart> task_steps(const TrainOptions& options, const DecoderSpec& config,
                                               const MicroBatchLimit& limit, std::int64_t steps, bool pad);

/// One JSON object a line and micro-batch, for other programs to run the same: `ids` of each sequence,
/// `loss_positions` whose next token is a target, `question_offsets` into the sequences and each question's
/// `gold` sequence (both empty for a language-model loss). No sequence continues another. Throws Error.
void write_batches(const std::filesystem::path& file, std::span<const StepPart> steps);

}  // namespace cola
