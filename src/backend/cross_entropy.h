#pragma once
#include <algorithm>
#include <cstdint>
#include <span>

#include "backend/context.h"
#include "backend/packed_matrix.h"
#include "core/matrix.h"

namespace cola::ops {

/// A low-rank branch of the head: logits += scale u B^T with u = input A^T, as lora_forward has it. What an
/// op writes or adds to is for all L rows; the backward's may be empty where only a forward is run.
struct HeadBranch {
  ConstMatrixView input;  ///< [L, D] in the compute dtype: hidden, or hidden after LoRA dropout
  ConstMatrixView a;      ///< [r, D] f32
  ConstMatrixView b;      ///< [V, r] f32
  float scale = 0.0F;
  MatrixView u;   ///< [L, r] f32, written
  MatrixView du;  ///< [L, r] f32, written by the backward: what lora_backward_a goes on from
  MatrixView db;  ///< [V, r] f32, added to by the backward; empty: not computed
};

/// What complete logits, branches' shares included, become before anything reads them: scale * logit, and of
/// that, unless soft_cap is 0, soft_cap * tanh(. / soft_cap) (Gemma 2).
struct LogitTransform {
  float scale = 1.0F;  ///< of Granite: 1 / logits_scaling
  float soft_cap = 0.0F;

  [[nodiscard]] bool operator==(const LogitTransform&) const = default;
};

/// Transforms logits [T, V] (f32) in place.
void transform_logits(Context& context, const LogitTransform& transform, MatrixView logits);

/// Rows of logits [rows, vocabulary] that are made at a time: at most `chunk_bytes` of them, but enough for a
/// product at full speed; even chunks.
[[nodiscard]] constexpr std::int64_t logits_chunk_rows(std::int64_t chunk_bytes, std::int64_t rows,
                                                       std::int64_t vocabulary) {
  constexpr std::int64_t least = 64;
  if (rows <= least || vocabulary < 1) return rows;
  const std::int64_t most = std::max(least, chunk_bytes / (4 * vocabulary));
  const std::int64_t chunks = (rows + most - 1) / most;
  return (rows + chunks - 1) / chunks;
}

/// The language-model head with softmax cross-entropy, over loss rows only and without a [T, V] matrix:
/// logits are made for a chunk of rows at a time. hidden [L, D] and head [V, D] in the compute dtype; logits,
/// softmax in f32. Of the spans targets and weights are the host's. nll[i] = logsumexp(logits[i]) -
/// logits[i][targets[i]] (written). correct[i] = 1 if the largest logit (the first of equals) is the
/// target's; may be empty. Each of `branches` adds to the logits, which then pass `transform`.
void cross_entropy_forward(Context& context, ConstMatrixView hidden, WeightView head,
                           std::span<const std::int32_t> targets, std::span<float> nll,
                           std::span<std::uint8_t> correct, std::span<const HeadBranch> branches = {},
                           const LogitTransform& transform = {});

/// The same, and the gradient of the sum of weights[i] * nll[i], weights [L]: dhidden [L, D] (compute dtype,
/// written) and, unless empty, dhead [V, D] (f32, added to), both through the head alone; and du and dB of
/// each branch.
void cross_entropy_forward_backward(Context& context, ConstMatrixView hidden, WeightView head,
                                    std::span<const std::int32_t> targets, std::span<const float> weights,
                                    std::span<float> nll, MatrixView dhidden, MatrixView dhead,
                                    std::span<const HeadBranch> branches = {},
                                    const LogitTransform& transform = {});

}  // namespace cola::ops
