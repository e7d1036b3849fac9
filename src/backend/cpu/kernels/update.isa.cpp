#include "backend/cpu/kernels/update.h"

namespace cola::kernels::COLA_ISA_NAMESPACE {
namespace {

void adamw(std::int64_t count, const AdamWConstants& constants, double gradient_scale, const float* gradient,
           float* parameter, float* m, float* v) {
  const AdamWConstants c = constants;
#pragma omp simd
  for (std::int64_t i = 0; i < count; ++i) {
    const double g = gradient_scale * static_cast<double>(gradient[i]);
    const double first = c.beta1 * static_cast<double>(m[i]) + (1.0 - c.beta1) * g;
    const double second = c.beta2 * static_cast<double>(v[i]) + (1.0 - c.beta2) * g * g;
    const double denominator = __builtin_sqrt(second) * c.root_scale + c.epsilon;
    const double p = c.decay * static_cast<double>(parameter[i]) - c.step_size * first / denominator;
    m[i] = static_cast<float>(first);
    v[i] = static_cast<float>(second);
    parameter[i] = static_cast<float>(p);
  }
}

void sgd(std::int64_t count, double learning_rate, double keep, double weight_decay, double gradient_scale,
         const float* gradient, float* parameter, float* buffer) {
  if (buffer == nullptr) {
#pragma omp simd
    for (std::int64_t i = 0; i < count; ++i) {
      const double p = static_cast<double>(parameter[i]);
      const double g = gradient_scale * static_cast<double>(gradient[i]) + weight_decay * p;
      parameter[i] = static_cast<float>(p - learning_rate * g);
    }
    return;
  }
#pragma omp simd
  for (std::int64_t i = 0; i < count; ++i) {
    const double p = static_cast<double>(parameter[i]);
    const double g = gradient_scale * static_cast<double>(gradient[i]) + weight_decay * p;
    // Not keep * buffer at the first step: what the buffer held then, NaN included, must not matter.
    const double b = keep == 0.0 ? g : keep * static_cast<double>(buffer[i]) + g;
    buffer[i] = static_cast<float>(b);
    parameter[i] = static_cast<float>(p - learning_rate * b);
  }
}

void adagrad(std::int64_t count, double learning_rate, double epsilon, double weight_decay,
             double gradient_scale, const float* gradient, float* parameter, float* sum) {
#pragma omp simd
  for (std::int64_t i = 0; i < count; ++i) {
    const double p = static_cast<double>(parameter[i]);
    const double g = gradient_scale * static_cast<double>(gradient[i]) + weight_decay * p;
    const double s = static_cast<double>(sum[i]) + g * g;
    sum[i] = static_cast<float>(s);
    parameter[i] = static_cast<float>(p - learning_rate * g / (__builtin_sqrt(s) + epsilon));
  }
}

double sum_of_squares(std::int64_t count, const float* values) {
  constexpr std::int64_t width = 32;
  double sums[width] = {};
  std::int64_t i = 0;
  for (; i + width <= count; i += width) {
#pragma omp simd
    for (std::int64_t j = 0; j < width; ++j) {
      const double value = static_cast<double>(values[i + j]);
      sums[j] += value * value;
    }
  }
  for (std::int64_t j = 0; i + j < count; ++j) {
    const double value = static_cast<double>(values[i + j]);
    sums[j] += value * value;
  }
  double total = 0.0;
  for (const double sum : sums) total += sum;
  return total;
}

}  // namespace

const UpdateKernels update_table = {adamw, sgd, adagrad, sum_of_squares};

}  // namespace cola::kernels::COLA_ISA_NAMESPACE
