#pragma once
#include <cstdint>
#include <span>

#include "backend/context.h"
#include "core/matrix.h"

namespace cola::ops {

/// The language-model head with softmax cross-entropy, over loss rows only and without a [T, V] matrix:
/// logits are made for a chunk of rows at a time. hidden [L, D] and head [V, D] in the compute dtype; logits,
/// softmax in f32. nll[i] = logsumexp(logits[i]) - logits[i][targets[i]] (written). correct[i] = 1 if the
/// largest logit (the first of equals) is the target's; may be empty.
void cross_entropy_forward(Context& context, ConstMatrixView hidden, ConstMatrixView head,
                           std::span<const std::int32_t> targets, std::span<float> nll,
                           std::span<std::uint8_t> correct);

/// The same, and the gradient of the sum of weights[i] * nll[i], weights [L]: dhidden [L, D] (compute dtype,
/// written) and, unless empty, dhead [V, D] (f32, added to).
void cross_entropy_forward_backward(Context& context, ConstMatrixView hidden, ConstMatrixView head,
                                    std::span<const std::int32_t> targets, std::span<const float> weights,
                                    std::span<float> nll, MatrixView dhidden, MatrixView dhead);

}  // namespace cola::ops
