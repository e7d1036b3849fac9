#pragma once
#include <cstdint>
#include <span>

#include "backend/context.h"
#include "core/matrix.h"

namespace cola::ops {

/// Element by element on matrices of one shape; compute dtype (f32 or bf16), computed in f32.

/// y = a + b; y may be a or b.
void add(Context& context, ConstMatrixView a, ConstMatrixView b, MatrixView y);

/// x = max(x, 0) in place.
void relu_forward(Context& context, MatrixView x);
/// dx = dy where y > 0, else 0; y is relu_forward's result. dx may be dy.
void relu_backward(Context& context, ConstMatrixView dy, ConstMatrixView y, MatrixView dx);

/// h = silu(gate) * up, silu(g) = g / (1 + exp(-g)) (Shazeer, 2020).
void silu_gate_forward(Context& context, ConstMatrixView gate, ConstMatrixView up, MatrixView h);
/// dgate = dh * up * silu'(gate), dup = dh * silu(gate). dgate, dup may be gate, up (in place).
void silu_gate_backward(Context& context, ConstMatrixView dh, ConstMatrixView gate, ConstMatrixView up,
                        MatrixView dgate, MatrixView dup);

/// Which mask: a dropout mask element is a pure function of (key, token key, column), so that resuming,
/// recomputing, accumulating and re-batching see the same mask.
struct DropoutKey {
  std::uint64_t seed = 0;
  std::uint64_t stream = 0;  ///< site in the model and optimizer step
  float probability = 0.0F;
};
/// y = x * mask / (1 - p), mask from (key, token_keys[t], column); the backward is the same call on the
/// gradient. y may be x. token_keys [T]. 0 <= p < 1. Element (t, c) is kept where u >= p, u = (word >> 8)
/// 2^-24 for word c % 4 of the Philox4x32-10 block with counter (c / 4, low and high half of token_keys[t],
/// 0) and as key the first two words of the block with counter (low and high half of stream, 0, 0) and key
/// (low and high half of seed).
void dropout(Context& context, ConstMatrixView x, const DropoutKey& key,
             std::span<const std::uint64_t> token_keys, MatrixView y);

/// Copies with conversion between f32, bf16 and f16 (f16 as a source only), rounding to nearest even.
void convert(Context& context, ConstMatrixView source, MatrixView destination);

}  // namespace cola::ops
