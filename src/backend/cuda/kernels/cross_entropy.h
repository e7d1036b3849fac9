#pragma once
#include <cstdint>

#include "backend/cuda/kernels/queue.h"
#include "backend/cuda/kernels/rows.h"

// What backend/cross_entropy.h does with a chunk of logits [rows, vocabulary] (f32). Pointers are device
// memory.
namespace cola::cuda {

/// ops::LogitTransform.
struct LogitTransform {
  float scale = 1.0F, soft_cap = 0.0F;
};
[[nodiscard]] cudaError_t transform_logits(Queue queue, const LogitTransform& transform, std::int64_t rows,
                                           std::int64_t vocabulary, Rows<float> logits);

struct LogitRows {
  std::int64_t rows = 0, vocabulary = 0;
  Rows<const float> logits;
  const std::int32_t* targets = nullptr;  ///< [rows]
  LogitTransform transform = {};          ///< done as logits are read
};

/// nll [rows] (written); correct [rows], 1 where the first largest logit is the target's; may be null.
[[nodiscard]] cudaError_t cross_entropy_forward(Queue queue, const LogitRows& work, float* nll,
                                                std::uint8_t* correct);

/// nll, and gradient = weights[i] (softmax - onehot): T float, which may be the logits, or BFloat16.
template <class T>
[[nodiscard]] cudaError_t cross_entropy_gradient(Queue queue, const LogitRows& work, const float* weights,
                                                 float* nll, Rows<T> gradient);

}  // namespace cola::cuda
