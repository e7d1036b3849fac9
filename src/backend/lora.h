#pragma once
#include <span>

#include "backend/context.h"
#include "core/matrix.h"

namespace cola::ops {

/// The low-rank branch of a linear layer: y += scale (x A^T) B^T (Hu et al., 2021). x, y, dy, dx: compute
/// dtype; A [r, K], B [N, r], u [T, r] and all gradients of A and B: f32. Sums are f32. A call is for any
/// number of branches that share x: of layers with one input, or of one layer. No two of a call write the
/// same matrix, but for y and dx.

struct LoraForward {
  ConstMatrixView a;
  ConstMatrixView b;
  float scale = 0.0F;
  MatrixView u;  ///< = x A^T (written)
  MatrixView y;  ///< += scale u B^T; empty: not computed
};
void lora_forward(Context& context, ConstMatrixView x, std::span<const LoraForward> branches);

struct LoraBackwardB {
  ConstMatrixView dy;  ///< [T, N]
  ConstMatrixView u;
  ConstMatrixView b;
  float scale = 0.0F;
  MatrixView du;  ///< [T, r] = scale dy B (written)
  MatrixView db;  ///< [N, r] += scale dy^T u; empty: not computed, and u not read
};
void lora_backward_b(Context& context, std::span<const LoraBackwardB> branches);

struct LoraBackwardA {
  ConstMatrixView du;
  ConstMatrixView a;
  MatrixView da;  ///< [r, K] += du^T x; empty: not computed
};
/// dx [T, K] += the sum of all du A. An empty dx is not computed; x is read for dA alone.
void lora_backward_a(Context& context, ConstMatrixView x, std::span<const LoraBackwardA> branches,
                     MatrixView dx);

/// delta [N, K] += scale B A, in f32: the weight change of one link.
void lora_delta(Context& context, ConstMatrixView a, ConstMatrixView b, float scale, MatrixView delta);

}  // namespace cola::ops
