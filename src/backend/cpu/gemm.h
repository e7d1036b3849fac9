#pragma once
#include <cstdint>
#include <span>

#include "backend/context.h"
#include "core/matrix.h"

namespace cola::ops {

enum class Transpose : std::uint8_t { no, yes };

/// c [M, N] = op(a) [M, K] op(b) [K, N] + bias [N], or c += that: by oneDNN, on all threads (built without it: by gemm_plain.cpp). a and b are both
/// f32, or both bf16 where has_bf16_products(); c is f32 or has their dtype; `bias` may be empty. Shapes are
/// checked by the caller. Counts 2 M N K flops.
void multiply(Context& context, ConstMatrixView a, Transpose transpose_a, ConstMatrixView b,
              Transpose transpose_b, std::span<const float> bias, MatrixView c, Write write);

/// The same for bf16 a and b without hardware for it: blocks of both are widened and multiplied in f32. a, b:
/// bf16.
void multiply_widened(Context& context, ConstMatrixView a, Transpose transpose_a, ConstMatrixView b,
                      Transpose transpose_b, std::span<const float> bias, MatrixView c, Write write);

/// y [T, N] = x [T, K] w^T + bias for few rows of x, limited by how fast w [N, K] is read: w's rows are read
/// once. x, w f32 or bf16. Counts 2 T N K flops.
void multiply_few_rows(Context& context, ConstMatrixView x, ConstMatrixView w, std::span<const float> bias,
                       MatrixView y, Write write);

}  // namespace cola::ops
