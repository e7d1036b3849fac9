#pragma once
#include <cstdint>
#include <span>

#include "backend/context.h"

namespace cola::ops {

/// One tensor of an update: f32 arrays of one length in the context's memory.
struct UpdatedTensor {
  std::span<const float> gradient;
  std::span<float> parameter;
  std::span<float> first;   ///< AdamW's m, SGD's buffer (empty without momentum), Adagrad's sum
  std::span<float> second;  ///< AdamW's v
  double learning_rate_factor = 1.0;
};

/// Optimizer updates with PyTorch's definitions, element by element, of all tensors at once: many are small.
/// `gradient_scale` multiplies every gradient first (clipping); lr is the setting's times the tensor's
/// factor.

/// torch.optim.AdamW: p *= 1 - lr wd; m = b1 m + (1-b1) g; v = b2 v + (1-b2) g^2;
/// p -= lr / (1 - b1^t) * m / (sqrt(v) / sqrt(1 - b2^t) + eps), t = `step` counting from 1.
struct AdamW {
  double learning_rate, beta1, beta2, epsilon, weight_decay;
  std::int64_t step;
};
void adamw_update(Context& context, const AdamW& setting, float gradient_scale,
                  std::span<const UpdatedTensor> tensors);

/// torch.optim.SGD: g += wd p; with momentum: buffer = g at step 1, momentum buffer + g after; p -= lr
/// (buffer or g).
struct Sgd {
  double learning_rate, momentum, weight_decay;
  std::int64_t step;
};
void sgd_update(Context& context, const Sgd& setting, float gradient_scale,
                std::span<const UpdatedTensor> tensors);

/// torch.optim.Adagrad (lr_decay 0): g += wd p; sum += g^2; p -= lr g / (sqrt(sum) + eps).
struct Adagrad {
  double learning_rate, epsilon, weight_decay;
};
void adagrad_update(Context& context, const Adagrad& setting, float gradient_scale,
                    std::span<const UpdatedTensor> tensors);

void zero_arrays(Context& context, std::span<const std::span<float>> arrays);

/// Sum of squares of all arrays in double, in an order that depends on their lengths alone, so deterministic
/// for any thread count.
[[nodiscard]] double squared_norm(Context& context, std::span<const std::span<const float>> arrays);

[[nodiscard]] inline double sum_of_squares(Context& context, std::span<const float> values) {
  return squared_norm(context, {&values, 1});
}

}  // namespace cola::ops
