#include "backend/cpu/kernels/blocked_product.h"

#include "backend/cpu/kernels/simd.h"

namespace cola::kernels::COLA_ISA_NAMESPACE {
namespace {

// 4 x 3 vectors of sums, 3 of the right operand and 1 of the left fill 16 registers; 8 x 3, 3 and 1 nearly
// fill 32. At least 10 independent sums hide the latency of a multiply-add.
constexpr int tile_rows = lanes == 16 ? 8 : 4;
constexpr int tile_vectors = 3;
constexpr int tile_cols = tile_vectors * lanes;

/// Both widths are multiples of 4: a panel is filled by 4 x 4 transposes of widened rows.
template <class T>
void pack_along_panel(std::int64_t count, std::int64_t depth, const T* source, std::int64_t stride,
                      std::int64_t width, float* panel) {
  constexpr std::int64_t part = 64;  // elements of a vector that are widened at a time
  float wide[tile_cols * part];
  for (std::int64_t k = 0; k < depth; k += part) {
    const std::int64_t length = depth - k < part ? depth - k : part;
    for (std::int64_t i = 0; i < width; ++i) {
      float* row = wide + i * part;
      std::int64_t j = 0;
      if (i < count) {
        const T* from = source + i * stride + k;
        for (; j + lanes <= length; j += lanes) store(load(from + j), row + j);
        for (; j < length; ++j) row[j] = to_float(from[j]);
      }
      for (; j < part; ++j) row[j] = 0.0F;
    }
    float* to = panel + k * width;
    const std::int64_t whole = length / 4 * 4;
    for (std::int64_t i = 0; i < width; i += 4) {
      for (std::int64_t j = 0; j < whole; j += 4)
        transpose_4x4(wide + i * part + j, part, to + j * width + i, width);
      for (std::int64_t j = whole; j < length; ++j) {
        for (int lane = 0; lane < 4; ++lane) to[j * width + i + lane] = wide[(i + lane) * part + j];
      }
    }
  }
}

template <class T>
void pack_along(std::int64_t count, std::int64_t depth, const T* source, std::int64_t stride,
                std::int64_t width, float* panels, std::int64_t panel_size) {
  for (std::int64_t i = 0; i < count; i += width, panels += panel_size) {
    pack_along_panel(count - i < width ? count - i : width, depth, source + i * stride, stride, width,
                     panels);
  }
}

template <class T>
void pack_across(std::int64_t count, std::int64_t depth, const T* source, std::int64_t stride,
                 std::int64_t width, float* panels, std::int64_t panel_size) {
  for (std::int64_t i = 0; i < count; i += width, panels += panel_size) {
    const std::int64_t whole = count - i < width ? count - i : width;
    for (std::int64_t k = 0; k < depth; ++k) {
      const T* from = source + i + k * stride;
      float* to = panels + k * width;
      std::int64_t j = 0;
      for (; j + lanes <= whole; j += lanes) store(load(from + j), to + j);
      for (; j < whole; ++j) to[j] = to_float(from[j]);
      for (; j < width; ++j) to[j] = 0.0F;
    }
  }
}

template <bool add>
void multiply_tile(std::int64_t depth, const float* left, const float* right, float* c,
                   std::int64_t c_stride) {
  Floats sum[tile_rows][tile_vectors];
#pragma GCC unroll 8
  for (int r = 0; r < tile_rows; ++r) {
#pragma GCC unroll 8
    for (int v = 0; v < tile_vectors; ++v) sum[r][v] = add ? load(c + r * c_stride + v * lanes) : Floats{};
  }
  for (std::int64_t k = 0; k < depth; ++k, left += tile_rows, right += tile_cols) {
    Floats column[tile_vectors];
#pragma GCC unroll 8
    for (int v = 0; v < tile_vectors; ++v) column[v] = load(right + v * lanes);
#pragma GCC unroll 8
    for (int r = 0; r < tile_rows; ++r) {
      const float factor = left[r];
#pragma GCC unroll 8
      for (int v = 0; v < tile_vectors; ++v) sum[r][v] += factor * column[v];
    }
  }
#pragma GCC unroll 8
  for (int r = 0; r < tile_rows; ++r) {
#pragma GCC unroll 8
    for (int v = 0; v < tile_vectors; ++v) store(sum[r][v], c + r * c_stride + v * lanes);
  }
}

/// A tile that c holds only in part: summed beside it.
void multiply_edge(std::int64_t rows, std::int64_t cols, std::int64_t depth, const float* left,
                   const float* right, bool add, float* c, std::int64_t c_stride) {
  float tile[tile_rows * tile_cols] = {};
  if (add) {
    for (std::int64_t r = 0; r < rows; ++r) {
      for (std::int64_t col = 0; col < cols; ++col) tile[r * tile_cols + col] = c[r * c_stride + col];
    }
  }
  multiply_tile<true>(depth, left, right, tile, tile_cols);
  for (std::int64_t r = 0; r < rows; ++r) {
    for (std::int64_t col = 0; col < cols; ++col) c[r * c_stride + col] = tile[r * tile_cols + col];
  }
}

void multiply(std::int64_t rows, std::int64_t cols, std::int64_t depth, const float* left, const float* right,
              bool add, float* c, std::int64_t c_stride) {
  for (std::int64_t col = 0; col < cols; col += tile_cols, right += depth * tile_cols) {
    const float* panel = left;
    for (std::int64_t row = 0; row < rows; row += tile_rows, panel += depth * tile_rows) {
      float* target = c + row * c_stride + col;
      if (row + tile_rows > rows || col + tile_cols > cols) {
        multiply_edge(rows - row < tile_rows ? rows - row : tile_rows,
                      cols - col < tile_cols ? cols - col : tile_cols, depth, panel, right, add, target,
                      c_stride);
      } else if (add) {
        multiply_tile<true>(depth, panel, right, target, c_stride);
      } else {
        multiply_tile<false>(depth, panel, right, target, c_stride);
      }
    }
  }
}

}  // namespace

const BlockedProductKernels blocked_product_table = {
    .tile_rows = tile_rows,
    .tile_cols = tile_cols,
    .pack_along_f32 = pack_along<float>,
    .pack_across_f32 = pack_across<float>,
    .pack_along_bf16 = pack_along<std::uint16_t>,
    .pack_across_bf16 = pack_across<std::uint16_t>,
    .multiply = multiply,
};

}  // namespace cola::kernels::COLA_ISA_NAMESPACE
