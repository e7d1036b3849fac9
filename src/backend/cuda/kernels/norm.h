#pragma once
#include <cstdint>

#include "backend/cuda/kernels/queue.h"
#include "backend/cuda/kernels/rows.h"

// Launchers of backend/norm.h. Pointers are device memory, T is float or BFloat16; weights, statistics and
// their gradients f32.
namespace cola::cuda {

template <class T>
struct NormForward {
  std::int64_t rows, cols;
  Rows<const T> x;
  const float* weight;  ///< [cols]
  const float* bias;    ///< [cols]; null for RMS norm
  float eps;
  Rows<T> y;
  float* mean;               ///< [rows], written; null for RMS norm
  float* rstd;               ///< [rows], written
  bool unit_offset = false;  ///< of RMS norm, as ops::RmsNorm has them
  bool rounds_before_weight = false;
};
template <class T>
[[nodiscard]] cudaError_t layer_norm_forward(Queue queue, const NormForward<T>& work);
template <class T>
[[nodiscard]] cudaError_t rms_norm_forward(Queue queue, const NormForward<T>& work);

template <class T>
struct NormBackward {
  std::int64_t rows, cols;
  Rows<const T> dy, x;
  const float* weight;
  const float* mean;  ///< null for RMS norm
  const float* rstd;
  Rows<T> dx;
  bool add;        ///< dx += instead of =; dx is neither dy nor x
  float* dweight;  ///< [cols], added to; null: not computed
  float* dbias;    ///< [cols], added to; null: not computed
  float* scratch;  ///< norm_backward_scratch floats, 16-byte aligned; null where neither is computed
  bool unit_offset = false;  ///< of RMS norm
};
[[nodiscard]] std::int64_t norm_backward_scratch(std::int64_t rows, std::int64_t cols);
template <class T>
[[nodiscard]] cudaError_t layer_norm_backward(Queue queue, const NormBackward<T>& work);
template <class T>
[[nodiscard]] cudaError_t rms_norm_backward(Queue queue, const NormBackward<T>& work);

}  // namespace cola::cuda
