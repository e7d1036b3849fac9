#include "backend/cuda/kernels/update.h"

#include <algorithm>
#include <cmath>

#include "backend/cuda/check.h"
#include "backend/cuda/cuda_backend.h"
#include "backend/cuda/elements.h"
#include "backend/cuda/ops.h"

namespace cola::ops::cuda {

void adamw_update(Context& context, const AdamW& setting, float gradient_scale,
                  std::span<const float> gradient, std::span<float> parameter, std::span<float> m,
                  std::span<float> v) {
  const auto step = static_cast<double>(setting.step);
  const launch::AdamWConstants constants = {
      .decay = 1.0 - setting.learning_rate * setting.weight_decay,
      .beta1 = setting.beta1,
      .beta2 = setting.beta2,
      .step_size = setting.learning_rate / (1.0 - std::pow(setting.beta1, step)),
      .root_scale = 1.0 / std::sqrt(1.0 - std::pow(setting.beta2, step)),
      .epsilon = setting.epsilon,
  };
  require(launch::adamw(backend_of(context).stream(), std::ssize(parameter), constants,
                        static_cast<double>(gradient_scale), gradient.data(), parameter.data(), m.data(),
                        v.data()),
          "adamw_update");
}

void sgd_update(Context& context, const Sgd& setting, float gradient_scale, std::span<const float> gradient,
                std::span<float> parameter, std::span<float> buffer) {
  const launch::SgdConstants constants = {
      .learning_rate = setting.learning_rate,
      .keep = setting.step > 1 ? setting.momentum : 0.0,
      .weight_decay = setting.weight_decay,
  };
  require(launch::sgd(backend_of(context).stream(), std::ssize(parameter), constants,
                      static_cast<double>(gradient_scale), gradient.data(), parameter.data(),
                      buffer.empty() ? nullptr : buffer.data()),
          "sgd_update");
}

void adagrad_update(Context& context, const Adagrad& setting, float gradient_scale,
                    std::span<const float> gradient, std::span<float> parameter, std::span<float> sum) {
  const launch::AdagradConstants constants = {
      .learning_rate = setting.learning_rate,
      .epsilon = setting.epsilon,
      .weight_decay = setting.weight_decay,
  };
  require(launch::adagrad(backend_of(context).stream(), std::ssize(parameter), constants,
                          static_cast<double>(gradient_scale), gradient.data(), parameter.data(), sum.data()),
          "adagrad_update");
}

double squared_norm(Context& context, std::span<const std::span<const float>> arrays) {
  std::int64_t doubles = 0;
  for (const auto& array : arrays)
    doubles = std::max(doubles, launch::sum_of_squares_scratch(std::ssize(array)));
  // The total first, then the kernels' scratch; a double is two floats.
  const MatrixView memory = context.scratch("cuda squared norm", DType::f32, 1, 2 * (doubles + 1));
  auto* total = static_cast<double*>(memory.data);
  const cudaStream_t stream = backend_of(context).stream();
  require(cudaMemsetAsync(total, 0, sizeof(double), stream), "squared_norm");
  for (const auto& array : arrays) {
    if (array.empty()) continue;
    require(launch::sum_of_squares(stream, std::ssize(array), array.data(), total + 1, total, true),
            "squared_norm");
  }
  double sum = 0.0;
  context.memory().download(static_cast<const std::byte*>(memory.data), reinterpret_cast<std::byte*>(&sum),
                            sizeof(sum));
  return sum;
}

}  // namespace cola::ops::cuda
