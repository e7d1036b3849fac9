#pragma once
#include "backend/cpu/kernels/tile_chunk.h"
#include "backend/cpu/kernels/tile_layout.h"
#include "backend/cpu/kernels/tile_product_loop.h"

// The loops of products with packed weights (docs/decisions/0014-tile-products.md), for the hardware's tile
// registers and for emulated ones (tile_product_loop.h). Everything that is not a tile operation is done in
// slots between the steps of a product, where it hides behind the multiplier.
namespace cola::kernels {

template <Left left, class Tiles>
class ChunkLoop {
 public:
  [[gnu::always_inline]] explicit ChunkLoop(const TileChunk& chunk)
      : chunk_(chunk), before_(chunk.finished + 2 * pair_sums), ahead_lines_(lines_a_slot(chunk.pairs)) {}

  [[gnu::always_inline]] void run() {
    if constexpr (left == Left::stream) pair_panel();
    for (panel_ = 0; panel_ < chunk_.panels; ++panel_) {
      fetched_ = 0;
      paired_ = 0;
      for (pair_ = 0; pair_ < chunk_.pairs; ++pair_) multiply();
    }
    store_sums();
    while (unwritten_half_ < 2) write_half();
  }

 private:
  static constexpr std::int64_t line_elements = 32;
  static constexpr std::int64_t line_bytes = 64;
  static constexpr std::int64_t block_lines = block_elements / line_elements;
  static constexpr std::int64_t row_pairs = block_rows / 2;    ///< of a block
  static constexpr std::int64_t pairs_a_slot = row_pairs / 4;  ///< that are made in one slot
  static constexpr std::int64_t fetching_slots = 16;           ///< of sums and results: 64 and 32 lines

  [[gnu::always_inline]] static void fetch(const void* line) { __builtin_prefetch(line, 0, 2); }

  [[gnu::always_inline]] const std::uint16_t* block(std::int64_t panel, std::int64_t step) const {
    return chunk_.weight + panel * chunk_.panel_stride + step * chunk_.step_stride;
  }
  [[gnu::always_inline]] std::uint16_t* paired_panel(std::int64_t panel) const {
    return chunk_.paired + panel % 2 * chunk_.steps * block_elements;
  }
  [[gnu::always_inline]] float* waiting(std::int64_t panel) const {
    return chunk_.waiting + (panel * chunk_.pairs + pair_) * pair_sums;
  }

  /// A panel is fetched while all pairs meet the one before.
  [[gnu::always_inline]] static std::int64_t lines_a_slot(std::int64_t pairs) {
    std::int64_t lines = block_lines;
    while (lines > 4 && lines * pairs > block_lines) lines /= 2;
    return lines * pairs < block_lines ? 2 * lines : lines;
  }

  [[gnu::always_inline]] void pair_panel() {
    for (std::int64_t step = 0; step < chunk_.steps; ++step)
      chunk_.pair_rows(block(0, step), paired_panel(0) + step * block_elements, row_pairs);
  }

  template <int sum, int activations, int weight>
  [[gnu::always_inline]] void multiply_add() {
    if constexpr (left == Left::panel) {
      tiles_.template multiply_add<sum, weight, activations>();
    } else {
      tiles_.template multiply_add<sum, activations, weight>();
    }
  }

  /// Stores a sum of the product before and begins that of this one.
  template <int sum, int activations, int weight>
  [[gnu::always_inline]] void take_turns(const float* sums) {
    tiles_.template store<sum>(before_ + sum * tile_sums);
    if (sums != nullptr) {
      tiles_.template load_streaming<sum>(sums + sum * tile_sums);
    } else {
      tiles_.template zero<sum>();
    }
    multiply_add<sum, activations, weight>();
  }

  /// One product: a panel's 32 outputs of 32 tokens over the chunk. Tiles 0 to 3 hold the sums, 4 and 5 the
  /// weight's block, 6 and 7 the activations. These come by tileloaddt1, which does not push the weight out
  /// of L1. The operands of the first step are asked for before the sums of the product before are stored.
  [[gnu::always_inline]] void multiply() {
    const std::uint16_t* weight = left == Left::panel ? block(panel_, 0) : paired_panel(panel_);
    const std::uint16_t* stream = chunk_.stream + pair_ * chunk_.steps * block_elements;
    const float* sums = chunk_.add ? waiting(panel_) : nullptr;
    begin_slots();
    tiles_.template load<4>(weight);
    tiles_.template load_streaming<6>(stream);
    tiles_.template load<5>(weight + tile_elements);
    tiles_.template load_streaming<7>(stream + tile_elements);
    take_turns<0, 6, 4>(sums);
    take_turns<1, 6, 5>(sums);
    take_turns<2, 7, 4>(sums);
    take_turns<3, 7, 5>(sums);
    slot(0);
    for (std::int64_t step = 1; step < chunk_.steps; ++step) {
      multiply_step(weight + step * block_elements, stream + step * block_elements);
      slot(step);
    }
    end_slots();
  }

  [[gnu::always_inline]] void multiply_step(const std::uint16_t* weight, const std::uint16_t* stream) {
    tiles_.template load<4>(weight);
    tiles_.template load_streaming<6>(stream);
    multiply_add<0, 6, 4>();
    tiles_.template load<5>(weight + tile_elements);
    multiply_add<1, 6, 5>();
    tiles_.template load_streaming<7>(stream + tile_elements);
    multiply_add<2, 7, 4>();
    multiply_add<3, 7, 5>();
  }

  [[gnu::always_inline]] void store_sums() {
    tiles_.template store<0>(before_);
    tiles_.template store<1>(before_ + tile_sums);
    tiles_.template store<2>(before_ + 2 * tile_sums);
    tiles_.template store<3>(before_ + 3 * tile_sums);
  }

  [[gnu::always_inline]] void begin_slots() {
    const std::int64_t share = pair_ + 1;
    // A forward reads the next panel as it lies; a backward is making it, and reads the one after.
    const std::int64_t ahead = panel_ + (left == Left::panel ? 1 : 2);
    fetch_end_ = ahead < chunk_.panels ? chunk_.steps * block_lines * share / chunk_.pairs : 0;
    const bool more = panel_ + 1 < chunk_.panels;
    pair_end_ = left == Left::stream && more ? 4 * chunk_.steps * share / chunk_.pairs : 0;
    next_sums_ = more && chunk_.waiting != nullptr ? waiting(panel_ + 1) : nullptr;
    const TileResults& results = chunk_.results;
    result_rows_ =
        results.write != nullptr && results.y != nullptr && (pair_ + 1) * pair_tokens <= results.tokens
            ? results.y + pair_ * pair_tokens * results.row_bytes + panel_ * results.panel_bytes
            : nullptr;
  }

  [[gnu::always_inline]] void slot(std::int64_t step) {
    fetch_weight();
    if (step < fetching_slots) {
      if (next_sums_ != nullptr) {
        for (std::int64_t line = 4 * step; line < 4 * step + 4; ++line) fetch(next_sums_ + line * 16);
      }
      if (result_rows_ != nullptr) fetch_results(step);
    }
    if (unwritten_half_ < 2) {
      if (step % 2 == 1) write_half();
    } else if (left == Left::stream && paired_ < pair_end_) {
      pair_next();
    }
  }

  /// Sums of the product before that are whole were stored at its beginning: they are written from here on.
  [[gnu::always_inline]] void end_slots() {
    while (unwritten_half_ < 2) write_half();
    if constexpr (left == Left::stream) {
      while (paired_ < pair_end_) pair_next();
    }
    if (chunk_.results.write == nullptr) {
      before_ = waiting(panel_);
      return;
    }
    before_ = chunk_.finished + turn_ * pair_sums;
    turn_ = 1 - turn_;
    unwritten_ = before_;
    unwritten_panel_ = panel_;
    unwritten_pair_ = pair_;
    unwritten_half_ = 0;
  }

  [[gnu::always_inline]] void fetch_weight() {
    if (fetched_ >= fetch_end_) return;
    const std::uint16_t* from = block(panel_ + (left == Left::panel ? 1 : 2), fetched_ / block_lines) +
                                fetched_ % block_lines * line_elements;
    for (std::int64_t line = 0; line < ahead_lines_; ++line) fetch(from + line * line_elements);
    fetched_ += ahead_lines_;
  }

  [[gnu::always_inline]] void fetch_results(std::int64_t step) const {
    const std::byte* row = result_rows_ + 2 * step * chunk_.results.row_bytes;
    for (std::int64_t byte = 0; byte < chunk_.results.panel_bytes; byte += line_bytes) {
      fetch(row + byte);
      fetch(row + chunk_.results.row_bytes + byte);
    }
  }

  [[gnu::always_inline]] void write_half() {
    chunk_.results.write(chunk_.results.of, unwritten_panel_, 2 * unwritten_pair_ + unwritten_half_,
                         unwritten_ + unwritten_half_ * 2 * tile_sums);
    ++unwritten_half_;
  }

  [[gnu::always_inline]] void pair_next() {
    const std::int64_t row = paired_ % 4 * pairs_a_slot;
    chunk_.pair_rows(block(panel_ + 1, paired_ / 4) + 2 * row * block_cols,
                     paired_panel(panel_ + 1) + paired_ / 4 * block_elements + row * tile_depth,
                     pairs_a_slot);
    ++paired_;
  }

  Tiles tiles_;
  const TileChunk& chunk_;
  float* before_;  ///< where the sums in the tiles go
  std::int64_t ahead_lines_;
  std::int64_t panel_ = 0, pair_ = 0;
  int turn_ = 0;

  std::int64_t fetched_ = 0, fetch_end_ = 0;  ///< lines of a coming panel
  std::int64_t paired_ = 0, pair_end_ = 0;    ///< quarters of blocks of the next panel
  const float* next_sums_ = nullptr;
  const std::byte* result_rows_ = nullptr;

  const float* unwritten_ = nullptr;
  std::int64_t unwritten_panel_ = 0, unwritten_pair_ = 0;
  int unwritten_half_ = 2;
};

template <Left left, class Tiles>
void multiply_chunk(const TileChunk& chunk) {
  ChunkLoop<left, Tiles>(chunk).run();
}

/// The panel streams from memory: it is asked for a few KB ahead.
template <class Tiles>
void multiply_few_tokens(const TileFewTokens& product) {
  constexpr std::int64_t ahead = 12 * block_elements;
  Tiles tiles;
  tiles.template zero<0>();
  tiles.template zero<1>();
  for (std::int64_t step = 0; step < product.steps; ++step) {
    const std::uint16_t* panel = product.panel + step * block_elements;
    tiles.template load<4>(product.stream + step * tile_elements);
    tiles.template load_streaming<5>(panel);
    tiles.template multiply_add<0, 5, 4>();
    tiles.template load_streaming<6>(panel + tile_elements);
    tiles.template multiply_add<1, 6, 4>();
    for (std::int64_t line = 0; line < block_elements; line += 32)
      __builtin_prefetch(panel + ahead + line, 0, 2);
  }
  tiles.template store<0>(product.sums);
  tiles.template store<1>(product.sums + tile_sums);
}

}  // namespace cola::kernels
