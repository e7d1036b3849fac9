#pragma once
#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "data/dataset.h"
#include "model/decoder.h"

namespace cola {

/// Loss over a data set: natural logarithm, mean over all loss tokens (not over sequences). A token with a
/// weight counts as one in the number of tokens, and as weight times its loss in the sum.
struct LossSummary {
  double nll_sum = 0.0;      ///< weighted
  std::int64_t correct = 0;  ///< loss tokens whose greedy prediction is right
  std::int64_t loss_tokens = 0;
  std::int64_t sequences = 0;

  [[nodiscard]] double loss() const { return nll_sum / static_cast<double>(loss_tokens); }
  [[nodiscard]] double perplexity() const;
  [[nodiscard]] double token_accuracy() const;
};

inline constexpr std::int64_t default_evaluation_tokens = 2048;  ///< in a batch

/// Evaluates sequences in ragged batches of at most `batch_tokens` tokens (at least one sequence), sorted by
/// length. `each(done, total)` is called after every batch with sequence counts.
[[nodiscard]] LossSummary evaluate_loss(ops::Context& context, const Decoder& model,
                                        DecoderActivations& activations, const Sequences& examples,
                                        std::int64_t batch_tokens = default_evaluation_tokens,
                                        const std::function<void(std::int64_t, std::int64_t)>& each = {});

}  // namespace cola
