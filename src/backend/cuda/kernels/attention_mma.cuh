#pragma once
#include "backend/cuda/kernels/attention_tile.cuh"
#include "backend/cuda/kernels/ptx.cuh"

// Attention's products on tensor cores. A block has 4 warps; a tile of 64 rows lies in shared memory, and a
// warp has 16 of the rows of every product. A result c [16, 8 n] is in registers c[n / 8][4] as
// multiply_add() has it: lane l holds rows l / 4 (elements 0, 1) and l / 4 + 8 (2, 3), columns 2 (l % 4) and
// the next of every 8.
namespace cola::cuda {

using Bf16 = __nv_bfloat16;

constexpr int mma_warps = 4;
constexpr int mma_threads = mma_warps * warp_size;
constexpr int warp_rows = 16;
static_assert(mma_warps * warp_rows == tile_rows);

/// Rows of `dim` columns, 16 bytes apart: the 8 rows that load_matrices() reads at a time lie in different
/// banks.
template <int dim>
struct SharedTile {
  Bf16 rows[tile_rows][dim + 8];
};

/// Starts to copy rows of a head, columns first_col .. first_col + head_dim; zeros fill the tile.
template <int dim>
__device__ __forceinline__ void copy_tile(SharedTile<dim>& tile, const Rows<const Bf16>& from, RowRange rows,
                                          std::int64_t first_col, int head_dim) {
  constexpr int words = dim / 8;
  for (int at = static_cast<int>(threadIdx.x); at < tile_rows * words; at += mma_threads) {
    const int row = at / words;
    const int col = at % words * 8;
    const bool exists = row < rows.end - rows.begin && col < head_dim;
    const Bf16* source = exists ? from[rows.begin + row] + first_col + col : from.data;
    copy_async(&tile.rows[row][col], source, exists ? 16 : 0);
  }
}

/// c [16, columns] += a's 16 rows from row_a times b's `columns` rows from row_b, transposed.
template <int columns, int dim>
__device__ __forceinline__ void multiply_rows(float (&c)[columns / 8][4], const SharedTile<dim>& a, int row_a,
                                              const SharedTile<dim>& b, int row_b) {
  const int lane = static_cast<int>(threadIdx.x) % warp_size;
#pragma unroll
  for (int k = 0; k < dim; k += 16) {
    std::uint32_t left[4];
    load_matrices(left, &a.rows[row_a + lane % 16][k + lane / 16 * 8]);
#pragma unroll
    for (int n = 0; n < columns / 8; n += 2) {
      std::uint32_t right[4];
      load_matrices(right, &b.rows[row_b + 8 * n + lane / 16 * 8 + lane % 8][k + lane / 8 % 2 * 8]);
      multiply_add(c[n], left, right[0], right[1]);
      multiply_add(c[n + 1], left, right[2], right[3]);
    }
  }
}

/// c [16, dim] += a [16, columns], rounded to bf16, times b's `columns` rows from row_b.
template <int columns, int dim>
__device__ __forceinline__ void multiply_result(float (&c)[dim / 8][4], const float (&a)[columns / 8][4],
                                                const SharedTile<dim>& b, int row_b) {
  const int lane = static_cast<int>(threadIdx.x) % warp_size;
#pragma unroll
  for (int k = 0; k < columns / 8; k += 2) {
    const std::uint32_t left[4] = {pack(a[k][0], a[k][1]), pack(a[k][2], a[k][3]),
                                   pack(a[k + 1][0], a[k + 1][1]), pack(a[k + 1][2], a[k + 1][3])};
#pragma unroll
    for (int n = 0; n < dim / 8; n += 2) {
      std::uint32_t right[4];
      load_matrices_transposed(right, &b.rows[row_b + 8 * k + lane % 16][8 * n + lane / 16 * 8]);
      multiply_add(c[n], left, right[0], right[1]);
      multiply_add(c[n + 1], left, right[2], right[3]);
    }
  }
}

/// Writes c, rows 0 .. 7 of it times factors[0] and 8 .. 15 times factors[1], as the warp's rows of a tile.
/// Its rows in `staging`, which no other warp may be using, are overwritten on the way.
template <int dim>
__device__ __forceinline__ void write_rows(const float (&c)[dim / 8][4], const float (&factors)[2],
                                           SharedTile<dim>& staging, const AttentionTile& tile,
                                           const Rows<Bf16>& destination, std::int64_t first_col,
                                           int head_dim) {
  const int lane = static_cast<int>(threadIdx.x) % warp_size;
  const int first_row = static_cast<int>(threadIdx.x) / warp_size * warp_rows;
  __syncwarp();
#pragma unroll
  for (int n = 0; n < dim / 8; ++n) {
#pragma unroll
    for (int half = 0; half < 2; ++half) {
      auto* pair = &staging.rows[first_row + lane / 4 + 8 * half][8 * n + 2 * (lane % 4)];
      *reinterpret_cast<std::uint32_t*>(pair) =
          pack(c[n][2 * half] * factors[half], c[n][2 * half + 1] * factors[half]);
    }
  }
  __syncwarp();
  constexpr int words = dim / 8;
  for (int at = lane; at < warp_rows * words; at += warp_size) {
    const int row = first_row + at / words;
    const int col = at % words * 8;
    if (row >= tile.count || col >= head_dim) continue;
    *reinterpret_cast<uint4*>(destination[tile.row + row] + first_col + col) =
        *reinterpret_cast<const uint4*>(&staging.rows[row][col]);
  }
}

/// Calls body(std::integral_constant<int, dim>, std::bool_constant<plain>) with the smallest tile width that
/// holds head_dim, and as Scoring has it.
template <class Body>
[[nodiscard]] cudaError_t with_tile_width(const AttentionSizes& sizes, const Body& body) {
  return with_scoring(sizes, [&](auto plain) {
    if (sizes.head_dim <= 64) return body(std::integral_constant<int, 64>(), plain);
    if (sizes.head_dim <= 80) return body(std::integral_constant<int, 80>(), plain);
    return body(std::integral_constant<int, 128>(), plain);
  });
}

}  // namespace cola::cuda
