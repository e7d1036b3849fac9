#include "backend/cpu/weight_slabs.h"

#include <algorithm>

namespace cola::ops {
namespace {

SlabOf side_of(Transpose transpose) { return transpose == Transpose::yes ? SlabOf::rows : SlabOf::columns; }

std::int64_t step_of(ConstMatrixView w, Transpose transpose) {
  // Every thread has work for long, and a slab is small beside a model's activations.
  constexpr std::int64_t slab_bytes = std::int64_t{8} << 20;
  const std::int64_t step = slab_cols(w, side_of(transpose), DType::bf16, slab_bytes);
  static_assert(64 % epilogue_cols == 0);  // what a slab's columns are a multiple of
  return step;
}

}  // namespace

void for_each_slab(const WeightSide& side, const std::function<void(const WeightSide&)>& body) {
  const std::int64_t step = step_of(side.w, side.transpose);
  for (std::int64_t begin = 0; begin < side.c.cols; begin += step) {
    const std::int64_t end = std::min(begin + step, side.c.cols);
    const auto shifted = [&](const BlockRange& block) {
      side.epilogue({block.row_begin, block.row_end, begin + block.col_begin, begin + block.col_end});
    };
    body({.w = slab_of(side.w, side_of(side.transpose), begin, end),
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
  return slab_of(w, side_of(transpose), 0, std::min(step_of(w, transpose), cols));
}

}  // namespace cola::ops
