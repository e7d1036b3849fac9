#pragma once
#include "backend/cuda/kernels/elements.cuh"

// Sums over the rows of a matrix without atomics: partial sums of 32 rows each, then their sum in order.
namespace cola::cuda {

constexpr std::int64_t partial_rows = 32;
[[nodiscard]] constexpr std::int64_t partial_sums(std::int64_t rows) { return blocks_of(rows, partial_rows); }

/// partial [partial_sums(rows), cols]: term(row, col, sums) adds row's terms of columns col .. col + width
/// - 1.
template <int width, class Term>
struct PartialSums {
  std::int64_t rows;
  Term term;
  Rows<float> partial;

  __device__ void operator()(std::int64_t block, std::int64_t item) const {
    const std::int64_t begin = block * partial_rows;
    const std::int64_t end = begin + partial_rows < rows ? begin + partial_rows : rows;
    float sums[width] = {};
    for (std::int64_t row = begin; row < end; ++row) term(row, item * width, sums);
    store(sums, partial[block] + item * width);
  }
};

static __global__ void add_partial_sums_kernel(std::int64_t blocks, std::int64_t cols, const float* partial,
                                               float* sums) {
  const std::int64_t col = static_cast<std::int64_t>(blockIdx.x) * blockDim.x + threadIdx.x;
  if (col >= cols) return;
  float sum = 0.0F;
  for (std::int64_t block = 0; block < blocks; ++block) sum += partial[block * cols + col];
  sums[col] += sum;
}

/// sums [cols] += the sum of term over the rows; partial [partial_sums(rows) * cols], 16-byte aligned.
template <int width, class Term>
[[nodiscard]] cudaError_t add_column_sums(Queue queue, std::int64_t rows, std::int64_t cols, const Term& term,
                                          float* partial, float* sums) {
  if (rows == 0 || cols == 0) return cudaSuccess;
  const std::int64_t blocks = partial_sums(rows);
  const PartialSums<width, Term> first = {rows, term, {partial, cols}};
  const cudaError_t error = launch_each(queue, blocks, cols / width, first);
  if (error != cudaSuccess) return error;
  constexpr unsigned threads = 128;
  return launch(add_partial_sums_kernel, dim3(static_cast<unsigned>(blocks_of(cols, threads))), dim3(threads),
                0, queue, blocks, cols, static_cast<const float*>(partial), sums);
}

}  // namespace cola::cuda
