#include "backend/cuda/kernels/lora.h"

#include <type_traits>

#include "backend/cuda/kernels/elements.cuh"
#include "backend/cuda/kernels/lora_mma.h"
#include "backend/cuda/kernels/warp.cuh"

// Three products of a wide matrix with a thin one. Each keeps a tile of results in registers, so that what it
// reads is used several times: 4 rows x 8 ranks of a dot product, 8 rows x 8 columns of an expansion, 8 ranks
// x 8 columns of an outer product. bf16 where rows are aligned: lora_mma.cu.
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

template <int width>
__device__ __forceinline__ void load_thin(const Thin<const float>& thin, std::int64_t rank, std::int64_t col,
                                          float (&to)[width]) {
  const float* from = thin.data + rank * thin.rank_stride + col * thin.col_stride;
  if (thin.col_stride == 1) return load(from, to);
#pragma unroll
  for (int k = 0; k < width; ++k) to[k] = from[k * thin.col_stride];
}

/// out [rows, rank] = scale wide thin^T: a block has tile_rows rows and tile_ranks ranks, its warps share the
/// columns.
template <class T, int width>
__global__ void dot_kernel(std::int64_t rows, std::int64_t cols, std::int64_t rank, float scale,
                           Rows<const T> wide, Thin<const float> thin, Rows<float> out) {
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
      load_thin(thin, first_rank + j, col, factors);
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

[[nodiscard]] unsigned grid_of(std::int64_t count, std::int64_t size) {
  return static_cast<unsigned>(blocks_of(count, size));
}

template <class T>
cudaError_t run(Queue queue, std::int64_t rows, const ThinDot<T>& product) {
  const Rows<const float> thin = {product.thin.data, product.thin.rank_stride};
  const bool aligned = are_aligned(product.cols, product.wide) &&
                       (product.thin.col_stride != 1 || are_aligned(product.cols, thin));
  return with_width(aligned, [&](auto width) {
    const dim3 grid(grid_of(rows, tile_rows), grid_of(product.rank, tile_ranks));
    return launch(dot_kernel<Element<T>, width>, grid, dim3(threads),
                  sizeof(float[warps][tile_rows * tile_ranks]), queue, rows, product.cols, product.rank,
                  product.scale, on_device(product.wide), product.thin, product.out);
  });
}

template <class T>
cudaError_t run(Queue queue, std::int64_t rows, const ThinExpand<T>& product) {
  return with_width(are_aligned(product.cols, product.wide), [&](auto width) {
    const dim3 grid(grid_of(rows, warps * expand_rows), grid_of(product.cols, block_cols));
    return launch(expand_kernel<Element<T>, width>, grid, dim3(threads), sizeof(ExpandShared), queue, rows,
                  product.cols, product.rank, product.scale, product.u, product.thin,
                  on_device(product.wide));
  });
}

template <class T>
std::int64_t scratch_of(std::int64_t rows, const ThinOuter<T>& product) {
  return blocks_of(rows, slice_rows) * product.rank * product.cols;
}

template <class T>
cudaError_t run(Queue queue, std::int64_t rows, const ThinOuter<T>& product, float* scratch) {
  if (rows == 0) return cudaSuccess;
  const std::int64_t slices = blocks_of(rows, slice_rows);
  const cudaError_t error = with_width(are_aligned(product.cols, product.wide), [&](auto width) {
    const dim3 grid(grid_of(product.cols, warp_size * width), grid_of(product.rank, tile_ranks),
                    static_cast<unsigned>(slices));
    return launch(outer_kernel<Element<T>, width>, grid, dim3(threads),
                  sizeof(float[warps][tile_ranks][warp_size * width]), queue, rows, product.cols,
                  product.rank, product.u, on_device(product.wide), scratch);
  });
  if (error != cudaSuccess) return error;
  return launch_each(queue, product.rank, product.cols,
                     AddSlices{slices, product.cols, product.rank, product.scale, scratch, product.thin});
}

/// Calls together(products) with as many at a time as have_tensor_layout, alone(product) with the others.
template <class Product, class Together, class Alone>
cudaError_t for_products(std::span<const Product> products, const Together& together, const Alone& alone) {
  for (std::size_t begin = 0; begin < products.size();) {
    std::size_t end = begin;
    if constexpr (std::is_invocable_v<Together, std::span<const Product>>) {
      while (end < products.size() && end - begin < most_products && has_tensor_layout(products[end])) ++end;
      if (end > begin) {
        const cudaError_t error = together(products.subspan(begin, end - begin));
        if (error != cudaSuccess) return error;
        begin = end;
        continue;
      }
    }
    const cudaError_t error = alone(products[begin++]);
    if (error != cudaSuccess) return error;
  }
  return cudaSuccess;
}

}  // namespace

template <class T>
cudaError_t thin_dots(Queue queue, std::int64_t rows, std::span<const ThinDot<T>> products) {
  return for_products(
      products, [&](std::span<const ThinDot<BFloat16>> some) { return mma_dots(queue, rows, some); },
      [&](const ThinDot<T>& product) { return run(queue, rows, product); });
}

template <class T>
cudaError_t thin_expands(Queue queue, std::int64_t rows, std::span<const ThinExpand<T>> products) {
  return for_products(
      products, [&](std::span<const ThinExpand<BFloat16>> some) { return mma_expands(queue, rows, some); },
      [&](const ThinExpand<T>& product) { return run(queue, rows, product); });
}

template <class T>
std::int64_t thin_outers_scratch(std::int64_t rows, std::span<const ThinOuter<T>> products) {
  std::int64_t floats = 0;
  for (const ThinOuter<T>& product : products) {
    if constexpr (std::is_same_v<T, BFloat16>) {
      floats += has_tensor_layout(product) ? mma_outer_scratch(rows, product) : scratch_of(rows, product);
    } else {
      floats += scratch_of(rows, product);
    }
  }
  return floats;
}

template <class T>
cudaError_t thin_outers(Queue queue, std::int64_t rows, std::span<const ThinOuter<T>> products,
                        float* scratch) {
  return for_products(
      products,
      [&](std::span<const ThinOuter<BFloat16>> some) { return mma_outers(queue, rows, some, scratch); },
      [&](const ThinOuter<T>& product) { return run(queue, rows, product, scratch); });
}

template cudaError_t thin_dots(Queue, std::int64_t, std::span<const ThinDot<float>>);
template cudaError_t thin_dots(Queue, std::int64_t, std::span<const ThinDot<BFloat16>>);
template cudaError_t thin_expands(Queue, std::int64_t, std::span<const ThinExpand<float>>);
template cudaError_t thin_expands(Queue, std::int64_t, std::span<const ThinExpand<BFloat16>>);
template std::int64_t thin_outers_scratch(std::int64_t, std::span<const ThinOuter<float>>);
template std::int64_t thin_outers_scratch(std::int64_t, std::span<const ThinOuter<BFloat16>>);
template cudaError_t thin_outers(Queue, std::int64_t, std::span<const ThinOuter<float>>, float*);
template cudaError_t thin_outers(Queue, std::int64_t, std::span<const ThinOuter<BFloat16>>, float*);

}  // namespace cola::cuda
