#pragma once
#include <cstdint>
#include <span>

#include "backend/context.h"
#include "core/matrix.h"

namespace cola::ops {

/// Element by element on matrices of one shape; compute dtype (f32 or bf16), computed in f32.

/// x = 0.
void fill_zero(Context& context, MatrixView x);

/// y = a + scale * b, rounded once; y may be a or b.
void add(Context& context, ConstMatrixView a, ConstMatrixView b, MatrixView y, float scale = 1.0F);
/// y = factor * x; y may be x.
void scale(Context& context, ConstMatrixView x, float factor, MatrixView y);

/// Bytes of relu's bit mask of a matrix: whole 16 bytes a row.
[[nodiscard]] constexpr std::int64_t relu_mask_bytes(std::int64_t rows, std::int64_t cols) {
  return rows * ((cols + 127) / 128 * 16);
}
/// x = max(x, 0) in place. `positive` [relu_mask_bytes], written unless empty, says where x > 0, in an order
/// of bits that is the backend's.
void relu_forward(Context& context, MatrixView x, std::span<std::uint8_t> positive = {});
/// dx = dy where relu_forward's x > 0, else 0. dx may be dy.
void relu_backward(Context& context, ConstMatrixView dy, std::span<const std::uint8_t> positive,
                   MatrixView dx);

/// The function f of a gated MLP (Shazeer, 2020): silu(z) = z / (1 + exp(-z)), or gelu_tanh(z) = z / 2 (1 +
/// tanh(sqrt(2 / pi) (z + 0.044715 z^3))) (Hendrycks and Gimpel, 2016).
enum class Gate : std::uint8_t { silu, gelu_tanh };

/// h = f(gate) * up. gate and up may be columns of one matrix, here and in the backward.
void gate_forward(Context& context, Gate function, ConstMatrixView gate, ConstMatrixView up, MatrixView h);
/// dgate = dh * up * f'(gate), dup = dh * f(gate). dgate, dup may be gate, up (in place).
void gate_backward(Context& context, Gate function, ConstMatrixView dh, ConstMatrixView gate,
                   ConstMatrixView up, MatrixView dgate, MatrixView dup);

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
