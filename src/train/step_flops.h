#pragma once
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "backend/ragged_batch.h"
#include "model/decoder_spec.h"

namespace cola {

/// What a batch's cost depends on. Additive over its sequences.
struct BatchSize {
  std::int64_t tokens = 0;          ///< rows that run through the blocks
  std::int64_t loss_rows = 0;       ///< rows that run through the head
  std::vector<std::int64_t> pairs;  ///< of a query and a key that it sees, for each of DecoderSpec::windows()

  BatchSize& operator+=(const BatchSize& other);
};

/// `windows`: of the model.
[[nodiscard]] BatchSize size_of(const RaggedBatch& batch, std::span<const std::int64_t> windows);

/// One link of a chain in training.
struct LinkInTraining {
  std::vector<std::string> target_modules;
  std::int64_t rank = 0;
  std::int64_t stacked_rank = 0;  ///< of the tied links that act as factors beside the weights, summed
};

/// FLOPs of forward and backward, as Context::flops() counts them: 2 a multiply-add of the weights' products,
/// LoRA's thin products and attention's; norms, activation functions and softmax not.
struct StepFlops {
  double per_token = 0.0, per_loss_row = 0.0;
  std::vector<double> per_pair;  ///< for each of DecoderSpec::windows()

  [[nodiscard]] double of(const BatchSize& size) const;
};

/// With `recompute` (--activation-checkpointing) the backward runs all blocks but the last forward again,
/// each without its last product. `forward_heads`: how often the head runs forward in a step: once for the
/// language-model loss; twice where the candidates' scores must be known before the loss has a gradient.
/// Throws UsageError for target modules that do not exist and a rank above a target's smaller side.
[[nodiscard]] StepFlops step_flops(const DecoderSpec& spec, const LinkInTraining& link,
                                   std::int64_t forward_heads, bool recompute = false);

/// Trained parameters of the link. Throws as step_flops.
[[nodiscard]] std::int64_t link_parameters(const DecoderSpec& spec, const LinkInTraining& link);

}  // namespace cola
