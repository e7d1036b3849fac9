#pragma once
#include <span>

#include "backend/context.h"
#include "core/matrix.h"

namespace cola::ops {

/// The low-rank branch of a linear layer: y += scale (x A^T) B^T (Hu et al., 2021). x, y, dy, dx: compute
/// dtype; A [r, K], B [N, r], u [T, r] and all gradients of A and B: f32. Products widen bf16 operands and
/// multiply in f32.

/// u = x A^T (written), y += scale u B^T. An empty `y` is not computed.
void lora_forward(Context& context, ConstMatrixView x, ConstMatrixView a, ConstMatrixView b, float scale,
                  MatrixView u, MatrixView y);

/// du [T, r] = scale dy B (written); dB [N, r] += scale dy^T u. An empty `db` is not computed.
void lora_backward_b(Context& context, ConstMatrixView dy, ConstMatrixView u, ConstMatrixView b, float scale,
                     MatrixView du, MatrixView db);

/// dA [r, K] += du^T x; dx [T, K] += du A. An empty `da` or `dx` is not computed.
void lora_backward_a(Context& context, ConstMatrixView du, ConstMatrixView x, ConstMatrixView a,
                     MatrixView da, MatrixView dx);

/// delta [N, K] += scale B A, in f32: the weight change of one link.
void lora_delta(Context& context, ConstMatrixView a, ConstMatrixView b, float scale, MatrixView delta);

}  // namespace cola::ops
