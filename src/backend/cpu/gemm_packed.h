#pragma once
#include <span>

#include "backend/context.h"
#include "backend/cpu/block_epilogue.h"
#include "backend/cpu/kernels/tile_operands.h"
#include "backend/cpu/kernels/tile_product.h"
#include "backend/cpu/weight_slabs.h"
#include "backend/packed_matrix.h"

namespace cola::ops {

/// What a packed product is made with: cpu_isa()'s by default; tests name others.
struct PackedKernels {
  const kernels::TileKernels& tiles;
  const kernels::TileOperandKernels& operands;
};
[[nodiscard]] PackedKernels packed_kernels();

/// y [T, N] = x [T, K] w^T + bias [N] (which may be empty), or y += that. x is bf16, y f32 or bf16. On all
/// threads; the same bits whatever their number. `epilogue` gets y's blocks. Shapes are checked by the
/// caller. Counts 2 T N K flops.
void multiply_packed_forward(Context& context, ConstMatrixView x, const PackedMatrix& w,
                             std::span<const float> bias, MatrixView y, Write write,
                             const BlockEpilogue& epilogue = {},
                             const PackedKernels& kernels = packed_kernels());

/// y = x w^T + bias, or y += that.
struct PackedProduct {
  const PackedMatrix* w;
  std::span<const float> bias;
  MatrixView y;
  Write write;
};
/// Products of the same x; of few rows in one loop.
void multiply_packed_together(Context& context, ConstMatrixView x, std::span<const PackedProduct> products,
                              const PackedKernels& kernels = packed_kernels());

/// dx [T, K] = dy [T, N] w, or dx += that, likewise.
void multiply_packed_backward(Context& context, ConstMatrixView dy, const PackedMatrix& w, MatrixView dx,
                              Write write, const BlockEpilogue& epilogue = {},
                              const PackedKernels& kernels = packed_kernels());

/// side.c = activations op(side.w) + bias, or += that, w quantised: packed a slab at a time. The bits of the
/// products with all of it packed.
void multiply_packed(Context& context, ConstMatrixView activations, const WeightSide& side, Write write,
                     const PackedKernels& kernels = packed_kernels());

}  // namespace cola::ops
