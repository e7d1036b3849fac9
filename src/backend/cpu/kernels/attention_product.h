#pragma once
#include <cstdint>

#include "backend/cpu/kernels/attention_blocks.h"
#include "backend/cpu/kernels/simd.h"

// Packing of head slices to f32 and products of the small blocks that attention works on, for *.isa.cpp.
namespace cola::kernels::COLA_ISA_NAMESPACE {

/// rows x cols elements, times `scale`, to rows of padded(cols) floats, zero in the padding.
template <class T>
void pack_rows(std::int64_t rows, std::int64_t cols, Rows<const T> from, float scale, float* to) {
  const std::int64_t stride = padded(cols);
  for (std::int64_t row = 0; row < rows; ++row) {
    const T* source = from[row];
    float* destination = to + row * stride;
    std::int64_t i = 0;
    for (; i + lanes <= cols; i += lanes) store(load(source + i) * scale, destination + i);
    for (; i < cols; ++i) destination[i] = to_float(source[i]) * scale;
    for (; i < stride; ++i) destination[i] = 0.0F;
  }
}

/// Packed rows (stride padded(cols)) to blocks of key_block rows, each transposed: [cols][key_block], zero
/// where there are no more rows. `to` has padded(cols) * round_up(rows, key_block) floats.
inline void transpose_blocks(std::int64_t rows, std::int64_t cols, const float* from, float* to) {
  const std::int64_t stride = padded(cols);
  for (std::int64_t begin = 0; begin < rows; begin += key_block, to += stride * key_block) {
    const std::int64_t count = rows - begin < key_block ? rows - begin : key_block;
    std::int64_t row = 0;
    for (; row + 4 <= count; row += 4) {
      for (std::int64_t col = 0; col < cols; col += 4) {
        transpose_4x4(from + (begin + row) * stride + col, stride, to + col * key_block + row, key_block);
      }
    }
    for (; row < key_block; ++row) {
      for (std::int64_t col = 0; col < cols; ++col) {
        to[col * key_block + row] = row < count ? from[(begin + row) * stride + col] : 0.0F;
      }
    }
  }
}

/// Packed floats, times `scale`, to rows of T.
template <class T>
void unpack_row(std::int64_t cols, const float* from, float scale, T* to) {
#pragma omp simd
  for (std::int64_t i = 0; i < cols; ++i) store_float(from[i] * scale, to + i);
}

/// The terms of a sum that a row of a product takes part in.
struct Range {
  std::int64_t begin, end;
};

/// The left operand of a product: element (row, term) is data[row * row_stride + term * term_stride].
struct Left {
  const float* data;
  std::int64_t row_stride, term_stride;
};

[[gnu::always_inline]] inline std::int64_t clamp(std::int64_t value, std::int64_t low, std::int64_t high) {
  if (value < low) return low;
  return value > high ? high : value;
}

/// The keys of a block that a query sees. `cut`: block.is_cut(), or nothing is done for a window.
template <bool cut>
struct SeenKeys {
  KeyBlock block;

  [[gnu::always_inline]] Range operator()(std::int64_t query) const {
    return {cut ? clamp(block.first_begin + query, 0, block.keys) : 0,
            clamp(block.first_end + query, 0, block.keys)};
  }
};
/// The queries, of `count`, that see a key of the block.
template <bool cut>
struct SeeingQueries {
  KeyBlock block;
  std::int64_t count;

  [[gnu::always_inline]] Range operator()(std::int64_t key) const {
    return {clamp(key + 1 - block.first_end, 0, count),
            cut ? clamp(key + 1 - block.first_begin, 0, count) : count};
  }
};

/// The first of the whole vectors that hold elements from `begin` on.
[[gnu::always_inline]] inline std::int64_t vector_begin(std::int64_t begin) { return begin / lanes * lanes; }

/// c[r][..] (+)= sum over terms of a[r][term] * b[term][..] for `rows` rows and `vectors` vectors of columns,
/// the sums in registers.
template <int rows, int vectors, bool add>
[[gnu::always_inline]] inline void multiply_tile(Left a, Rows<const float> b, Range terms, Rows<float> c) {
  Floats sum[rows][vectors];
#pragma GCC unroll 8
  for (int r = 0; r < rows; ++r) {
#pragma GCC unroll 8
    for (int v = 0; v < vectors; ++v) sum[r][v] = add ? load(c[r] + v * lanes) : Floats{};
  }
  const float* left = a.data + terms.begin * a.term_stride;
  const float* right = b[terms.begin];
  for (std::int64_t term = terms.begin; term < terms.end; ++term, left += a.term_stride, right += b.stride) {
    Floats column[vectors];
#pragma GCC unroll 8
    for (int v = 0; v < vectors; ++v) column[v] = load(right + v * lanes);
#pragma GCC unroll 8
    for (int r = 0; r < rows; ++r) {
      const float factor = left[r * a.row_stride];
#pragma GCC unroll 8
      for (int v = 0; v < vectors; ++v) sum[r][v] += factor * column[v];
    }
  }
#pragma GCC unroll 8
  for (int r = 0; r < rows; ++r) {
#pragma GCC unroll 8
    for (int v = 0; v < vectors; ++v) store(sum[r][v], c[r] + v * lanes);
  }
}

/// multiply_tile over `rows` rows whose terms are range(row); a row's begin and end never decrease with the
/// row. Terms outside a row's range are not touched: a NaN there must not reach the row.
template <int vectors, bool add, class RangeOf>
void multiply_columns(std::int64_t rows, RangeOf range, Left a, Rows<const float> b, Rows<float> c) {
  constexpr int tile =
      vectors == 1 ? 8 : 4;  // at least 8 independent sums hide the latency of a multiply-add
  std::int64_t row = 0;
  const auto multiply_row = [&](std::int64_t r, Range terms) {
    if (add && terms.begin >= terms.end) return;
    multiply_tile<1, vectors, add>({a.data + r * a.row_stride, a.row_stride, a.term_stride}, b, terms,
                                   {c[r], c.stride});
  };
  for (; row + tile <= rows; row += tile) {
    const Range common = {range(row + tile - 1).begin, range(row).end};
    if (common.begin >= common.end) {
      for (int r = 0; r < tile; ++r) multiply_row(row + r, range(row + r));
      continue;
    }
    multiply_tile<tile, vectors, add>({a.data + row * a.row_stride, a.row_stride, a.term_stride}, b, common,
                                      {c[row], c.stride});
    if constexpr (add) {
      for (int r = 0; r < tile; ++r) {
        multiply_row(row + r, {range(row + r).begin, common.begin});
        multiply_row(row + r, {common.end, range(row + r).end});
      }
    }
  }
  for (; row < rows; ++row) multiply_row(row, range(row));
}

/// c (+)= a b for `cols` columns, rounded up to whole vectors (which b and c must hold). With add = false
/// every row has the same range.
template <bool add, class RangeOf>
void multiply(std::int64_t rows, std::int64_t cols, RangeOf range, Left a, Rows<const float> b,
              Rows<float> c) {
  constexpr int most = lanes == 16 ? 4 : 2;  // 4 x 4 sums fit in 32 registers, 4 x 2 in 16
  std::int64_t col = 0;
  for (; col + (most - 1) * lanes < cols; col += most * lanes) {
    multiply_columns<most, add>(rows, range, a, {b.data + col, b.stride}, {c.data + col, c.stride});
  }
  if constexpr (most > 2) {
    for (; col + lanes < cols; col += 2 * lanes) {
      multiply_columns<2, add>(rows, range, a, {b.data + col, b.stride}, {c.data + col, c.stride});
    }
  }
  for (; col < cols; col += lanes) {
    multiply_columns<1, add>(rows, range, a, {b.data + col, b.stride}, {c.data + col, c.stride});
  }
}

}  // namespace cola::kernels::COLA_ISA_NAMESPACE
