#pragma once
#include <algorithm>
#include <cstdint>

#include "core/matrix.h"

namespace cola::ops {

/// A quantised weight w [N, K] is expanded a slab at a time where a product needs an operand in the compute
/// dtype: the rows (forward, y = x w^T) or columns (backward, dx = dy w) that make some columns of the
/// result, so that no sum is cut.
enum class SlabOf : std::uint8_t { rows, columns };

/// Columns of the result for which a slab, expanded to `dtype`, has about `bytes`: even ones, multiples of 64
/// and of w's blocks.
[[nodiscard]] inline std::int64_t slab_cols(ConstMatrixView w, SlabOf side, DType dtype, std::int64_t bytes) {
  const auto pieces = [](std::int64_t count, std::int64_t size) { return (count + size - 1) / size; };
  constexpr std::int64_t panel = 64;
  const std::int64_t unit = side == SlabOf::rows ? panel : std::max(panel, layout_of(w.dtype).values);
  const std::int64_t depth = side == SlabOf::rows ? w.cols : w.rows;
  const std::int64_t units = pieces(side == SlabOf::rows ? w.rows : w.cols, unit);
  const std::int64_t most =
      std::max<std::int64_t>(1, bytes / std::max<std::int64_t>(1, bytes_of(dtype, depth * unit)));
  return unit * pieces(units, std::max<std::int64_t>(1, pieces(units, most)));
}

/// The part of w that makes columns [begin, end) of the result.
[[nodiscard]] inline ConstMatrixView slab_of(ConstMatrixView w, SlabOf side, std::int64_t begin,
                                             std::int64_t end) {
  return side == SlabOf::rows ? w.row_range(begin, end) : w.column_range(begin, end);
}

}  // namespace cola::ops
