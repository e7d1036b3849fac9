#pragma once
#include <cstdint>
#include <span>

#include "backend/context.h"

namespace cola::ops {

/// Optimizer updates with PyTorch's definitions, element by element on f32 arrays of one length.
/// `gradient_scale` multiplies every gradient first (clipping).

/// torch.optim.AdamW: p *= 1 - lr wd; m = b1 m + (1-b1) g; v = b2 v + (1-b2) g^2;
/// p -= lr / (1 - b1^t) * m / (sqrt(v) / sqrt(1 - b2^t) + eps), t = `step` counting from 1.
struct AdamW {
  double learning_rate, beta1, beta2, epsilon, weight_decay;
  std::int64_t step;
};
void adamw_update(Context& context, const AdamW& setting, float gradient_scale,
                  std::span<const float> gradient, std::span<float> parameter, std::span<float> m,
                  std::span<float> v);

/// torch.optim.SGD: g += wd p; with momentum: buffer = g at step 1, momentum buffer + g after; p -= lr
/// (buffer or g). `buffer` is empty without momentum.
struct Sgd {
  double learning_rate, momentum, weight_decay;
  std::int64_t step;
};
void sgd_update(Context& context, const Sgd& setting, float gradient_scale, std::span<const float> gradient,
                std::span<float> parameter, std::span<float> buffer);

/// torch.optim.Adagrad (lr_decay 0): g += wd p; sum += g^2; p -= lr g / (sqrt(sum) + eps).
struct Adagrad {
  double learning_rate, epsilon, weight_decay;
};
void adagrad_update(Context& context, const Adagrad& setting, float gradient_scale,
                    std::span<const float> gradient, std::span<float> parameter, std::span<float> sum);

/// Sum of squares of all arrays in double: the arrays' sums added in their order, each in an order that
/// depends on its length alone, so deterministic for any thread count.
[[nodiscard]] double squared_norm(Context& context, std::span<const std::span<const float>> arrays);

[[nodiscard]] inline double sum_of_squares(Context& context, std::span<const float> values) {
  return squared_norm(context, {&values, 1});
}

}  // namespace cola::ops
