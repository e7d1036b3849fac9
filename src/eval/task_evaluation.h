#pragma once
#include <cstdint>
#include <functional>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "cola/language_model.h"
#include "model/decoder.h"
#include "tasks/task.h"
#include "tasks/task_sequences.h"

namespace cola {

/// How a task's texts become tokens for this model: `max_length` 0 is the model's positions, at most 2048
/// (less the room of a generated answer); `bos` in place of the tokenizer's own. Throws UsageError for a
/// length above the model's positions and for a BOS outside the vocabulary.
[[nodiscard]] TaskEncoding task_encoding(const Task& task, const Tokenizer& tokenizer,
                                         const DecoderSpec& config, std::int64_t max_length,
                                         std::optional<std::int32_t> bos);

/// Throws Error if an id is outside the vocabulary: the tokenizer is another model's.
void require_vocabulary(std::span<const std::int32_t> ids, std::int64_t vocabulary_size);

/// What scoring needs beside the model.
struct TaskScoring {
  const Task* task = nullptr;
  TaskEncoding encoding;
  std::set<std::int32_t> stop_tokens;  ///< that end a generated answer, beside the newline
  bool share_prefix = true;
  /// Answered texts put before the question of item `index`; none where empty.
  std::function<std::vector<std::string>(std::size_t index)> demonstrations;
  std::function<void(std::int64_t done, std::int64_t total)> progress;
};

/// Scores examples: of the candidates the one with the largest mean log-probability is the answer (the first
/// of equals), or the greedy continuation up to a newline. `candidate_loss` (may be null) takes the mean
/// cross-entropy over the candidates' scores where there are candidates. `links` of the result is left 0.
[[nodiscard]] TaskResult score_task(ops::Context& context, const Decoder& model,
                                    DecoderActivations& activations, const TaskScoring& scoring,
                                    std::span<const TaskItem> items, double* candidate_loss = nullptr);

}  // namespace cola
