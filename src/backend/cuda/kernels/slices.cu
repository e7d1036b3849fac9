#include "backend/cuda/kernels/slices.h"

#include "backend/cuda/kernels/arrays.cuh"
#include "backend/cuda/kernels/elements.cuh"

namespace cola::cuda {
namespace {

struct CopyElement {
  __device__ void operator()(const Copy& copy, std::int64_t i) const { copy.to[i] = copy.from[i]; }
};

struct AddSlices {
  std::int64_t slices, count;
  float* values;

  __device__ void operator()(std::int64_t /*row*/, std::int64_t i) const {
    float sum = values[i];
    for (std::int64_t slice = 1; slice < slices; ++slice) sum += values[slice * count + i];
    values[i] = sum;
  }
};

}  // namespace

cudaError_t copy_arrays(Queue queue, std::int64_t size, const Copy* copies, std::int64_t longest) {
  return launch_every_element(queue, size, copies, longest, CopyElement{});
}

cudaError_t add_slices(Queue queue, std::int64_t slices, std::int64_t count, float* values) {
  return launch_each(queue, 1, count, AddSlices{slices, count, values});
}

}  // namespace cola::cuda
