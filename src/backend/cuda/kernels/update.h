#pragma once
#include <cuda_runtime_api.h>

#include <cstdint>

// Launchers of backend/update.h: f32 arrays of `count` elements in device memory, arithmetic in double as on
// the CPU, so that a result is its definition's value rounded once.
namespace cola::cuda {

/// Constants of one step, from ops::AdamW.
struct AdamWConstants {
  double decay;  ///< 1 - lr wd
  double beta1;
  double beta2;
  double step_size;   ///< lr / (1 - beta1^t)
  double root_scale;  ///< 1 / sqrt(1 - beta2^t)
  double epsilon;
};
[[nodiscard]] cudaError_t adamw(cudaStream_t stream, std::int64_t count, const AdamWConstants& constants,
                                double gradient_scale, const float* gradient, float* parameter, float* m,
                                float* v);

struct SgdConstants {
  double learning_rate;
  double keep;  ///< what the buffer's old content is multiplied by: the momentum, 0 at step 1
  double weight_decay;
};
/// buffer may be null.
[[nodiscard]] cudaError_t sgd(cudaStream_t stream, std::int64_t count, const SgdConstants& constants,
                              double gradient_scale, const float* gradient, float* parameter, float* buffer);

struct AdagradConstants {
  double learning_rate, epsilon, weight_decay;
};
[[nodiscard]] cudaError_t adagrad(cudaStream_t stream, std::int64_t count, const AdagradConstants& constants,
                                  double gradient_scale, const float* gradient, float* parameter, float* sum);

/// Doubles of scratch memory for sum_of_squares.
[[nodiscard]] std::int64_t sum_of_squares_scratch(std::int64_t count);
/// *total = or += the sum, in an order that depends on `count` alone.
[[nodiscard]] cudaError_t sum_of_squares(cudaStream_t stream, std::int64_t count, const float* values,
                                         double* scratch, double* total, bool add);

}  // namespace cola::cuda
