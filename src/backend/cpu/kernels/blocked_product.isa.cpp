#include "backend/cpu/kernels/blocked_product.h"

#include "backend/cpu/kernels/rounding.h"
#include "backend/cpu/kernels/simd.h"
#include "backend/cpu/kernels/transpose.h"

namespace cola::kernels::COLA_ISA_NAMESPACE {
namespace {

// 4 x 3 vectors of sums, 3 of the right operand and 1 of the left fill 16 registers; 8 x 3, 3 and 1 nearly
// fill 32. At least 10 independent sums hide the latency of a multiply-add.
constexpr int tile_rows = lanes == 16 ? 8 : 4;
constexpr int tile_vectors = 3;
constexpr int tile_cols = tile_vectors * lanes;
constexpr int steps_ahead = 16;  // terms from the use of a panel's line to that of the one asked for

void fill_zero(float* begin, const float* end) {
  while (begin != end) *begin++ = 0.0F;
}

template <class T>
void copy_widened(std::int64_t count, const T* from, float* to) {
  std::int64_t i = 0;
  for (; i + lanes <= count; i += lanes) store(load(from + i), to + i);
  for (; i < count; ++i) to[i] = to_float(from[i]);
}

/// Rows that make the last tile whole.
void pad_left(std::int64_t count, std::int64_t depth, float* left) {
  for (; count % tile_rows != 0; ++count)
    fill_zero(left + count * blocked_depth, left + count * blocked_depth + depth);
}

template <class T>
void left_along(std::int64_t count, std::int64_t depth, const T* source, std::int64_t stride, float* left) {
  for (std::int64_t i = 0; i < count; ++i) copy_widened(depth, source + i * stride, left + i * blocked_depth);
  pad_left(count, depth, left);
}

template <class T>
void left_across(std::int64_t count, std::int64_t depth, const T* source, std::int64_t stride, float* left) {
  transpose(depth, count, source, stride, left, blocked_depth);
  pad_left(count, depth, left);
}

template <class T>
void right_along(std::int64_t count, std::int64_t depth, const T* source, std::int64_t stride, float* panels,
                 std::int64_t panel_size) {
  for (std::int64_t i = 0; i < count; i += tile_cols, panels += panel_size) {
    const std::int64_t whole = count - i < tile_cols ? count - i : tile_cols;
    if (whole < tile_cols) fill_zero(panels, panels + depth * tile_cols);
    transpose(whole, depth, source + i * stride, stride, panels, tile_cols);
  }
}

template <class T>
void right_across(std::int64_t count, std::int64_t depth, const T* source, std::int64_t stride, float* panels,
                  std::int64_t panel_size) {
  for (std::int64_t i = 0; i < count; i += tile_cols, panels += panel_size) {
    const std::int64_t whole = count - i < tile_cols ? count - i : tile_cols;
    for (std::int64_t k = 0; k < depth; ++k) {
      float* to = panels + k * tile_cols;
      copy_widened(whole, source + i + k * stride, to);
      fill_zero(to + whole, to + tile_cols);
    }
  }
}

struct Tile {
  Floats sum[tile_rows][tile_vectors];
};

/// Lines that are met when the sums are complete, those of `met`, are asked for at the start.
template <class T>
[[gnu::always_inline]] inline void sum_tile(std::int64_t depth, const float* left, const float* right,
                                            Rows<T> met, Tile& tile) {
  Floats sum[tile_rows][tile_vectors] = {};
#pragma GCC unroll 8
  for (int r = 0; r < tile_rows; ++r) {
#pragma GCC unroll 8
    for (int v = 0; v < tile_vectors; ++v) __builtin_prefetch(met[r] + v * lanes, 1);
  }
  for (std::int64_t k = 0; k < depth; ++k, right += tile_cols) {
    Floats column[tile_vectors];
#pragma GCC unroll 8
    for (int v = 0; v < tile_vectors; ++v) {
      column[v] = load(right + v * lanes);
      __builtin_prefetch(right + steps_ahead * tile_cols + v * lanes);
    }
#pragma GCC unroll 8
    for (int r = 0; r < tile_rows; ++r) {
      const float factor = left[r * blocked_depth + k];
#pragma GCC unroll 8
      for (int v = 0; v < tile_vectors; ++v) sum[r][v] += factor * column[v];
    }
  }
#pragma GCC unroll 8
  for (int r = 0; r < tile_rows; ++r) {
#pragma GCC unroll 8
    for (int v = 0; v < tile_vectors; ++v) tile.sum[r][v] = sum[r][v];
  }
}

/// All of a tile's sums at `row`, `col` of the result.
template <class T>
[[gnu::always_inline]] inline void finish_tile(const Tile& tile, std::int64_t col,
                                               const BlockedResult<T>& result) {
#pragma GCC unroll 8
  for (int r = 0; r < tile_rows; ++r) {
    float* sums = result.sums[r] + col;
    T* c = result.c[r] + col;
#pragma GCC unroll 8
    for (int v = 0; v < tile_vectors; ++v) {
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
template <class T>
void finish_edge(const Tile& tile, std::int64_t rows, std::int64_t cols, std::int64_t col,
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

/// The left operand's tile stays in the first-level cache, panels of the right one come from the second.
template <class T>
void multiply(std::int64_t rows, std::int64_t cols, std::int64_t depth, const float* left, const float* right,
              const BlockedResult<T>& result) {
  for (std::int64_t col = 0; col < cols; col += tile_cols, right += depth * tile_cols) {
    Tile tile;
    if (result.given || !result.last) {
      sum_tile<float>(depth, left, right, {result.sums.data + col, result.sums.stride}, tile);
    } else {
      sum_tile<T>(depth, left, right, {result.c.data + col, result.c.stride}, tile);
    }
    if (rows < tile_rows || col + tile_cols > cols) {
      finish_edge(tile, rows, cols - col < tile_cols ? cols - col : tile_cols, col, result);
    } else {
      finish_tile(tile, col, result);
    }
  }
}

}  // namespace

const BlockedProductKernels blocked_product_table = {
    .tile_rows = tile_rows,
    .tile_cols = tile_cols,
    .f32 = {left_along<float>, left_across<float>, right_along<float>, right_across<float>},
    .bf16 = {left_along<std::uint16_t>, left_across<std::uint16_t>, right_along<std::uint16_t>,
             right_across<std::uint16_t>},
    .multiply_to_f32 = multiply<float>,
    .multiply_to_bf16 = multiply<std::uint16_t>,
};

}  // namespace cola::kernels::COLA_ISA_NAMESPACE
