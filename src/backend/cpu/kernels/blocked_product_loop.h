#pragma once
#include <cstdint>

#include "backend/cpu/kernels/blocked_product.h"
#include "backend/cpu/kernels/rounding.h"
#include "backend/cpu/kernels/rows.h"
#include "backend/cpu/kernels/simd.h"

// The loop of blocked products, whatever their words hold, for *.isa.cpp. A Word has:
//   static constexpr int terms: how many terms' elements a word holds;
//   Floats add_product(Floats sum, float left, Floats right): sum + the products of a word and a vector of
//   words.
namespace cola::kernels::COLA_ISA_NAMESPACE {

// 4 x 3 vectors of sums, 3 of the right operand and 1 of the left fill 16 registers; 8 x 3, 3 and 1 nearly
// fill 32. At least 10 independent sums hide the latency of a multiply-add.
constexpr int tile_rows = lanes == 16 ? 8 : 4;
constexpr int tile_vectors = 3;
constexpr int tile_cols = tile_vectors * lanes;

[[gnu::always_inline]] inline void fill_zero(float* begin, const float* end) {
  while (begin != end) *begin++ = 0.0F;
}

/// Rows that make the last tile whole.
[[gnu::always_inline]] inline void pad_left(std::int64_t count, std::int64_t words, float* left) {
  for (; count % tile_rows != 0; ++count)
    fill_zero(left + count * blocked_words, left + count * blocked_words + words);
}

/// Calls body(first vector, number of vectors, panel) for each panel of the right operand.
template <class Body>
[[gnu::always_inline]] inline void for_each_panel(std::int64_t count, float* panels, std::int64_t panel_size,
                                                  const Body& body) {
  for (std::int64_t i = 0; i < count; i += tile_cols, panels += panel_size)
    body(i, count - i < tile_cols ? count - i : tile_cols, panels);
}

/// Of a panel's first `vectors` vectors, as below.
template <int vectors>
struct Tile {
  Floats sum[tile_rows][vectors];
};

/// Lines that are met when the sums are complete, those of `met`, are asked for at the start.
template <class Word, int vectors, class T>
[[gnu::always_inline]] inline void sum_tile(std::int64_t words, Rows<const float> left, const float* right,
                                            Rows<T> met, Tile<vectors>& tile) {
  Floats sum[tile_rows][vectors] = {};
#pragma GCC unroll 8
  for (int r = 0; r < tile_rows; ++r) {
#pragma GCC unroll 8
    for (int v = 0; v < vectors; ++v) __builtin_prefetch(met[r] + v * lanes, 1);
  }
#pragma GCC unroll 4
  for (std::int64_t k = 0; k < words; ++k, right += tile_cols) {
    Floats column[vectors];
#pragma GCC unroll 8
    for (int v = 0; v < vectors; ++v) column[v] = load(right + v * lanes);
#pragma GCC unroll 8
    for (int r = 0; r < tile_rows; ++r) {
      const float factor = left[r][k];
#pragma GCC unroll 8
      for (int v = 0; v < vectors; ++v) sum[r][v] = Word::add_product(sum[r][v], factor, column[v]);
    }
  }
#pragma GCC unroll 8
  for (int r = 0; r < tile_rows; ++r) {
#pragma GCC unroll 8
    for (int v = 0; v < vectors; ++v) tile.sum[r][v] = sum[r][v];
  }
}

/// All of a tile's sums at `row`, `col` of the result.
template <int vectors, class T>
[[gnu::always_inline]] inline void finish_tile(const Tile<vectors>& tile, std::int64_t col,
                                               const BlockedResult<T>& result) {
#pragma GCC unroll 8
  for (int r = 0; r < tile_rows; ++r) {
    float* sums = result.sums[r] + col;
    T* c = result.c[r] + col;
#pragma GCC unroll 8
    for (int v = 0; v < vectors; ++v) {
      Floats value = tile.sum[r][v];
      if (result.given) value += load(sums + v * lanes);
      if (!result.last) {
        store(value, sums + v * lanes);
        continue;
      }
      if (result.bias != nullptr) value += load(result.bias + col + v * lanes);
      if (result.add) value += load(c + v * lanes);
      store_as(value, c + v * lanes);
    }
  }
}

/// Of a tile that the result holds only in part.
template <int vectors, class T>
void finish_edge(const Tile<vectors>& tile, std::int64_t rows, std::int64_t cols, std::int64_t col,
                 const BlockedResult<T>& result) {
  for (std::int64_t r = 0; r < rows; ++r) {
    float* sums = result.sums[r] + col;
    T* c = result.c[r] + col;
    for (std::int64_t i = 0; i < cols; ++i) {
      float value = tile.sum[r][i / lanes][i % lanes];
      if (result.given) value += sums[i];
      if (!result.last) {
        sums[i] = value;
        continue;
      }
      if (result.bias != nullptr) value += result.bias[col + i];
      if (result.add) value += to_float(c[i]);
      store_float(value, c + i);
    }
  }
}

/// Of a panel's first vectors, which have the `cols` columns of the result from `col` on.
template <class Word, int vectors, class T>
[[gnu::always_inline]] inline void multiply_panel(std::int64_t rows, std::int64_t cols, std::int64_t words,
                                                  Rows<const float> left, const float* right,
                                                  std::int64_t col, const BlockedResult<T>& result) {
  Tile<vectors> tile;
  if (result.given || !result.last) {
    sum_tile<Word>(words, left, right, Rows<float>{result.sums.data + col, result.sums.stride}, tile);
  } else {
    sum_tile<Word>(words, left, right, Rows<T>{result.c.data + col, result.c.stride}, tile);
  }
  if (rows < tile_rows || cols < vectors * lanes) {
    finish_edge(tile, rows, cols, col, result);
  } else {
    finish_tile(tile, col, result);
  }
}

/// The left operand's tile stays in the first-level cache, panels of the right one come from the second.
template <class Word, class T>
void multiply(std::int64_t rows, std::int64_t cols, std::int64_t depth, Rows<const float> left,
              const float* right, const BlockedResult<T>& result) {
  const std::int64_t words = (depth + Word::terms - 1) / Word::terms;
  for (std::int64_t col = 0; col < cols; col += tile_cols, right += words * tile_cols) {
    const std::int64_t count = cols - col < tile_cols ? cols - col : tile_cols;
    if (count > 2 * lanes) {
      multiply_panel<Word, 3>(rows, count, words, left, right, col, result);
    } else if (count > lanes) {
      multiply_panel<Word, 2>(rows, count, words, left, right, col, result);
    } else {
      multiply_panel<Word, 1>(rows, count, words, left, right, col, result);
    }
  }
}

}  // namespace cola::kernels::COLA_ISA_NAMESPACE
