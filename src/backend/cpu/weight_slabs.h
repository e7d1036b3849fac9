#pragma once
#include <cstdint>
#include <functional>
#include <span>

#include "backend/cpu/block_epilogue.h"
#include "backend/cpu/gemm.h"
#include "core/matrix.h"

namespace cola::ops {

/// The side of a quantised weight in a product c = activations op(w) + bias: w [N, K] transposed in a
/// forward, where c is [T, N], and not in a backward, where c is [T, K].
struct WeightSide {
  ConstMatrixView w;
  Transpose transpose = Transpose::yes;
  std::span<const float> bias;  ///< may be empty
  MatrixView c;
  BlockEpilogue epilogue;  ///< gets c's blocks
};

/// Calls body with slabs of so many columns of c that their part of w in bf16 is about slab_bytes: sums are
/// never cut, so that a slab's product has the bits of the whole one's. A slab has whole blocks of w, and
/// columns by 64.
void for_each_slab(const WeightSide& side, const std::function<void(const WeightSide&)>& body);

/// A slab's part of w, of which there is no larger one.
[[nodiscard]] ConstMatrixView largest_slab(ConstMatrixView w, Transpose transpose);

}  // namespace cola::ops
