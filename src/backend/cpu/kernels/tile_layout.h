#pragma once
#include <cstdint>

// How the operands of tile products lie in memory (docs/decisions/0014-tile-products.md).
//
// A weight W [N, K] is cut into blocks of 32 rows and 32 columns, each contiguous (2 KB: two tiles), one row
// of blocks after the other; edges are padded with zeros. A block's row is 32 columns in the order of
// place_in_row(). That order lets 16-bit unpacking within quarters of a vector, the cheapest shuffle there
// is, turn two rows into two rows of pairs with their columns in order.
namespace cola::kernels {

constexpr std::int64_t tile_rows = 16;       ///< rows of a tile register, 64 bytes each
constexpr std::int64_t tile_depth = 32;      ///< bf16 in a row: how deep one tile product sums
constexpr std::int64_t tile_elements = 512;  ///< bf16 in a tile; half as many f32
constexpr std::int64_t tile_sums = 256;      ///< f32 in a tile

constexpr std::int64_t block_rows = 32;
constexpr std::int64_t block_cols = tile_depth;
constexpr std::int64_t block_elements = block_rows * block_cols;

/// Of a product with a weight, the sums that tile registers hold at a time: 32 outputs of 32 tokens, in four
/// tiles. A step 32 deep is a block of the weight and two tiles of the activations.
constexpr std::int64_t pair_tokens = 2 * tile_rows;
constexpr std::int64_t pair_sums = block_rows * pair_tokens;

/// Of attention's: 64 outputs (the panel's four tiles) of 16 tokens (the stream's one). Of panel and stream,
/// one step is 4 KB and 1 KB.
constexpr std::int64_t panel_outputs = 64;
constexpr std::int64_t panel_tiles = panel_outputs / tile_rows;
constexpr std::int64_t panel_step_elements = panel_tiles * tile_elements;
constexpr std::int64_t micro_sums = panel_tiles * tile_sums;

/// Where column `col` of a block lies in its row.
constexpr std::int64_t place_in_row(std::int64_t col) {
  const std::int64_t within = col % 16;
  return within / 4 * 8 + col / 16 * 4 + within % 4;
}

}  // namespace cola::kernels
