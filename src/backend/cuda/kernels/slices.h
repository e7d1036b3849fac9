#pragma once
#include <cstdint>

#include "backend/cuda/kernels/queue.h"

// Launchers for sums over devices (backend/cuda/nccl_group.h). All is device memory.
namespace cola::cuda {

struct Copy {
  const float* from;
  float* to;
  std::int64_t count;
};
/// All copies by one kernel, since many are small; `longest` is the largest count.
[[nodiscard]] cudaError_t copy_arrays(Queue queue, std::int64_t size, const Copy* copies,
                                      std::int64_t longest);

/// `slices` arrays of `count` elements that lie end to end: the first becomes their sum, added one after the
/// other.
[[nodiscard]] cudaError_t add_slices(Queue queue, std::int64_t slices, std::int64_t count, float* values);

}  // namespace cola::cuda
