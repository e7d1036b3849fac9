#pragma once
#include <cstdint>
#include <functional>
#include <span>

#include "backend/cpu/block_epilogue.h"
#include "backend/cpu/gemm.h"
#include "backend/weight_slabs.h"
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

/// Calls body with slabs that have 8 MiB of bf16, or the fewest columns of c that a slab can have: the
/// product of a slab has the bits of the whole one's.
void for_each_slab(const WeightSide& side, const std::function<void(const WeightSide&)>& body);

/// A slab's part of w, of which there is no larger one.
[[nodiscard]] ConstMatrixView largest_slab(ConstMatrixView w, Transpose transpose);

}  // namespace cola::ops
