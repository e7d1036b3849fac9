#pragma once
#include "backend/cuda/kernels/elements.cuh"

// One kernel for all arrays of a list, since many are small.
namespace cola::cuda {

constexpr unsigned array_threads = 256;
constexpr std::int64_t most_array_blocks = 1024;  ///< of an array; they share a longer one in turns

/// Blocks x of a grid whose y are the arrays.
[[nodiscard]] inline unsigned array_blocks(std::int64_t longest, std::int64_t elements_of_block) {
  const std::int64_t blocks = blocks_of(longest, elements_of_block);
  return static_cast<unsigned>(blocks < most_array_blocks ? blocks : most_array_blocks);
}

/// operation(array, i) for every element of every array.
template <class Arrays, class Operation>
__global__ void every_element_kernel(std::int64_t size, const Arrays* list, Operation operation) {
  const std::int64_t stride = static_cast<std::int64_t>(gridDim.x) * array_threads;
  for (std::int64_t number = blockIdx.y; number < size; number += gridDim.y) {
    const Arrays array = list[number];
    for (std::int64_t i = static_cast<std::int64_t>(blockIdx.x) * array_threads + threadIdx.x;
         i < array.count; i += stride)
      operation(array, i);
  }
}

/// Of `size` arrays, each with its `count`, the largest of which is `longest`.
template <class Arrays, class Operation>
[[nodiscard]] cudaError_t launch_every_element(Queue queue, std::int64_t size, const Arrays* list,
                                               std::int64_t longest, const Operation& operation) {
  if (size == 0 || longest == 0) return cudaSuccess;
  const dim3 grid(array_blocks(longest, array_threads),
                  static_cast<unsigned>(size < most_grid_rows ? size : most_grid_rows));
  return launch(every_element_kernel<Arrays, Operation>, grid, dim3(array_threads), 0, queue, size, list,
                operation);
}

}  // namespace cola::cuda
