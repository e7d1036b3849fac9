#include "backend/cpu/weight_slabs.h"

#include <algorithm>

namespace cola::ops {
namespace {

// Large enough that every thread has work for long, small beside a model's activations.
constexpr std::int64_t slab_bytes = std::int64_t{8} << 20;
constexpr std::int64_t panel = 64;
static_assert(panel % epilogue_cols == 0);

std::int64_t pieces(std::int64_t count, std::int64_t size) { return (count + size - 1) / size; }

/// Columns of a slab of c: even ones.
std::int64_t slab_cols(ConstMatrixView w, Transpose transpose) {
  const std::int64_t cols = transpose == Transpose::yes ? w.rows : w.cols;
  const std::int64_t depth = transpose == Transpose::yes ? w.cols : w.rows;
  const std::int64_t unit = transpose == Transpose::yes ? panel : std::max(panel, layout_of(w.dtype).values);
  constexpr std::int64_t element_bytes = 2;
  const std::int64_t units = pieces(cols, unit);
  const std::int64_t most = std::max<std::int64_t>(1, slab_bytes / (element_bytes * depth * unit));
  return unit * pieces(units, pieces(units, most));
}

/// The part of w that makes columns [begin, end) of c.
ConstMatrixView part_of(ConstMatrixView w, Transpose transpose, std::int64_t begin, std::int64_t end) {
  return transpose == Transpose::yes ? w.row_range(begin, end) : w.column_range(begin, end);
}

}  // namespace

void for_each_slab(const WeightSide& side, const std::function<void(const WeightSide&)>& body) {
  const std::int64_t step = slab_cols(side.w, side.transpose);
  for (std::int64_t begin = 0; begin < side.c.cols; begin += step) {
    const std::int64_t end = std::min(begin + step, side.c.cols);
    const auto shifted = [&](const BlockRange& block) {
      side.epilogue({block.row_begin, block.row_end, begin + block.col_begin, begin + block.col_end});
    };
    body({.w = part_of(side.w, side.transpose, begin, end),
          .transpose = side.transpose,
          .bias = side.bias.empty() ? side.bias
                                    : side.bias.subspan(static_cast<std::size_t>(begin),
                                                        static_cast<std::size_t>(end - begin)),
          .c = side.c.column_range(begin, end),
          .epilogue = side.epilogue.empty() ? BlockEpilogue() : BlockEpilogue(shifted)});
  }
}

ConstMatrixView largest_slab(ConstMatrixView w, Transpose transpose) {
  const std::int64_t cols = transpose == Transpose::yes ? w.rows : w.cols;
  return part_of(w, transpose, 0, std::min(slab_cols(w, transpose), cols));
}

}  // namespace cola::ops
