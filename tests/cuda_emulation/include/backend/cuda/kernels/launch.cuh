#pragma once
#include <cuda_runtime.h>

#include <cstddef>

#include "backend/cuda/kernels/queue.h"

// In place of src/backend/cuda/kernels/launch.cuh.
namespace cola::cuda {

template <class... Parameters, class... Arguments>
[[nodiscard]] cudaError_t launch(void (*kernel)(Parameters...), dim3 grid, dim3 block,
                                 std::size_t shared_bytes, Queue queue, Arguments... arguments) {
  if (grid.x == 0 || grid.y == 0 || grid.z == 0) return cudaSuccess;
  if (queue.only_describes(kernel, grid, block, shared_bytes, static_cast<Parameters>(arguments)...))
    return cudaSuccess;
  return emulation::submit(queue.stream, [=] {
    return emulation::run(grid, block, shared_bytes, [&] { kernel(static_cast<Parameters>(arguments)...); });
  });
}

template <class T>
T* shared_memory() {
  return static_cast<T*>(emulation::shared_memory(sizeof(T)));
}

}  // namespace cola::cuda
