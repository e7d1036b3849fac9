#include "backend/cuda/kernels/lora_mma.h"

#include <algorithm>

#include "backend/cuda/kernels/warp.cuh"

// Thin products on tensor cores (mma.m16n8k16, ptx.cuh). A wide matrix is read once, 16 bytes at a time, as
// the hardware's fragments: which columns or rows stand for which of a fragment's is chosen so that a lane
// has what it has loaded. An f32 factor is the sum of two bf16, its high and its low part, which take one
// half each of a fragment's sixteen rows: eight ranks.
namespace cola::cuda {
namespace {

using Element = __nv_bfloat16;

constexpr int warps = 8;
constexpr int threads = warps * warp_size;
constexpr int ranks = 8;  ///< of a block

/// Two floats as high + low parts.
struct Split {
  std::uint32_t high, low;
};
__device__ __forceinline__ Split split(float first, float second) {
  const std::uint32_t high = pack(first, second);
  return {high, pack(first - __uint_as_float(high << 16), second - __uint_as_float(high & 0xFFFF0000U))};
}

__device__ __forceinline__ uint4 load_words(const Element* from, bool inside) {
  if (!inside) return {0, 0, 0, 0};
  return *reinterpret_cast<const uint4*>(from);
}

__device__ __forceinline__ float element_of(const Thin<const float>& thin, std::int64_t rank,
                                            std::int64_t col, bool inside) {
  return inside ? thin.data[rank * thin.rank_stride + col * thin.col_stride] : 0.0F;
}

struct Place {
  int lane, warp;
  int group;  ///< lane / 4: row or column of a fragment
  int quad;   ///< lane % 4: which four of its sixteen deep
};
__device__ __forceinline__ Place place() {
  const int lane = static_cast<int>(threadIdx.x) % warp_size;
  return {lane, static_cast<int>(threadIdx.x) / warp_size, lane / 4, lane % 4};
}

/// A block has `tiles` x 8 rows and 8 ranks of product blockIdx.z; its warps share the columns, 32 at a time.
template <int tiles>
__global__ void dots_kernel(std::int64_t rows, Products<ThinDot<BFloat16>> products) {
  using Partial = float[warps][tiles * 8][ranks];
  Partial& partial = *shared_memory<Partial>();
  const ThinDot<BFloat16>& product = products.at[blockIdx.z];
  const std::int64_t first_rank = static_cast<std::int64_t>(blockIdx.y) * ranks;
  if (first_rank >= product.rank) return;
  const Rows<const Element> wide = on_device(product.wide);
  const Place at = place();
  const std::int64_t first_row = static_cast<std::int64_t>(blockIdx.x) * tiles * 8;
  const std::int64_t rank = first_rank + at.group;

  float sums[tiles][4] = {};
  constexpr int warp_cols = 32;
#pragma unroll 2
  for (std::int64_t begin = at.warp * warp_cols; begin < product.cols; begin += warps * warp_cols) {
    const std::int64_t col = begin + at.quad * 8;
    const bool inside = col < product.cols;
    uint4 values[tiles];
#pragma unroll
    for (int i = 0; i < tiles; ++i) {
      const std::int64_t row = first_row + i * 8 + at.group;
      values[i] = load_words(wide[row] + col, inside && row < rows);
    }
    float factors[8];
#pragma unroll
    for (int k = 0; k < 8; ++k)
      factors[k] = element_of(product.thin, rank, col + k, inside && rank < product.rank);
#pragma unroll
    for (int half = 0; half < 2; ++half) {
      const Split near = split(factors[4 * half], factors[4 * half + 1]);
      const Split far = split(factors[4 * half + 2], factors[4 * half + 3]);
      const std::uint32_t a[4] = {near.high, near.low, far.high, far.low};
#pragma unroll
      for (int i = 0; i < tiles; ++i) {
        multiply_add(sums[i], a, half == 0 ? values[i].x : values[i].z,
                     half == 0 ? values[i].y : values[i].w);
      }
    }
  }
#pragma unroll
  for (int i = 0; i < tiles; ++i) {
    partial[at.warp][i * 8 + 2 * at.quad][at.group] = sums[i][0] + sums[i][2];
    partial[at.warp][i * 8 + 2 * at.quad + 1][at.group] = sums[i][1] + sums[i][3];
  }
  __syncthreads();
  const int own_row = static_cast<int>(threadIdx.x) / ranks;
  const int own_rank = static_cast<int>(threadIdx.x) % ranks;
  if (own_row >= tiles * 8 || first_row + own_row >= rows || first_rank + own_rank >= product.rank) return;
  float sum = 0.0F;
#pragma unroll
  for (int i = 0; i < warps; ++i) sum += partial[i][own_row][own_rank];
  product.out[first_row + own_row][first_rank + own_rank] = product.scale * sum;
}

constexpr int outer_cols = 64;            ///< of a block
constexpr std::int64_t slice_rows = 512;  ///< whose sum is one partial result
constexpr int fragment_rows = 16;

[[nodiscard]] std::int64_t slices_of(std::int64_t rows) { return blocks_of(rows, slice_rows); }

/// Where the slices' results go: to scratch [slices, rank, cols] at `scratch[product]`, or, of one slice,
/// straight to the result.
struct OuterScratch {
  float* of[most_products];
};

/// u^T wide of a slice of rows blockIdx.y: a block has 64 columns and 8 ranks (blockIdx.z: of which product),
/// its warps share the rows, 16 at a time.
__global__ void outers_kernel(std::int64_t rows, int rank_tiles, Products<ThinOuter<BFloat16>> products,
                              OuterScratch scratch) {
  using Partial = float[warps][ranks][outer_cols];
  Partial& partial = *shared_memory<Partial>();
  const auto index = static_cast<int>(blockIdx.z) / rank_tiles;
  const ThinOuter<BFloat16>& product = products.at[index];
  const std::int64_t first_rank = static_cast<std::int64_t>(blockIdx.z) % rank_tiles * ranks;
  const std::int64_t first_col = static_cast<std::int64_t>(blockIdx.x) * outer_cols;
  if (first_rank >= product.rank || first_col >= product.cols) return;
  const Rows<const Element> wide = on_device(product.wide);
  const Place at = place();
  const std::int64_t rank = first_rank + at.group;
  const std::int64_t col = first_col + at.group * 8;
  const std::int64_t begin = static_cast<std::int64_t>(blockIdx.y) * slice_rows;
  const std::int64_t end = begin + slice_rows < rows ? begin + slice_rows : rows;

  float sums[8][4] = {};
  for (std::int64_t first = begin + at.warp * fragment_rows; first < end; first += warps * fragment_rows) {
    uint4 values[4];
    float factors[4];
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      const std::int64_t row = first + at.quad * 4 + i;
      values[i] = load_words(wide[row] + col, row < end && col < product.cols);
      factors[i] = row < end && rank < product.rank ? product.u[row][rank] : 0.0F;
    }
    const Split near = split(factors[0], factors[1]);
    const Split far = split(factors[2], factors[3]);
    const std::uint32_t a[4] = {near.high, near.low, far.high, far.low};
    const std::uint32_t words[4][4] = {{values[0].x, values[0].y, values[0].z, values[0].w},
                                       {values[1].x, values[1].y, values[1].z, values[1].w},
                                       {values[2].x, values[2].y, values[2].z, values[2].w},
                                       {values[3].x, values[3].y, values[3].z, values[3].w}};
#pragma unroll
    for (int j = 0; j < 8; j += 2) {
      const int word = j / 2;
      multiply_add(sums[j], a, (words[0][word] & 0xFFFFU) | words[1][word] << 16,
                   (words[2][word] & 0xFFFFU) | words[3][word] << 16);
      multiply_add(sums[j + 1], a, words[0][word] >> 16 | (words[1][word] & 0xFFFF0000U),
                   words[2][word] >> 16 | (words[3][word] & 0xFFFF0000U));
    }
  }
#pragma unroll
  for (int j = 0; j < 8; ++j) {
    partial[at.warp][at.group][16 * at.quad + j] = sums[j][0] + sums[j][2];
    partial[at.warp][at.group][16 * at.quad + 8 + j] = sums[j][1] + sums[j][3];
  }
  __syncthreads();
  float* to = scratch.of[index];
  for (int item = static_cast<int>(threadIdx.x); item < ranks * outer_cols; item += threads) {
    const std::int64_t own_rank = first_rank + item / outer_cols;
    const std::int64_t own_col = first_col + item % outer_cols;
    if (own_rank >= product.rank || own_col >= product.cols) continue;
    float sum = 0.0F;
#pragma unroll
    for (int i = 0; i < warps; ++i) sum += partial[i][item / outer_cols][item % outer_cols];
    if (to != nullptr) {
      to[(blockIdx.y * product.rank + own_rank) * product.cols + own_col] = sum;
    } else {
      product.thin.data[own_rank * product.thin.rank_stride + own_col * product.thin.col_stride] +=
          product.scale * sum;
    }
  }
}

/// thin += scale times the slices' sum, in their order: by a thread each element of product blockIdx.y.
__global__ void add_slices_kernel(std::int64_t slices, Products<ThinOuter<BFloat16>> products,
                                  OuterScratch scratch) {
  const ThinOuter<BFloat16>& product = products.at[blockIdx.y];
  const std::int64_t size = product.rank * product.cols;
  const std::int64_t item = static_cast<std::int64_t>(blockIdx.x) * threads + threadIdx.x;
  if (item >= size) return;
  float sum = 0.0F;
  for (std::int64_t slice = 0; slice < slices; ++slice) sum += scratch.of[blockIdx.y][slice * size + item];
  const Thin<float>& thin = product.thin;
  thin.data[item / product.cols * thin.rank_stride + item % product.cols * thin.col_stride] +=
      product.scale * sum;
}

constexpr int expand_rows = 32;  ///< of a warp
constexpr int expand_cols = 64;  ///< of a block
constexpr int expand_tiles = expand_cols / 8;

/// The products that add to one matrix: from the last's end to this one.
struct Targets {
  int end[most_products];
};

/// A block has 64 columns of matrix blockIdx.z, and each of its warps 32 rows.
__global__ void expands_kernel(std::int64_t rows, Products<ThinExpand<BFloat16>> products, Targets targets) {
  const int first_product = blockIdx.z == 0 ? 0 : targets.end[blockIdx.z - 1];
  const int last_product = targets.end[blockIdx.z];
  const std::int64_t cols = products.at[first_product].cols;
  const Place at = place();
  const std::int64_t first_row =
      (static_cast<std::int64_t>(blockIdx.x) * warps + at.warp) * expand_rows + at.group;
  const std::int64_t first_col = static_cast<std::int64_t>(blockIdx.y) * expand_cols;
  if (first_col >= cols || first_row - at.group >= rows) return;

  float sums[2][expand_tiles][4] = {};
  for (int index = first_product; index < last_product; ++index) {
    const ThinExpand<BFloat16>& product = products.at[index];
    for (std::int64_t begin = 0; begin < product.rank; begin += ranks) {
      const std::int64_t rank = begin + 2 * at.quad;
      std::uint32_t a[2][4];
#pragma unroll
      for (int m = 0; m < 2; ++m) {
#pragma unroll
        for (int i = 0; i < 2; ++i) {
          const std::int64_t row = first_row + m * 16 + i * 8;
          const auto u = [&](std::int64_t j) {
            return row < rows && j < product.rank ? product.scale * product.u[row][j] : 0.0F;
          };
          const Split of_row = split(u(rank), u(rank + 1));
          a[m][i] = of_row.high;
          a[m][i + 2] = of_row.low;
        }
      }
#pragma unroll
      for (int tile = 0; tile < expand_tiles; ++tile) {
        // Column `group` of the fragment: lanes then have eight neighbouring columns in four tiles.
        const std::int64_t col = first_col + tile / 4 * 32 + at.group / 2 * 8 + tile % 4 * 2 + at.group % 2;
        const Split thin =
            split(element_of(product.thin, rank, col, rank < product.rank && col < cols),
                  element_of(product.thin, rank + 1, col, rank + 1 < product.rank && col < cols));
#pragma unroll
        for (int m = 0; m < 2; ++m) {
          multiply_add(sums[m][tile], a[m], thin.high, thin.high);
          multiply_add(sums[m][tile], a[m], thin.low, thin.low);
        }
      }
    }
  }
  const Rows<Element> wide = on_device(products.at[first_product].wide);
#pragma unroll
  for (int m = 0; m < 2; ++m) {
#pragma unroll
    for (int i = 0; i < 2; ++i) {
      const std::int64_t row = first_row + m * 16 + i * 8;
#pragma unroll
      for (int half = 0; half < 2; ++half) {
        const std::int64_t col = first_col + half * 32 + at.quad * 8;
        if (row >= rows || col >= cols) continue;
        float values[8];
        load(wide[row] + col, values);
#pragma unroll
        for (int k = 0; k < 8; ++k) values[k] += sums[m][half * 4 + k / 2][i * 2 + k % 2];
        store(values, wide[row] + col);
      }
    }
  }
}

template <class Product>
Products<Product> all_of(std::span<const Product> products) {
  Products<Product> all = {};
  std::ranges::copy(products, all.at);
  return all;
}

template <class Product>
std::int64_t most_ranks(std::span<const Product> products) {
  return std::ranges::max_element(products, {}, &Product::rank)->rank;
}
template <class Product>
std::int64_t most_cols(std::span<const Product> products) {
  return std::ranges::max_element(products, {}, &Product::cols)->cols;
}

[[nodiscard]] unsigned grid_of(std::int64_t count, std::int64_t size) {
  return static_cast<unsigned>(blocks_of(count, size));
}

}  // namespace

cudaError_t mma_dots(Queue queue, std::int64_t rows, std::span<const ThinDot<BFloat16>> products) {
  const auto run = [&](auto tiles) {
    const dim3 grid(grid_of(rows, tiles * 8), grid_of(most_ranks(products), ranks),
                    static_cast<unsigned>(products.size()));
    return launch(dots_kernel<tiles>, grid, dim3(threads), sizeof(float[warps][tiles * 8][ranks]), queue,
                  rows, all_of(products));
  };
  constexpr std::int64_t few_rows = 1024;  // more blocks, which read the thin matrix again
  return rows <= few_rows ? run(std::integral_constant<int, 1>()) : run(std::integral_constant<int, 4>());
}

cudaError_t mma_expands(Queue queue, std::int64_t rows, std::span<const ThinExpand<BFloat16>> products) {
  Targets targets = {};
  unsigned count = 0;
  for (std::size_t i = 0; i < products.size(); ++i) {
    if (i > 0 && products[i].wide.data != products[i - 1].wide.data) ++count;
    targets.end[count] = static_cast<int>(i) + 1;
  }
  const dim3 grid(grid_of(rows, warps * expand_rows), grid_of(most_cols(products), expand_cols), count + 1);
  return launch(expands_kernel, grid, dim3(threads), 0, queue, rows, all_of(products), targets);
}

std::int64_t mma_outer_scratch(std::int64_t rows, const ThinOuter<BFloat16>& product) {
  const std::int64_t slices = slices_of(rows);
  return slices > 1 ? slices * product.rank * product.cols : 0;
}

cudaError_t mma_outers(Queue queue, std::int64_t rows, std::span<const ThinOuter<BFloat16>> products,
                       float* scratch) {
  if (rows == 0) return cudaSuccess;
  const std::int64_t slices = slices_of(rows);
  OuterScratch places = {};
  for (std::size_t i = 0; i < products.size() && slices > 1; ++i) {
    places.of[i] = scratch;
    scratch += mma_outer_scratch(rows, products[i]);
  }
  const unsigned rank_tiles = grid_of(most_ranks(products), ranks);
  const auto count = static_cast<unsigned>(products.size());
  const dim3 grid(grid_of(most_cols(products), outer_cols), static_cast<unsigned>(slices),
                  rank_tiles * count);
  const cudaError_t error =
      launch(outers_kernel, grid, dim3(threads), sizeof(float[warps][ranks][outer_cols]), queue, rows,
             static_cast<int>(rank_tiles), all_of(products), places);
  if (error != cudaSuccess || slices == 1) return error;
  const dim3 each(grid_of(most_ranks(products) * most_cols(products), threads), count);
  return launch(add_slices_kernel, each, dim3(threads), 0, queue, slices, all_of(products), places);
}

}  // namespace cola::cuda
