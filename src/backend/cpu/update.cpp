#include <algorithm>
#include <cmath>
#include <vector>

#include "backend/cpu/kernels/update.h"
#include "backend/cpu/ops.h"
#include "backend/cpu_isa.h"
#include "core/parallel.h"

namespace cola::ops::cpu {
namespace {

constexpr std::int64_t grain = 16384;

double sum_of_squares(std::span<const float> values) {
  constexpr std::int64_t block = 4096;
  const auto count = static_cast<std::int64_t>(values.size());
  std::vector<double> sums(static_cast<std::size_t>((count + block - 1) / block));
  const kernels::UpdateKernels& kernel = kernels::update_kernels(cpu_isa());
  parallel_for(static_cast<std::int64_t>(sums.size()), 4, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      const std::int64_t length = std::min(block, count - i * block);
      sums[static_cast<std::size_t>(i)] = kernel.sum_of_squares(length, values.data() + i * block);
    }
  });
  double total = 0.0;
  for (const double sum : sums) total += sum;
  return total;
}

/// body(tensor, begin, end) over slices of every tensor.
template <class Body>
void for_each_slice(std::span<const UpdatedTensor> tensors, const Body& body) {
  for (const UpdatedTensor& tensor : tensors) {
    parallel_for(std::ssize(tensor.parameter), grain,
                 [&](std::int64_t begin, std::int64_t end) { body(tensor, begin, end); });
  }
}

}  // namespace

void adamw_update(Context& /*context*/, const AdamW& setting, float gradient_scale,
                  std::span<const UpdatedTensor> tensors) {
  const auto step = static_cast<double>(setting.step);
  const double first_correction = 1.0 - std::pow(setting.beta1, step);
  const double root_scale = 1.0 / std::sqrt(1.0 - std::pow(setting.beta2, step));
  const kernels::UpdateKernels& kernel = kernels::update_kernels(cpu_isa());
  for_each_slice(tensors, [&](const UpdatedTensor& tensor, std::int64_t begin, std::int64_t end) {
    const double rate = setting.learning_rate * tensor.learning_rate_factor;
    const kernels::AdamWConstants constants = {
        .decay = 1.0 - rate * setting.weight_decay,
        .beta1 = setting.beta1,
        .beta2 = setting.beta2,
        .step_size = rate / first_correction,
        .root_scale = root_scale,
        .epsilon = setting.epsilon,
    };
    kernel.adamw(end - begin, constants, static_cast<double>(gradient_scale), tensor.gradient.data() + begin,
                 tensor.parameter.data() + begin, tensor.first.data() + begin, tensor.second.data() + begin);
  });
}

void sgd_update(Context& /*context*/, const Sgd& setting, float gradient_scale,
                std::span<const UpdatedTensor> tensors) {
  const double keep = setting.step > 1 ? setting.momentum : 0.0;
  const kernels::UpdateKernels& kernel = kernels::update_kernels(cpu_isa());
  for_each_slice(tensors, [&](const UpdatedTensor& tensor, std::int64_t begin, std::int64_t end) {
    kernel.sgd(end - begin, setting.learning_rate * tensor.learning_rate_factor, keep, setting.weight_decay,
               static_cast<double>(gradient_scale), tensor.gradient.data() + begin,
               tensor.parameter.data() + begin, tensor.first.empty() ? nullptr : tensor.first.data() + begin);
  });
}

void adagrad_update(Context& /*context*/, const Adagrad& setting, float gradient_scale,
                    std::span<const UpdatedTensor> tensors) {
  const kernels::UpdateKernels& kernel = kernels::update_kernels(cpu_isa());
  for_each_slice(tensors, [&](const UpdatedTensor& tensor, std::int64_t begin, std::int64_t end) {
    kernel.adagrad(end - begin, setting.learning_rate * tensor.learning_rate_factor, setting.epsilon,
                   setting.weight_decay, static_cast<double>(gradient_scale), tensor.gradient.data() + begin,
                   tensor.parameter.data() + begin, tensor.first.data() + begin);
  });
}

void zero_arrays(Context& /*context*/, std::span<const std::span<float>> arrays) {
  for (const auto& array : arrays) std::ranges::fill(array, 0.0F);
}

double squared_norm(Context& /*context*/, std::span<const std::span<const float>> arrays) {
  double total = 0.0;
  for (const auto& array : arrays) total += sum_of_squares(array);
  return total;
}

}  // namespace cola::ops::cpu
