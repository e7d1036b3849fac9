#pragma once
#include <cstdint>
#include <functional>
#include <span>

#include "data/question_batch.h"
#include "model/decoder.h"

namespace cola {

/// Runs questions in ragged batches of at most `batch_tokens` tokens (at least one question), sorted by
/// length, and calls `use` with each batch, its questions' numbers and its nll [L]. Where LongRoPE turns a
/// question's candidates by different factors, they are run whole, each by its own length, even with
/// `share_prefix`. `each(done, total)` is called after every batch with question counts.
void run_question_batches(ops::Context& context, const Decoder& model, DecoderActivations& activations,
                          std::span<const Question* const> questions, bool share_prefix,
                          std::int64_t batch_tokens,
                          const std::function<void(const QuestionBatch&, std::span<const std::size_t>,
                                                   std::span<const float>)>& use,
                          const std::function<void(std::int64_t, std::int64_t)>& each = {});

}  // namespace cola
