#pragma once
#include <cuda_runtime.h>

#include <cstddef>

#include "backend/cuda/kernels/queue.h"

// What of CUDA is no C++: the emulation of the tests has a header of this name instead.
namespace cola::cuda {

/// Runs kernel(arguments...) on a queue. A grid without blocks is no work.
template <class... Parameters, class... Arguments>
[[nodiscard]] cudaError_t launch(void (*kernel)(Parameters...), dim3 grid, dim3 block,
                                 std::size_t shared_bytes, Queue queue, Arguments... arguments) {
  constexpr std::size_t without_asking = 48 << 10;
  if (grid.x == 0 || grid.y == 0 || grid.z == 0) return cudaSuccess;
  if (queue.only_describes(kernel, grid, block, shared_bytes, static_cast<Parameters>(arguments)...))
    return cudaSuccess;
  if (shared_bytes > without_asking) {
    const cudaError_t error = cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize,
                                                   static_cast<int>(shared_bytes));
    if (error != cudaSuccess) return error;
  }
  kernel<<<grid, block, shared_bytes, queue.stream>>>(static_cast<Parameters>(arguments)...);
  return cudaGetLastError();
}

/// The block's shared memory as a T, or an array of them: all of what launch() was told.
template <class T>
__device__ T* shared_memory() {
  extern __shared__ __align__(16) unsigned char memory[];
  return reinterpret_cast<T*>(memory);
}

}  // namespace cola::cuda
