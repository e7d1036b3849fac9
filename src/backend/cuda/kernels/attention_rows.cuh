#pragma once
#include "backend/cuda/kernels/attention_tile.cuh"

// Attention in plain f32 arithmetic for any head_dim up to most_head_dim. A block has 8 warps; a warp has a
// few of the tile's rows, meets 32 rows of the other side at a time, one a lane, and for products with those
// has columns lane, lane + 32, ... of every row.
namespace cola::cuda {

constexpr int row_warps = 8;
constexpr int row_threads = row_warps * warp_size;
constexpr int row_step = warp_size;

/// `count` rows of chunks * 32 columns; 16 bytes more, so that neighbouring rows lie in different banks.
template <int count, int chunks>
struct SharedRows {
  float rows[count][chunks * warp_size + 4];
};

/// Rows of a head as f32, columns first_col .. first_col + head_dim; zeros fill the tile.
template <int count, int chunks, class T>
__device__ __forceinline__ void load_rows(SharedRows<count, chunks>& to, const Rows<const T>& from,
                                          RowRange rows, std::int64_t first_col, int head_dim) {
  constexpr int cols = chunks * warp_size;
  for (int at = static_cast<int>(threadIdx.x); at < count * cols; at += row_threads) {
    const int row = at / cols;
    const int col = at % cols;
    const bool exists = row < rows.end - rows.begin && col < head_dim;
    to.rows[row][col] = exists ? to_float(from[rows.begin + row][first_col + col]) : 0.0F;
  }
}

/// sums[r] += own row first_row + r times the lane's row of others.
template <int rows, int count, int chunks>
__device__ __forceinline__ void dot_rows(float (&sums)[rows], const SharedRows<count, chunks>& own,
                                         int first_row, const SharedRows<row_step, chunks>& others) {
  const int lane = static_cast<int>(threadIdx.x) % warp_size;
  for (int col = 0; col < chunks * warp_size; col += 4) {
    const float4 other = *reinterpret_cast<const float4*>(&others.rows[lane][col]);
#pragma unroll
    for (int r = 0; r < rows; ++r) {
      const float4 mine = *reinterpret_cast<const float4*>(&own.rows[first_row + r][col]);
      sums[r] += mine.x * other.x + mine.y * other.y + mine.z * other.z + mine.w * other.w;
    }
  }
}

/// sums[r] += the sum over others begin[r] <= i < end[r] of factors[r][i] times their row i: what a row does
/// not see is not multiplied by zero.
template <int rows, int chunks>
__device__ __forceinline__ void add_rows(float (&sums)[rows][chunks], const float (&factors)[rows][row_step],
                                         const SharedRows<row_step, chunks>& others, const int (&begin)[rows],
                                         const int (&end)[rows]) {
  const int lane = static_cast<int>(threadIdx.x) % warp_size;
  for (int i = 0; i < row_step; ++i) {
    float values[chunks];
#pragma unroll
    for (int chunk = 0; chunk < chunks; ++chunk) values[chunk] = others.rows[i][chunk * warp_size + lane];
#pragma unroll
    for (int r = 0; r < rows; ++r) {
      if (i < begin[r] || i >= end[r]) continue;
#pragma unroll
      for (int chunk = 0; chunk < chunks; ++chunk) sums[r][chunk] += factors[r][i] * values[chunk];
    }
  }
}

/// Writes row first_row + r of the tile, times factors[r].
template <int rows, int chunks, class T>
__device__ __forceinline__ void write_rows(const float (&values)[rows][chunks], const float (&factors)[rows],
                                           const AttentionTile& tile, int first_row, const Rows<T>& to,
                                           std::int64_t first_col, int head_dim) {
  const int lane = static_cast<int>(threadIdx.x) % warp_size;
#pragma unroll
  for (int r = 0; r < rows; ++r) {
    if (first_row + r >= tile.count) return;
#pragma unroll
    for (int chunk = 0; chunk < chunks; ++chunk) {
      const int col = chunk * warp_size + lane;
      if (col < head_dim) {
        store_float(values[r][chunk] * factors[r], to[tile.row + first_row + r] + first_col + col);
      }
    }
  }
}

/// The rows of a tile that a block has: warps * rows of them, by blockIdx.z.
template <int rows>
__device__ __forceinline__ RowRange block_rows(const AttentionTile& tile) {
  const int begin = static_cast<int>(blockIdx.z) * row_warps * rows;
  const int end = begin + row_warps * rows;
  return {tile.row + begin, tile.row + (end < tile.count ? end : tile.count)};
}

/// Calls body(std::integral_constant<int, chunks>, std::bool_constant<plain>): chunks of a row that hold
/// head_dim, and as Scoring has it.
template <class Body>
[[nodiscard]] cudaError_t with_chunks(const AttentionSizes& sizes, const Body& body) {
  static_assert(most_head_dim == 8 * warp_size);
  return with_scoring(sizes, [&](auto plain) {
    if (sizes.head_dim <= 2 * warp_size) return body(std::integral_constant<int, 2>(), plain);
    if (sizes.head_dim <= 4 * warp_size) return body(std::integral_constant<int, 4>(), plain);
    return body(std::integral_constant<int, 8>(), plain);
  });
}

inline dim3 grid_of(const DeviceTiles& tiles, int heads, int rows) {
  return {static_cast<unsigned>(tiles.count), static_cast<unsigned>(heads),
          static_cast<unsigned>(tile_rows / (row_warps * rows))};
}

}  // namespace cola::cuda
