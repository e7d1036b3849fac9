#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <utility>

#include "backend/cpu/gemm.h"
#include "backend/cpu/ops.h"

namespace cola::ops {
namespace {

// Large enough for sgemm to reach its speed, small enough for the widened blocks to stay in a shared cache.
constexpr std::int64_t row_block = 512;
constexpr std::int64_t col_block = 512;
constexpr std::int64_t depth_block = 1024;

ConstMatrixView columns(ConstMatrixView view, std::int64_t begin, std::int64_t end) {
  const auto* bytes = static_cast<const std::byte*>(view.data);
  return {bytes + begin * static_cast<std::int64_t>(size_of(view.dtype)), view.dtype, view.rows, end - begin,
          view.stride};
}

MatrixView columns(MatrixView view, std::int64_t begin, std::int64_t end) {
  auto* bytes = static_cast<std::byte*>(view.data);
  return {bytes + begin * static_cast<std::int64_t>(size_of(view.dtype)), view.dtype, view.rows, end - begin,
          view.stride};
}

struct Range {
  std::int64_t begin, end;
};

/// Rows `rows` and columns `cols` of op(view), in f32 and in view's own layout.
MatrixView widen_block(Context& context, const char* name, ConstMatrixView view, Transpose transpose,
                       Range rows, Range cols) {
  if (transpose == Transpose::yes) std::swap(rows, cols);
  const ConstMatrixView part = columns(view.row_range(rows.begin, rows.end), cols.begin, cols.end);
  const MatrixView wide = context.scratch(name, DType::f32, part.rows, part.cols);
  cpu::convert(context, part, wide);
  return wide;
}

}  // namespace

void multiply_widened(Context& context, ConstMatrixView a, Transpose transpose_a, ConstMatrixView b,
                      Transpose transpose_b, std::span<const float> bias, MatrixView c, Write write) {
  const std::int64_t depth = transpose_a == Transpose::yes ? a.rows : a.cols;
  for (std::int64_t row = 0; row < c.rows; row += row_block) {
    const Range rows = {row, std::min(row + row_block, c.rows)};
    for (std::int64_t col = 0; col < c.cols; col += col_block) {
      const Range cols = {col, std::min(col + col_block, c.cols)};
      const MatrixView target = columns(c.row_range(rows.begin, rows.end), cols.begin, cols.end);
      const bool direct = c.dtype == DType::f32;
      const MatrixView sums =
          direct ? target : context.scratch("multiply_widened c", DType::f32, target.rows, target.cols);
      if (!direct && write == Write::add) cpu::convert(context, target, sums);
      const auto part_bias = bias.empty() ? bias
                                          : bias.subspan(static_cast<std::size_t>(cols.begin),
                                                         static_cast<std::size_t>(cols.end - cols.begin));
      for (std::int64_t k = 0; k < depth; k += depth_block) {
        const Range inner = {k, std::min(k + depth_block, depth)};
        multiply(context, widen_block(context, "multiply_widened a", a, transpose_a, rows, inner),
                 transpose_a, widen_block(context, "multiply_widened b", b, transpose_b, inner, cols),
                 transpose_b, k == 0 ? part_bias : std::span<const float>{}, sums,
                 k == 0 ? write : Write::add);
      }
      if (!direct) cpu::convert(context, sums, target);
    }
  }
}

}  // namespace cola::ops
