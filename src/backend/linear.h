#pragma once
#include <span>
#include <string_view>

#include "backend/context.h"
#include "backend/packed_matrix.h"
#include "core/matrix.h"

namespace cola::ops {

/// Products with a weight w [N, K] (Hugging Face's layout: out x in). x, w, y have the compute dtype (f32 or
/// bf16); sums are accumulated in f32. bf16 products use the processor's bf16 multiplier where it has one;
/// elsewhere w is widened block by block and multiplied in f32. A packed w is bf16, and multiplied by tiles.

/// y [T, N] = addend [T, N] + x [T, K] w^T + bias [N]. `bias` and `addend` may be empty; an addend has y's
/// dtype, and may be y itself.
void linear_forward(Context& context, ConstMatrixView x, WeightView w, std::span<const float> bias,
                    ConstMatrixView addend, MatrixView y);

/// dx [T, K] = dy [T, N] w, or dx += dy w. dx may be f32 or the compute dtype.
void linear_backward_input(Context& context, ConstMatrixView dy, WeightView w, MatrixView dx, Write write);

/// What these products run on, for people to read: "AMX tiles" for frozen weights that prefers_packed(), else
/// oneDNN.
[[nodiscard]] std::string_view product_kernel(DType dtype, bool frozen);

/// dw [N, K] += dy^T x, in f32.
void linear_backward_weight(Context& context, ConstMatrixView dy, ConstMatrixView x, MatrixView dw);

/// dbias [N] += column sums of dy [T, N], in f32.
void linear_backward_bias(Context& context, ConstMatrixView dy, std::span<float> dbias);

}  // namespace cola::ops
