#include "backend/cuda/kernels/lora.h"

#include "backend/cuda/kernels/elements.cuh"
#include "backend/cuda/kernels/warp.cuh"

// Three products of a wide matrix with a thin one. Each keeps a tile of results in registers, so that what it
// reads is used several times: 4 rows x 8 ranks of a dot product, 8 rows x 8 columns of an expansion, 8 ranks
// x 8 columns of an outer product.
namespace cola::cuda {
namespace {

constexpr int warps = 4;
constexpr int threads = warps * warp_size;
constexpr int tile_rows = 4;
constexpr int tile_ranks = 8;

template <int width>
struct Columns {
  float at[width];
};

/// out [rows, rank] = scale wide thin^T: a block has tile_rows rows and tile_ranks ranks, its warps share the
/// columns.
template <class T, int width>
__global__ void dot_kernel(std::int64_t rows, std::int64_t cols, std::int64_t rank, float scale,
                           Rows<const T> wide, Rows<const float> thin, Rows<float> out) {
  using Partial = float[warps][tile_rows * tile_ranks];
  Partial& partial = *shared_memory<Partial>();
  const std::int64_t first_row = static_cast<std::int64_t>(blockIdx.x) * tile_rows;
  const std::int64_t first_rank = static_cast<std::int64_t>(blockIdx.y) * tile_ranks;
  float sums[tile_rows * tile_ranks] = {};
  for (std::int64_t col = threadIdx.x * width; col < cols; col += threads * width) {
    Columns<width> values[tile_rows] = {};
#pragma unroll
    for (int i = 0; i < tile_rows; ++i) {
      if (first_row + i < rows) load(wide[first_row + i] + col, values[i].at);
    }
#pragma unroll
    for (int j = 0; j < tile_ranks; ++j) {
      if (first_rank + j >= rank) break;
      float factors[width];
      load(thin[first_rank + j] + col, factors);
#pragma unroll
      for (int i = 0; i < tile_rows; ++i) {
#pragma unroll
        for (int k = 0; k < width; ++k) sums[i * tile_ranks + j] += values[i].at[k] * factors[k];
      }
    }
  }
  const int lane = static_cast<int>(threadIdx.x) % warp_size;
  const int warp = static_cast<int>(threadIdx.x) / warp_size;
#pragma unroll
  for (int at = 0; at < tile_rows * tile_ranks; ++at) {
    const float sum = warp_sum(sums[at]);
    if (lane == at) partial[warp][at] = sum;
  }
  __syncthreads();
  static_assert(tile_rows * tile_ranks == warp_size, "a lane has one result");
  const std::int64_t row = first_row + lane / tile_ranks;
  const std::int64_t j = first_rank + lane % tile_ranks;
  if (warp != 0 || row >= rows || j >= rank) return;
  float sum = 0.0F;
#pragma unroll
  for (int i = 0; i < warps; ++i) sum += partial[i][lane];
  out[row][j] = scale * sum;
}

constexpr int expand_rows = 8;   ///< of a warp
constexpr int chunk_ranks = 32;  ///< in shared memory at a time
constexpr int block_cols = 256;
constexpr int lane_cols = block_cols / warp_size;

struct ExpandShared {
  float thin[chunk_ranks][block_cols];
  float u[chunk_ranks][warps * expand_rows];
};

/// Where a row in shared memory has column k, so that lanes that read lane_cols columns each read 16
/// neighbouring bytes.
__device__ __forceinline__ int place_of(int k) {
  return k / 4 % 2 * (block_cols / 2) + k / lane_cols * 4 + k % 4;
}

/// Ranks begin .. begin + ranks of the block's columns of thin and rows of u; zeros outside the matrices.
__device__ __forceinline__ void load_ranks(ExpandShared& shared, std::int64_t rows, std::int64_t cols,
                                           const Rows<const float>& u, const Thin<const float>& thin,
                                           std::int64_t begin, int ranks) {
  const std::int64_t first_col = static_cast<std::int64_t>(blockIdx.y) * block_cols;
  const bool along_cols = thin.col_stride == 1;  // neighbouring threads read neighbouring elements
  for (int at = static_cast<int>(threadIdx.x); at < ranks * block_cols; at += threads) {
    const int j = along_cols ? at / block_cols : at % ranks;
    const int k = along_cols ? at % block_cols : at / ranks;
    const std::int64_t col = first_col + k;
    shared.thin[j][place_of(k)] =
        col < cols ? thin.data[(begin + j) * thin.rank_stride + col * thin.col_stride] : 0.0F;
  }
  constexpr int block_rows = warps * expand_rows;
  const std::int64_t first_row = static_cast<std::int64_t>(blockIdx.x) * block_rows;
  for (int at = static_cast<int>(threadIdx.x); at < ranks * block_rows; at += threads) {
    const std::int64_t row = first_row + at / ranks;
    shared.u[at % ranks][at / ranks] = row < rows ? u[row][begin + at % ranks] : 0.0F;
  }
}

/// wide += scale u thin: a block has block_cols columns and each of its warps expand_rows rows.
template <class T, int width>
__global__ void expand_kernel(std::int64_t rows, std::int64_t cols, std::int64_t rank, float scale,
                              Rows<const float> u, Thin<const float> thin, Rows<T> wide) {
  ExpandShared& shared = *shared_memory<ExpandShared>();
  const int lane = static_cast<int>(threadIdx.x) % warp_size;
  const int warp = static_cast<int>(threadIdx.x) / warp_size;
  float sums[expand_rows][lane_cols] = {};
  for (std::int64_t begin = 0; begin < rank; begin += chunk_ranks) {
    const int ranks = static_cast<int>(rank - begin < chunk_ranks ? rank - begin : chunk_ranks);
    load_ranks(shared, rows, cols, u, thin, begin, ranks);
    __syncthreads();
    for (int j = 0; j < ranks; ++j) {
      float factors[lane_cols];
      float of_rows[expand_rows];
#pragma unroll
      for (int k = 0; k < lane_cols; ++k) factors[k] = shared.thin[j][place_of(lane * lane_cols + k)];
#pragma unroll
      for (int i = 0; i < expand_rows; ++i) of_rows[i] = shared.u[j][warp * expand_rows + i];
#pragma unroll
      for (int i = 0; i < expand_rows; ++i) {
#pragma unroll
        for (int k = 0; k < lane_cols; ++k) sums[i][k] += of_rows[i] * factors[k];
      }
    }
    __syncthreads();
  }
  const std::int64_t first_row = (static_cast<std::int64_t>(blockIdx.x) * warps + warp) * expand_rows;
  const std::int64_t first_col = static_cast<std::int64_t>(blockIdx.y) * block_cols + lane * lane_cols;
#pragma unroll
  for (int i = 0; i < expand_rows; ++i) {
    if (first_row + i >= rows) return;
#pragma unroll
    for (int k = 0; k < lane_cols; k += width) {
      if (first_col + k >= cols) break;
      T* at = wide[first_row + i] + first_col + k;
      float values[width];
      load(at, values);
#pragma unroll
      for (int n = 0; n < width; ++n) values[n] += scale * sums[i][k + n];
      store(values, at);
    }
  }
}

constexpr std::int64_t slice_rows = 128;  ///< whose sum is one partial result of an outer product
/// partial [slices, rank, cols] = u^T wide of each slice of rows: a lane has `width` columns, the warps share
/// the rows.
template <class T, int width>
__global__ void outer_kernel(std::int64_t rows, std::int64_t cols, std::int64_t rank, Rows<const float> u,
                             Rows<const T> wide, float* partial) {
  struct Shared {
    float sums[warps][tile_ranks][warp_size * width];
  };
  Shared& shared = *shared_memory<Shared>();
  const int lane = static_cast<int>(threadIdx.x) % warp_size;
  const int warp = static_cast<int>(threadIdx.x) / warp_size;
  const std::int64_t first_col = static_cast<std::int64_t>(blockIdx.x) * warp_size * width;
  const std::int64_t first_rank = static_cast<std::int64_t>(blockIdx.y) * tile_ranks;
  const std::int64_t col = first_col + lane * width;
  const std::int64_t begin = static_cast<std::int64_t>(blockIdx.z) * slice_rows;
  const std::int64_t end = begin + slice_rows < rows ? begin + slice_rows : rows;

  float sums[tile_ranks][width] = {};
  for (std::int64_t row = begin + warp; row < end; row += warps) {
    float values[width] = {};
    if (col < cols) load(wide[row] + col, values);
#pragma unroll
    for (int j = 0; j < tile_ranks; ++j) {
      const float factor = first_rank + j < rank ? u[row][first_rank + j] : 0.0F;
#pragma unroll
      for (int k = 0; k < width; ++k) sums[j][k] += factor * values[k];
    }
  }
#pragma unroll
  for (int j = 0; j < tile_ranks; ++j) {
#pragma unroll
    for (int k = 0; k < width; ++k) shared.sums[warp][j][k * warp_size + lane] = sums[j][k];
  }
  __syncthreads();
  for (int at = static_cast<int>(threadIdx.x); at < tile_ranks * warp_size * width; at += threads) {
    const int j = at / (warp_size * width);
    const int k = at % (warp_size * width);
    if (first_rank + j >= rank || first_col + k >= cols) continue;
    float sum = 0.0F;
#pragma unroll
    for (int i = 0; i < warps; ++i) sum += shared.sums[i][j][k % width * warp_size + k / width];
    partial[(blockIdx.z * rank + first_rank + j) * cols + first_col + k] = sum;
  }
}

/// thin += scale times the slices' sum, in their order.
struct AddSlices {
  std::int64_t slices, cols, rank;
  float scale;
  const float* partial;
  Thin<float> thin;

  __device__ void operator()(std::int64_t j, std::int64_t col) const {
    float sum = 0.0F;
    for (std::int64_t slice = 0; slice < slices; ++slice) sum += partial[(slice * rank + j) * cols + col];
    thin.data[j * thin.rank_stride + col * thin.col_stride] += scale * sum;
  }
};

struct Transpose {
  Rows<const float> from;
  Rows<float> to;

  __device__ void operator()(std::int64_t row, std::int64_t col) const { to[row][col] = from[col][row]; }
};

[[nodiscard]] unsigned grid_of(std::int64_t count, std::int64_t size) {
  return static_cast<unsigned>(blocks_of(count, size));
}

}  // namespace

cudaError_t transpose(Queue queue, std::int64_t rows, std::int64_t cols, Rows<const float> from,
                      Rows<float> to) {
  return launch_each(queue, cols, rows, Transpose{from, to});
}

template <class T>
cudaError_t thin_dot(Queue queue, std::int64_t rows, std::int64_t cols, std::int64_t rank, float scale,
                     Rows<const T> wide, Rows<const float> thin, Rows<float> out) {
  return with_width(are_aligned(cols, wide, thin), [&](auto width) {
    return launch(dot_kernel<Element<T>, width>, dim3(grid_of(rows, tile_rows), grid_of(rank, tile_ranks)),
                  dim3(threads), sizeof(float[warps][tile_rows * tile_ranks]), queue, rows, cols, rank, scale,
                  on_device(wide), thin, out);
  });
}

template <class T>
cudaError_t thin_expand(Queue queue, std::int64_t rows, std::int64_t cols, std::int64_t rank, float scale,
                        Rows<const float> u, Thin<const float> thin, Rows<T> wide) {
  return with_width(are_aligned(cols, wide), [&](auto width) {
    return launch(expand_kernel<Element<T>, width>,
                  dim3(grid_of(rows, warps * expand_rows), grid_of(cols, block_cols)), dim3(threads),
                  sizeof(ExpandShared), queue, rows, cols, rank, scale, u, thin, on_device(wide));
  });
}

std::int64_t thin_outer_scratch(std::int64_t rows, std::int64_t cols, std::int64_t rank) {
  return blocks_of(rows, slice_rows) * rank * cols;
}

template <class T>
cudaError_t thin_outer(Queue queue, std::int64_t rows, std::int64_t cols, std::int64_t rank, float scale,
                       Rows<const float> u, Rows<const T> wide, float* scratch, Thin<float> thin) {
  if (rows == 0) return cudaSuccess;
  const std::int64_t slices = blocks_of(rows, slice_rows);
  const cudaError_t error = with_width(are_aligned(cols, wide), [&](auto width) {
    const dim3 grid(grid_of(cols, warp_size * width), grid_of(rank, tile_ranks),
                    static_cast<unsigned>(slices));
    return launch(outer_kernel<Element<T>, width>, grid, dim3(threads),
                  sizeof(float[warps][tile_ranks][warp_size * width]), queue, rows, cols, rank, u,
                  on_device(wide), scratch);
  });
  if (error != cudaSuccess) return error;
  return launch_each(queue, rank, cols, AddSlices{slices, cols, rank, scale, scratch, thin});
}

template cudaError_t thin_dot(Queue, std::int64_t, std::int64_t, std::int64_t, float, Rows<const float>,
                              Rows<const float>, Rows<float>);
template cudaError_t thin_dot(Queue, std::int64_t, std::int64_t, std::int64_t, float, Rows<const BFloat16>,
                              Rows<const float>, Rows<float>);
template cudaError_t thin_expand(Queue, std::int64_t, std::int64_t, std::int64_t, float, Rows<const float>,
                                 Thin<const float>, Rows<float>);
template cudaError_t thin_expand(Queue, std::int64_t, std::int64_t, std::int64_t, float, Rows<const float>,
                                 Thin<const float>, Rows<BFloat16>);
template cudaError_t thin_outer(Queue, std::int64_t, std::int64_t, std::int64_t, float, Rows<const float>,
                                Rows<const float>, float*, Thin<float>);
template cudaError_t thin_outer(Queue, std::int64_t, std::int64_t, std::int64_t, float, Rows<const float>,
                                Rows<const BFloat16>, float*, Thin<float>);

}  // namespace cola::cuda
