#include "backend/cuda/kernels/update.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "backend/cuda/check.h"
#include "backend/cuda/cuda_backend.h"
#include "backend/cuda/elements.h"
#include "backend/cuda/ops.h"

namespace cola::ops::cuda {

namespace {

/// The tensors' description on the device. Found again at the next step: the same arrays are updated.
launch::UpdateList on_device(Context& context, std::span<const UpdatedTensor> tensors) {
  std::vector<launch::UpdatedArrays> list;
  std::int64_t longest = 0;
  for (const UpdatedTensor& tensor : tensors) {
    list.push_back({tensor.gradient.data(), tensor.parameter.data(), tensor.first.data(),
                    tensor.second.data(), std::ssize(tensor.parameter), tensor.learning_rate_factor});
    longest = std::max(longest, list.back().count);
  }
  return {std::ssize(list), backend_of(context).host_arrays().on_device(list), longest};
}

template <class T>
launch::ArrayList<T> on_device(Context& context, std::span<const std::span<T>> arrays) {
  std::vector<launch::Array<T>> list;
  std::int64_t longest = 0;
  for (const auto& array : arrays) {
    list.push_back({array.data(), std::ssize(array)});
    longest = std::max(longest, list.back().count);
  }
  return {std::ssize(list), backend_of(context).host_arrays().on_device(list), longest};
}

}  // namespace

void adamw_update(Context& context, const AdamW& setting, float gradient_scale,
                  std::span<const UpdatedTensor> tensors) {
  const auto step = static_cast<double>(setting.step);
  const launch::AdamWConstants constants = {
      .learning_rate = setting.learning_rate,
      .weight_decay = setting.weight_decay,
      .beta1 = setting.beta1,
      .beta2 = setting.beta2,
      .first_correction = 1.0 - std::pow(setting.beta1, step),
      .root_scale = 1.0 / std::sqrt(1.0 - std::pow(setting.beta2, step)),
      .epsilon = setting.epsilon,
  };
  require(launch::adamw(backend_of(context).queue(), on_device(context, tensors), constants,
                        static_cast<double>(gradient_scale)),
          "adamw_update");
}

void sgd_update(Context& context, const Sgd& setting, float gradient_scale,
                std::span<const UpdatedTensor> tensors) {
  const launch::SgdConstants constants = {
      .learning_rate = setting.learning_rate,
      .keep = setting.step > 1 ? setting.momentum : 0.0,
      .weight_decay = setting.weight_decay,
  };
  require(launch::sgd(backend_of(context).queue(), on_device(context, tensors), constants,
                      static_cast<double>(gradient_scale)),
          "sgd_update");
}

void adagrad_update(Context& context, const Adagrad& setting, float gradient_scale,
                    std::span<const UpdatedTensor> tensors) {
  const launch::AdagradConstants constants = {
      .learning_rate = setting.learning_rate,
      .epsilon = setting.epsilon,
      .weight_decay = setting.weight_decay,
  };
  require(launch::adagrad(backend_of(context).queue(), on_device(context, tensors), constants,
                          static_cast<double>(gradient_scale)),
          "adagrad_update");
}

void zero_arrays(Context& context, std::span<const std::span<float>> arrays) {
  require(launch::zero(backend_of(context).queue(), on_device(context, arrays)), "zero_arrays");
}

double squared_norm(Context& context, std::span<const std::span<const float>> arrays) {
  const launch::ArrayList<const float> list = on_device(context, arrays);
  if (list.longest == 0) return 0.0;
  // The total first, then the kernels' scratch; a double is two floats.
  const std::int64_t doubles = 1 + launch::sum_of_squares_scratch(list.size, list.longest);
  const MatrixView memory = context.scratch("cuda squared norm", DType::f32, 1, 2 * doubles);
  auto* total = static_cast<double*>(memory.data);
  require(launch::sum_of_squares(backend_of(context).queue(), list, total + 1, total), "squared_norm");
  double sum = 0.0;
  context.memory().download(static_cast<const std::byte*>(memory.data), reinterpret_cast<std::byte*>(&sum),
                            sizeof(sum));
  return sum;
}

}  // namespace cola::ops::cuda
