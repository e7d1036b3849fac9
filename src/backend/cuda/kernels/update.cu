#include "backend/cuda/kernels/update.h"

#include "backend/cuda/kernels/arrays.cuh"
#include "backend/cuda/kernels/warp.cuh"

namespace cola::cuda {
namespace {

struct AdamWUpdate {
  AdamWConstants c;
  double gradient_scale;

  __device__ void operator()(const UpdatedArrays& tensor, std::int64_t i) const {
    const double rate = c.learning_rate * tensor.learning_rate_factor;
    const double g = gradient_scale * static_cast<double>(tensor.gradient[i]);
    const double first = c.beta1 * static_cast<double>(tensor.first[i]) + (1.0 - c.beta1) * g;
    const double second = c.beta2 * static_cast<double>(tensor.second[i]) + (1.0 - c.beta2) * g * g;
    const double denominator = sqrt(second) * c.root_scale + c.epsilon;
    tensor.first[i] = static_cast<float>(first);
    tensor.second[i] = static_cast<float>(second);
    tensor.parameter[i] =
        static_cast<float>((1.0 - rate * c.weight_decay) * static_cast<double>(tensor.parameter[i]) -
                           rate / c.first_correction * first / denominator);
  }
};

struct SgdUpdate {
  SgdConstants c;
  double gradient_scale;

  __device__ void operator()(const UpdatedArrays& tensor, std::int64_t i) const {
    const auto p = static_cast<double>(tensor.parameter[i]);
    double g = gradient_scale * static_cast<double>(tensor.gradient[i]) + c.weight_decay * p;
    if (tensor.first != nullptr) {
      // Not keep * buffer at the first step: what the buffer held then, NaN included, must not matter.
      if (c.keep != 0.0) g += c.keep * static_cast<double>(tensor.first[i]);
      tensor.first[i] = static_cast<float>(g);
    }
    tensor.parameter[i] = static_cast<float>(p - c.learning_rate * tensor.learning_rate_factor * g);
  }
};

struct AdagradUpdate {
  AdagradConstants c;
  double gradient_scale;

  __device__ void operator()(const UpdatedArrays& tensor, std::int64_t i) const {
    const auto p = static_cast<double>(tensor.parameter[i]);
    const double g = gradient_scale * static_cast<double>(tensor.gradient[i]) + c.weight_decay * p;
    const double s = static_cast<double>(tensor.first[i]) + g * g;
    tensor.first[i] = static_cast<float>(s);
    tensor.parameter[i] =
        static_cast<float>(p - c.learning_rate * tensor.learning_rate_factor * g / (sqrt(s) + c.epsilon));
  }
};

constexpr unsigned threads = array_threads;

struct Zero {
  __device__ void operator()(const Array<float>& array, std::int64_t i) const { array.values[i] = 0.0F; }
};

constexpr std::int64_t sum_block = 32 * threads;

__global__ void partial_squares_kernel(std::int64_t size, const Array<const float>* list, double* partial) {
  using Partial = double[most_warps];
  const std::int64_t stride = static_cast<std::int64_t>(gridDim.x) * threads;
  for (std::int64_t number = blockIdx.y; number < size; number += gridDim.y) {
    const Array<const float> array = list[number];
    double sum = 0.0;
    for (std::int64_t i = static_cast<std::int64_t>(blockIdx.x) * threads + threadIdx.x; i < array.count;
         i += stride) {
      const auto value = static_cast<double>(array.values[i]);
      sum += value * value;
    }
    sum = block_sum(sum, *shared_memory<Partial>());
    if (threadIdx.x == 0) partial[number * gridDim.x + blockIdx.x] = sum;
    __syncthreads();  // the shared memory is used again
  }
}

__global__ void add_squares_kernel(std::int64_t count, const double* partial, double* total) {
  using Partial = double[most_warps];
  double sum = 0.0;
  for (std::int64_t i = threadIdx.x; i < count; i += threads) sum += partial[i];
  sum = block_sum(sum, *shared_memory<Partial>());
  if (threadIdx.x == 0) *total = sum;
}

}  // namespace

cudaError_t adamw(Queue queue, const UpdateList& list, const AdamWConstants& constants,
                  double gradient_scale) {
  return launch_every_element(queue, list.size, list.tensors, list.longest,
                              AdamWUpdate{constants, gradient_scale});
}

cudaError_t sgd(Queue queue, const UpdateList& list, const SgdConstants& constants, double gradient_scale) {
  return launch_every_element(queue, list.size, list.tensors, list.longest,
                              SgdUpdate{constants, gradient_scale});
}

cudaError_t adagrad(Queue queue, const UpdateList& list, const AdagradConstants& constants,
                    double gradient_scale) {
  return launch_every_element(queue, list.size, list.tensors, list.longest,
                              AdagradUpdate{constants, gradient_scale});
}

cudaError_t zero(Queue queue, const ArrayList<float>& list) {
  return launch_every_element(queue, list.size, list.arrays, list.longest, Zero{});
}

std::int64_t sum_of_squares_scratch(std::int64_t arrays, std::int64_t longest) {
  return arrays * array_blocks(longest, sum_block);
}

cudaError_t sum_of_squares(Queue queue, const ArrayList<const float>& list, double* scratch, double* total) {
  constexpr std::size_t shared_bytes = sizeof(double[most_warps]);
  const dim3 grid(array_blocks(list.longest, sum_block),
                  static_cast<unsigned>(list.size < most_grid_rows ? list.size : most_grid_rows));
  const cudaError_t error = launch(partial_squares_kernel, grid, dim3(threads), shared_bytes, queue,
                                   list.size, list.arrays, scratch);
  if (error != cudaSuccess) return error;
  return launch(add_squares_kernel, dim3(1), dim3(threads), shared_bytes, queue,
                sum_of_squares_scratch(list.size, list.longest), static_cast<const double*>(scratch), total);
}

}  // namespace cola::cuda
