#pragma once
#include <cstddef>
#include <cstdint>

namespace cola::kernels {

/// What becomes of sums that are whole: called for 16 tokens and 32 outputs at a time, while the multiplier
/// is busy with the next.
struct TileResults {
  const void* of = nullptr;
  /// `sums` [2][256] of the panel number `panel` and the tile of tokens number `tile`: rows are those of the
  /// product's left operand. Null: the sums wait for their next chunk.
  void (*write)(const void* of, std::int64_t panel, std::int64_t tile, const float* sums) = nullptr;
  /// Where the first result will be: it is fetched into L2 ahead of that. Null: nothing is fetched.
  const std::byte* y = nullptr;
  std::int64_t row_bytes = 0;    ///< from a token's results to the next token's
  std::int64_t panel_bytes = 0;  ///< of a token's results of one panel
  std::int64_t tokens = 0;
};

/// A chunk of the depth of a product of activations with a packed weight (tile_layout.h), for a rectangle of
/// panels (32 outputs) and pairs of tiles of tokens (32 tokens). "Depth" is that of the product: a forward's
/// is the weight's columns, its panels are rows of blocks; a backward's the other way round.
struct TileChunk {
  const std::uint16_t* weight;  ///< the block of the first panel and the first step
  std::int64_t panel_stride;    ///< elements from a panel's block to the next panel's
  std::int64_t step_stride;     ///< elements from a step's block to the next step's
  std::int64_t panels;
  std::int64_t steps;           ///< each 32 deep
  const std::uint16_t* stream;  ///< activations [pairs][steps][2][512]
  std::int64_t pairs;
  float* waiting;       ///< sums between chunks [panels][pairs][4][256]; null where there is one chunk only
  bool add;             ///< to the sums that wait; else they begin with this chunk
  float* finished;      ///< room for three products' sums [3][4][256]
  TileResults results;  ///< of the last chunk
  /// Of a backward, which makes its panels from the weight's blocks: pairs `count` times two rows
  /// (TileOperandKernels::pair_rows), into room for two panels [2][steps][1024].
  void (*pair_rows)(const std::uint16_t* rows, std::uint16_t* tiles, std::int64_t count);
  std::uint16_t* paired;
};

/// One panel with up to 16 tokens over all depth, as in generation: each line of the weight is used once.
struct TileFewTokens {
  const std::uint16_t* panel;   ///< [steps][2][512]
  const std::uint16_t* stream;  ///< [steps][512]
  std::int64_t steps;
  float* sums;  ///< [2][256]: rows are outputs
};

}  // namespace cola::kernels
