#include "backend/cuda/kernels/update.h"

#include "backend/cuda/kernels/elements.cuh"
#include "backend/cuda/kernels/warp.cuh"

namespace cola::cuda {
namespace {

struct AdamWUpdate {
  AdamWConstants c;
  double gradient_scale;
  const float* gradient;
  float* parameter;
  float* m;
  float* v;

  __device__ void operator()(std::int64_t /*row*/, std::int64_t i) const {
    const double g = gradient_scale * static_cast<double>(gradient[i]);
    const double first = c.beta1 * static_cast<double>(m[i]) + (1.0 - c.beta1) * g;
    const double second = c.beta2 * static_cast<double>(v[i]) + (1.0 - c.beta2) * g * g;
    const double denominator = sqrt(second) * c.root_scale + c.epsilon;
    m[i] = static_cast<float>(first);
    v[i] = static_cast<float>(second);
    parameter[i] =
        static_cast<float>(c.decay * static_cast<double>(parameter[i]) - c.step_size * first / denominator);
  }
};

struct SgdUpdate {
  SgdConstants c;
  double gradient_scale;
  const float* gradient;
  float* parameter;
  float* buffer;

  __device__ void operator()(std::int64_t /*row*/, std::int64_t i) const {
    const auto p = static_cast<double>(parameter[i]);
    double g = gradient_scale * static_cast<double>(gradient[i]) + c.weight_decay * p;
    if (buffer != nullptr) {
      // Not keep * buffer at the first step: what the buffer held then, NaN included, must not matter.
      if (c.keep != 0.0) g += c.keep * static_cast<double>(buffer[i]);
      buffer[i] = static_cast<float>(g);
    }
    parameter[i] = static_cast<float>(p - c.learning_rate * g);
  }
};

struct AdagradUpdate {
  AdagradConstants c;
  double gradient_scale;
  const float* gradient;
  float* parameter;
  float* sum;

  __device__ void operator()(std::int64_t /*row*/, std::int64_t i) const {
    const auto p = static_cast<double>(parameter[i]);
    const double g = gradient_scale * static_cast<double>(gradient[i]) + c.weight_decay * p;
    const double s = static_cast<double>(sum[i]) + g * g;
    sum[i] = static_cast<float>(s);
    parameter[i] = static_cast<float>(p - c.learning_rate * g / (sqrt(s) + c.epsilon));
  }
};

constexpr unsigned sum_threads = 256;
constexpr std::int64_t sum_block = 32 * sum_threads;

__global__ void partial_squares_kernel(std::int64_t count, const float* values, double* partial) {
  using Partial = double[most_warps];
  const std::int64_t begin = blockIdx.x * sum_block;
  const std::int64_t end = begin + sum_block < count ? begin + sum_block : count;
  double sum = 0.0;
  for (std::int64_t i = begin + threadIdx.x; i < end; i += sum_threads) {
    const auto value = static_cast<double>(values[i]);
    sum += value * value;
  }
  sum = block_sum(sum, *shared_memory<Partial>());
  if (threadIdx.x == 0) partial[blockIdx.x] = sum;
}

__global__ void add_squares_kernel(std::int64_t blocks, const double* partial, double* total, bool add) {
  using Partial = double[most_warps];
  double sum = 0.0;
  for (std::int64_t i = threadIdx.x; i < blocks; i += sum_threads) sum += partial[i];
  sum = block_sum(sum, *shared_memory<Partial>());
  if (threadIdx.x == 0) *total = add ? *total + sum : sum;
}

}  // namespace

cudaError_t adamw(cudaStream_t stream, std::int64_t count, const AdamWConstants& constants,
                  double gradient_scale, const float* gradient, float* parameter, float* m, float* v) {
  return launch_each(stream, 1, count, AdamWUpdate{constants, gradient_scale, gradient, parameter, m, v});
}

cudaError_t sgd(cudaStream_t stream, std::int64_t count, const SgdConstants& constants, double gradient_scale,
                const float* gradient, float* parameter, float* buffer) {
  return launch_each(stream, 1, count, SgdUpdate{constants, gradient_scale, gradient, parameter, buffer});
}

cudaError_t adagrad(cudaStream_t stream, std::int64_t count, const AdagradConstants& constants,
                    double gradient_scale, const float* gradient, float* parameter, float* sum) {
  return launch_each(stream, 1, count, AdagradUpdate{constants, gradient_scale, gradient, parameter, sum});
}

std::int64_t sum_of_squares_scratch(std::int64_t count) { return blocks_of(count, sum_block); }

cudaError_t sum_of_squares(cudaStream_t stream, std::int64_t count, const float* values, double* scratch,
                           double* total, bool add) {
  constexpr std::size_t shared_bytes = sizeof(double[most_warps]);
  const std::int64_t blocks = sum_of_squares_scratch(count);
  const cudaError_t error = launch(partial_squares_kernel, dim3(static_cast<unsigned>(blocks)),
                                   dim3(sum_threads), shared_bytes, stream, count, values, scratch);
  if (error != cudaSuccess) return error;
  return launch(add_squares_kernel, dim3(1), dim3(sum_threads), shared_bytes, stream, blocks,
                static_cast<const double*>(scratch), total, add);
}

}  // namespace cola::cuda
