#pragma once
#include <span>

#include "backend/context.h"
#include "core/matrix.h"

namespace cola::ops {

/// Products with a weight w [N, K] (Hugging Face's layout: out x in). x, w, y have the compute dtype (f32 or
/// bf16); sums are accumulated in f32. bf16 products use the processor's bf16 multiplier where it has one;
/// elsewhere w is widened block by block and multiplied in f32.

/// y [T, N] = x [T, K] w^T + bias [N]; `bias` may be empty. With Write::add the product (and bias) is added
/// to y.
void linear_forward(Context& context, ConstMatrixView x, ConstMatrixView w, std::span<const float> bias,
                    MatrixView y, Write write = Write::replace);

/// dx [T, K] = dy [T, N] w, or dx += dy w. dx may be f32 or the compute dtype.
void linear_backward_input(Context& context, ConstMatrixView dy, ConstMatrixView w, MatrixView dx,
                           Write write);

/// dw [N, K] += dy^T x, in f32.
void linear_backward_weight(Context& context, ConstMatrixView dy, ConstMatrixView x, MatrixView dw);

/// dbias [N] += column sums of dy [T, N], in f32.
void linear_backward_bias(Context& context, ConstMatrixView dy, std::span<float> dbias);

}  // namespace cola::ops
