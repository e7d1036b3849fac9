#pragma once
#include <cstdint>

#include "backend/cpu/kernels/attention_blocks.h"
#include "backend/cpu/kernels/rounding.h"
#include "backend/cpu/kernels/simd.h"
#include "backend/cpu/kernels/tile_attention.h"
#include "backend/cpu/kernels/tile_layout.h"

// What attention by tile products is made of, for *.isa.cpp. Scores come transposed, [keys][16 queries], so
// that a query is a lane: no sum across lanes, and weights lie as their next product takes them.
namespace cola::kernels::COLA_ISA_NAMESPACE {

using Half = std::uint16_t;  // bf16

constexpr std::int64_t lane_parts = tile_rows / lanes;  ///< vectors that hold a number of each of 16 queries

/// Hands out parts of the caller's scratch memory. Sizes are multiples of 64 bytes.
class ScratchParts {
 public:
  explicit ScratchParts(float* memory) : next_(memory) {}
  [[gnu::always_inline]] float* floats(std::int64_t count) {
    float* part = next_;
    next_ += count;
    return part;
  }
  [[gnu::always_inline]] Half* halves(std::int64_t count) {
    return reinterpret_cast<Half*>(floats(count / 2));
  }

 private:
  float* next_;
};

template <class T>
[[gnu::always_inline]] inline void fill_zero(std::int64_t count, T* to) {
  for (std::int64_t i = 0; i < count; ++i) to[i] = T{0};
}

// A head's rows are far apart: nothing else fetches those that come next.
constexpr std::int64_t rows_ahead = 16;

[[gnu::always_inline]] inline void fetch_rows(std::int64_t count, std::int64_t cols, Rows<const Half> rows) {
  for (std::int64_t row = 0; row < count; ++row) {
    for (std::int64_t col = 0; col < cols; col += tile_depth) __builtin_prefetch(rows[row] + col, 0, 2);
  }
}

/// 32 columns in the order of place_in_row().
[[gnu::always_inline]] inline void pack_row(const Half* from, Half* to) {
  using Fours [[gnu::vector_size(64)]] = std::uint64_t;  // of four columns each
  static_assert(place_in_row(4) == 8 && place_in_row(12) == 24 && place_in_row(16) == 4);
  Fours row;
  __builtin_memcpy(&row, from, sizeof row);
  row = __builtin_shufflevector(row, row, 0, 4, 1, 5, 2, 6, 3, 7);
  __builtin_memcpy(to, &row, sizeof row);
}

/// Of `all_rows` rows of 32 columns, in the order of place_in_row(), `rows` x `cols`; the others are zero.
[[gnu::always_inline]] inline void pack_part(std::int64_t rows, std::int64_t cols, Rows<const Half> from,
                                             std::int64_t all_rows, Half* to) {
  if (rows < all_rows || cols < tile_depth) fill_zero(all_rows * tile_depth, to);
  for (std::int64_t row = 0; row < rows; ++row, to += tile_depth) {
    const Half* source = from[row];
    __builtin_prefetch(from[row + rows_ahead], 0, 2);
    if (cols == tile_depth) {
      pack_row(source, to);
      continue;
    }
    std::int64_t col = 0;
    for (; col + 4 <= cols; col += 4)
      __builtin_memcpy(to + place_in_row(col), source + col, 4 * sizeof(Half));
    for (; col < cols; ++col) to[place_in_row(col)] = source[col];
  }
}

/// Calls body(first, its size) for each part of [0, count), of `size` but for the last.
template <class Body>
[[gnu::always_inline]] inline void for_each_part(std::int64_t count, std::int64_t size, const Body& body) {
  for (std::int64_t first = 0; first < count; first += size)
    body(first, count - first < size ? count - first : size);
}

/// A block of keys (or values) as a panel whose outputs are keys, [steps][4][512].
inline void pack_keys_panel(std::int64_t count, std::int64_t head_dim, Rows<const Half> from, Half* panel) {
  for_each_part(head_dim, tile_depth, [&](std::int64_t col, std::int64_t cols) {
    pack_part(count, cols, {from.data + col, from.stride}, key_block,
              panel + col / tile_depth * panel_step_elements);
  });
}

/// Where a transposed panel has the head's column `col` of its 16.
[[gnu::always_inline]] constexpr std::int64_t row_of_column(std::int64_t col) {
  return place_in_row(2 * col) / 2;
}

/// The same block, from pack_keys_panel's, as its part [panels][2][4][512] of panels whose outputs are the
/// head's columns and whose depth are keys; a tile's rows are columns in the order of row_of_column(). From a
/// panel to the next it is `panel_stride` elements.
inline void transpose_panel(const HeadTiles& head, const TileOperandKernels& operands, const Half* panel,
                            Half* transposed, std::int64_t panel_stride) {
  if (head.steps * tile_depth < head.panels * panel_outputs)  // the last panel has tiles that no column fills
    fill_zero(key_steps * panel_step_elements, transposed + (head.panels - 1) * panel_stride);
  alignas(64) Half paired[2 * tile_elements];
  for (std::int64_t step = 0; step < head.steps; ++step) {
    for (std::int64_t key_step = 0; key_step < key_steps; ++key_step) {
      operands.pair_rows(panel + step * panel_step_elements + key_step * 2 * tile_elements, paired,
                         tile_rows);
      for (std::int64_t half = 0; half < 2; ++half) {
        const std::int64_t tile = 2 * step + half;
        operands.pair_columns(tile_rows, tile_depth, {paired + half * tile_elements, tile_depth},
                              transposed + tile / panel_tiles * panel_stride +
                                  (key_step * panel_tiles + tile % panel_tiles) * tile_elements,
                              tile_elements);
      }
    }
  }
}

/// Up to 32 queries as one step [4][512] of panels whose depth are queries, `panel_stride` elements apart.
inline void pair_queries(std::int64_t count, std::int64_t head_dim, const HeadTiles& head,
                         const TileOperandKernels& operands, Rows<const Half> from, Half* panels,
                         std::int64_t panel_stride) {
  if (head.steps * tile_depth < head.panels * panel_outputs)
    fill_zero(panel_step_elements, panels + (head.panels - 1) * panel_stride);
  alignas(64) Half part[query_block * tile_depth];
  for_each_part(head_dim, tile_depth, [&](std::int64_t col, std::int64_t cols) {
    pack_part(count, cols, {from.data + col, from.stride}, query_block, part);
    operands.pair_rows(
        part, panels + col / panel_outputs * panel_stride + col % panel_outputs / tile_rows * tile_elements,
        tile_rows);
  });
}

/// Writes sums [64 columns of the head, as a transposed panel has them][16 queries], times `factor` of each
/// query, to rows of queries.
inline void write_transposed_head(std::int64_t queries, std::int64_t head_dim, const HeadTiles& head,
                                  const TileOperandKernels& operands, const float* sums, const float* factor,
                                  Rows<Half> to) {
  alignas(64) float ordered[micro_sums];
  for (std::int64_t panel = 0; panel < head.panels; ++panel) {
    for (std::int64_t col = 0; col < panel_outputs; ++col) {
      const std::int64_t row = col / tile_rows * tile_rows + row_of_column(col % tile_rows);
      for (std::int64_t i = 0; i < tile_rows; i += lanes) {
        store(load(sums + panel * micro_sums + row * tile_rows + i) * load(factor + i),
              ordered + col * tile_rows + i);
      }
    }
    const std::int64_t left = head_dim - panel * panel_outputs;
    for_each_part(
        left < panel_outputs ? left : panel_outputs, block_rows,
        [&](std::int64_t first, std::int64_t outputs) {
          operands.write_outputs_by_tokens_bf16({ordered + first * tile_rows,
                                                 nullptr,
                                                 {to.data + panel * panel_outputs + first, to.stride},
                                                 queries,
                                                 outputs,
                                                 false,
                                                 false});
        });
  }
}

/// All bits set where query `part * lanes + lane` sees key `key` of a block. `cut`: block.is_cut(), or
/// nothing is done for a window.
template <bool cut>
[[gnu::always_inline]] inline Integers sees(std::int64_t key, const KeyBlock& block, std::int64_t part) {
  alignas(64) static constexpr std::int32_t numbers[tile_rows] = {0, 1, 2,  3,  4,  5,  6,  7,
                                                                  8, 9, 10, 11, 12, 13, 14, 15};
  Integers query;
  __builtin_memcpy(&query, numbers + part * lanes, sizeof query);
  const Integers before_end = query >= static_cast<std::int32_t>(key - block.first_end + 1);
  if constexpr (!cut) return before_end;
  return before_end & (query <= static_cast<std::int32_t>(key - block.first_begin));
}

/// sums (+)= panel x stream.
[[gnu::always_inline]] inline void multiply_tiles_of(void (*product)(const TileProduct&), const Half* panel,
                                                     const Half* stream, std::int64_t steps, float* sums,
                                                     bool add) {
  product({panel, stream, steps, sums, add, reinterpret_cast<const std::byte*>(panel)});
}

}  // namespace cola::kernels::COLA_ISA_NAMESPACE
