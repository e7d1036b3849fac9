#pragma once
#include <string>

#include "backend/context.h"
#include "backend/cpu/gemm_packed.h"
#include "core/matrix.h"

// LoRA's thin products by tiles of bf16: a factor in f32 is multiplied as the sum of two bf16, which leaves
// it 17 bits of mantissa.
namespace cola::ops {

/// A thin factor [r, C] as right operands, `groups` of 8 ranks: [groups][steps][512].
struct ThinFactor {
  std::uint16_t* tiles;  ///< not owned
  std::int64_t ranks, groups, steps;
};
[[nodiscard]] ThinFactor split_factor(Context& context, const std::string& name, ConstMatrixView thin,
                                      const PackedKernels& kernels = packed_kernels());

constexpr std::int64_t thin_rows = 64;  ///< rows that are multiplied at a time
/// bf16 that thin_rows of a matrix with so many columns take as left operands.
[[nodiscard]] std::int64_t thin_panel_elements(std::int64_t cols);
/// Up to thin_rows of a bf16 matrix as left operands.
void pack_thin_rows(ConstMatrixView rows, std::uint16_t* panel,
                    const PackedKernels& kernels = packed_kernels());
/// out [rows, r] = scale rows factor^T.
void dot_by_tiles(const std::uint16_t* panel, const ThinFactor& factor, float scale, MatrixView out,
                  const PackedKernels& kernels = packed_kernels());

/// out [r, C] += scale u^T wide, u [T, r], wide [T, C] in bf16. The same bits whatever the number of threads.
void outer_by_tiles(Context& context, ConstMatrixView u, ConstMatrixView wide, float scale, MatrixView out,
                    const PackedKernels& kernels = packed_kernels());

}  // namespace cola::ops
