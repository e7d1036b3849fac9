#pragma once
#include <cstdint>
#include <span>
#include <string_view>

#include "backend/context.h"
#include "backend/cpu/block_epilogue.h"
#include "core/matrix.h"

namespace cola::ops {

/// What multiply() runs on: oneDNN, or built without it (gemm_plain.cpp) our own kernel.
extern const std::string_view product_library;

enum class Transpose : std::uint8_t { no, yes };

/// c [M, N] = op(a) [M, K] op(b) [K, N] + bias [N], or c += that: by product_library, on all threads. a and b
/// are both f32, or both bf16 where has_bf16_products(); c is f32 or has their dtype; `bias` may be empty.
/// Shapes are checked by the caller. Counts 2 M N K flops.
void multiply(Context& context, ConstMatrixView a, Transpose transpose_a, ConstMatrixView b,
              Transpose transpose_b, std::span<const float> bias, MatrixView c, Write write);

/// The same by kernels of our own, in f32: bf16 operands are widened block by block, whether or not the
/// processor multiplies bf16. A result does not depend on the number of threads. `epilogue` gets c's blocks.
/// b may be quantised: the result has the bits of that with its values in a's dtype.
void multiply_blocked(Context& context, ConstMatrixView a, Transpose transpose_a, ConstMatrixView b,
                      Transpose transpose_b, std::span<const float> bias, MatrixView c, Write write,
                      const BlockEpilogue& epilogue = {});

/// y [T, N] = x [T, K] w^T + bias, or y += that.
struct FewRowsProduct {
  ConstMatrixView w;
  std::span<const float> bias;
  MatrixView y;
  Write write;
};
/// Products of few rows of the same x, limited by how fast their w [N, K] are read: each is read once. x, w
/// f32 or bf16, or w quantised, its values then taken in x's dtype. Counts 2 T N K flops of each.
void multiply_few_rows(Context& context, ConstMatrixView x, std::span<const FewRowsProduct> products);

/// Most bytes in which that expands parts of a quantised w of K columns.
[[nodiscard]] std::int64_t few_rows_expansion_bytes(DType dtype, std::int64_t cols);

}  // namespace cola::ops
