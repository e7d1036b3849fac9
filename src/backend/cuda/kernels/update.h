#pragma once
#include <cstdint>

#include "backend/cuda/kernels/queue.h"

// Launchers of backend/update.h: all tensors by one kernel, since many are small. Arrays and their
// descriptions are device memory; arithmetic in double as on the CPU, so that a result is its definition's
// value rounded once.
namespace cola::cuda {

/// An array of an update, as ops::UpdatedTensor.
struct UpdatedArrays {
  const float* gradient;
  float* parameter;
  float* first;  ///< may be null for SGD
  float* second;
  std::int64_t count;
  double learning_rate_factor;
};

struct UpdateList {
  std::int64_t size = 0;
  const UpdatedArrays* tensors = nullptr;
  std::int64_t longest = 0;  ///< largest count
};

/// Constants of one step, from ops::AdamW.
struct AdamWConstants {
  double learning_rate;
  double weight_decay;
  double beta1;
  double beta2;
  double first_correction;  ///< 1 - beta1^t
  double root_scale;        ///< 1 / sqrt(1 - beta2^t)
  double epsilon;
};
[[nodiscard]] cudaError_t adamw(Queue queue, const UpdateList& list, const AdamWConstants& constants,
                                double gradient_scale);

struct SgdConstants {
  double learning_rate;
  double keep;  ///< what the buffer's old content is multiplied by: the momentum, 0 at step 1
  double weight_decay;
};
[[nodiscard]] cudaError_t sgd(Queue queue, const UpdateList& list, const SgdConstants& constants,
                              double gradient_scale);

struct AdagradConstants {
  double learning_rate, epsilon, weight_decay;
};
[[nodiscard]] cudaError_t adagrad(Queue queue, const UpdateList& list, const AdagradConstants& constants,
                                  double gradient_scale);

template <class T>
struct Array {
  T* values;
  std::int64_t count;
};
template <class T>
struct ArrayList {
  std::int64_t size = 0;
  const Array<T>* arrays = nullptr;
  std::int64_t longest = 0;
};

[[nodiscard]] cudaError_t zero(Queue queue, const ArrayList<float>& list);

/// Doubles of scratch memory for sum_of_squares.
[[nodiscard]] std::int64_t sum_of_squares_scratch(std::int64_t arrays, std::int64_t longest);
/// *total = the sum over all arrays, in an order that depends on their lengths alone.
[[nodiscard]] cudaError_t sum_of_squares(Queue queue, const ArrayList<const float>& list, double* scratch,
                                         double* total);

}  // namespace cola::cuda
