#pragma once
#include <cstdint>

#include "backend/cpu/kernels/rows.h"

namespace cola::ops {
enum class CpuIsa : std::uint8_t;
}

namespace cola::kernels {

/// Where sums go: at most 16 tokens x 32 outputs of y.
template <class T>
struct TileResult {
  const float* sums;  ///< [2][256]
  const float* bias;  ///< [outputs], or null
  Rows<T> y;          ///< at the first token and output
  std::int64_t tokens, outputs;
  bool add;          ///< y += instead of y =
  bool past_caches;  ///< by non-temporal stores where the instruction set and y's alignment allow it
};

/// What stands around tile products: operands into tiles, sums into results (tile_layout.h). bf16 is
/// std::uint16_t. Sums are rounded to bf16 once, to nearest even.
struct TileOperandKernels {
  /// A tile of the forward's stream for each 32 columns of x [tokens <= 16, cols]: row p of a tile holds, for
  /// each token, the columns in places 2p and 2p + 1 of a block's row. Padded with zeros. From a tile to the
  /// next it is `tile_stride` elements.
  void (*pair_columns)(std::int64_t tokens, std::int64_t cols, Rows<const std::uint16_t> x,
                       std::uint16_t* tiles, std::int64_t tile_stride);
  /// A tile of the backward's stream for each 32 columns of dy [tokens <= 16, cols]: the columns as they are.
  void (*copy_columns)(std::int64_t tokens, std::int64_t cols, Rows<const std::uint16_t> dy,
                       std::uint16_t* tiles, std::int64_t tile_stride);
  /// `count` rows of two tiles of the backward's panel from twice as many of a block: row p of a tile holds,
  /// for each of 16 columns, rows 2p and 2p + 1; the second tile has columns 16 to 31.
  void (*pair_rows)(const std::uint16_t* rows, std::uint16_t* tiles, std::int64_t count);
  /// The same of rows `stride` elements apart, whose columns are in order: column col of the 32 comes where a
  /// block's column at the place col would.
  void (*pair_far_rows)(Rows<const std::uint16_t> rows, std::uint16_t* tiles, std::int64_t count);

  /// A tile from a thin factor's a [ranks <= 8, cols <= 32] f32, which is the sum of two bf16: row j (of
  /// `thin_rows`, else in pairs column j) holds what a's row j rounds to, row 8 + j what that leaves.
  void (*split_rows)(std::int64_t ranks, std::int64_t cols, Rows<const float> a, std::uint16_t* tile);
  void (*split_columns)(std::int64_t ranks, std::int64_t cols, Rows<const float> a, std::uint16_t* tile);

  /// Of sums whose rows are outputs.
  void (*write_outputs_by_tokens_f32)(const TileResult<float>& result);
  void (*write_outputs_by_tokens_bf16)(const TileResult<std::uint16_t>& result);
  /// Of sums whose rows are tokens.
  void (*write_tokens_by_outputs_f32)(const TileResult<float>& result);
  void (*write_tokens_by_outputs_bf16)(const TileResult<std::uint16_t>& result);
};

namespace isa_baseline {
extern const TileOperandKernels tile_operands;
}
namespace isa_avx2 {
extern const TileOperandKernels tile_operands;
}
namespace isa_avx512 {
extern const TileOperandKernels tile_operands;
}
namespace isa_avx512_bf16 {
extern const TileOperandKernels tile_operands;
}

[[nodiscard]] const TileOperandKernels& tile_operand_kernels(ops::CpuIsa isa);

}  // namespace cola::kernels
