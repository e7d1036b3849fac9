#include "backend/cpu/kernels/norm.h"

#include "backend/cpu/kernels/simd.h"

namespace cola::kernels::COLA_ISA_NAMESPACE {
namespace {

/// 1 / sqrt(mean_square + eps), but NaN instead of the 0 that would make an overflowing row one of zeros.
inline float reciprocal_root(float mean_square, float eps) {
  const float root = __builtin_sqrtf(mean_square + eps);
  return __builtin_isinf(root) ? __builtin_nanf("") : 1.0F / root;
}

template <class T>
void layer_norm_forward(const NormForward<T>& work) {
  const std::int64_t cols = work.cols;
  const auto count = static_cast<float>(cols);
  for (std::int64_t row = 0; row < work.rows; ++row) {
    const T* x = work.x[row];
    T* y = work.y[row];
    const float mean = sum_over(cols, [](auto value) { return value; }, x) / count;
    const auto squared_deviation = [mean](auto value) { return (value - mean) * (value - mean); };
    const float variance = sum_over(cols, squared_deviation, x) / count;
    const float rstd = reciprocal_root(variance, work.eps);
    work.mean[row] = mean;
    work.rstd[row] = rstd;
#pragma omp simd
    for (std::int64_t i = 0; i < cols; ++i) {
      store_float((to_float(x[i]) - mean) * rstd * work.weight[i] + work.bias[i], y + i);
    }
  }
}

/// A weight, or a vector of them, as the norm multiplies by it.
template <bool unit_offset, class Value>
[[gnu::always_inline]] inline Value factor_of(Value weight) {
  if constexpr (unit_offset) return weight + 1.0F;
  return weight;
}

template <class T, bool unit_offset, bool rounds_before_weight>
void rms_norm_forward(const NormForward<T>& work) {
  const std::int64_t cols = work.cols;
  for (std::int64_t row = 0; row < work.rows; ++row) {
    const T* x = work.x[row];
    T* y = work.y[row];
    const float mean_square =
        sum_over(cols, [](auto value) { return value * value; }, x) / static_cast<float>(cols);
    const float rstd = reciprocal_root(mean_square, work.eps);
    work.rstd[row] = rstd;
#pragma omp simd
    for (std::int64_t i = 0; i < cols; ++i) {
      float normalised = to_float(x[i]) * rstd;
      if constexpr (rounds_before_weight) {
        T rounded;
        store_float(normalised, &rounded);
        normalised = to_float(rounded);
      }
      store_float(normalised * factor_of<unit_offset>(work.weight[i]), y + i);
    }
  }
}

template <class T>
void rms_norm_forward(const NormForward<T>& work) {
  if (work.rounds_before_weight) {
    work.unit_offset ? rms_norm_forward<T, true, true>(work) : rms_norm_forward<T, false, true>(work);
  } else {
    work.unit_offset ? rms_norm_forward<T, true, false>(work) : rms_norm_forward<T, false, false>(work);
  }
}

/// With n the normalised row and g = dy weight: dx = rstd (g - mean(g) - n mean(g n)); RMS norm has mean 0
/// and no mean(g) term.
template <class T, bool centered, bool unit_offset = false>
void norm_backward(const NormBackward<T>& work) {
  const std::int64_t cols = work.cols;
  const float* weight = work.weight;
  const auto count = static_cast<float>(cols);
  for (std::int64_t row = 0; row < work.rows; ++row) {
    const T* dy = work.dy[row];
    const T* x = work.x[row];
    T* dx = work.dx[row];
    const float rstd = work.rstd[row];
    const float mean = centered ? work.mean[row] : 0.0F;
    const auto gradient = [](auto d, auto w) { return d * factor_of<unit_offset>(w); };
    const auto projection = [mean, rstd](auto d, auto w, auto value) {
      return d * factor_of<unit_offset>(w) * ((value - mean) * rstd);
    };
    const float mean_gradient = centered ? sum_over(cols, gradient, dy, weight) / count : 0.0F;
    const float mean_projection = sum_over(cols, projection, dy, weight, x) / count;
    if (work.dweight != nullptr) {
      float* dweight = work.dweight;
#pragma omp simd
      for (std::int64_t i = 0; i < cols; ++i)
        dweight[i] += to_float(dy[i]) * ((to_float(x[i]) - mean) * rstd);
    }
    if (work.dbias != nullptr) {
      float* dbias = work.dbias;
#pragma omp simd
      for (std::int64_t i = 0; i < cols; ++i) dbias[i] += to_float(dy[i]);
    }
    const auto result = [=](std::int64_t i) {
      const float normalised = (to_float(x[i]) - mean) * rstd;
      return rstd * (to_float(dy[i]) * factor_of<unit_offset>(weight[i]) - mean_gradient -
                     normalised * mean_projection);
    };
    if (work.add) {
#pragma omp simd
      for (std::int64_t i = 0; i < cols; ++i) store_float(to_float(dx[i]) + result(i), dx + i);
    } else {
#pragma omp simd
      for (std::int64_t i = 0; i < cols; ++i) store_float(result(i), dx + i);
    }
  }
}

template <class T>
void rms_norm_backward(const NormBackward<T>& work) {
  work.unit_offset ? norm_backward<T, false, true>(work) : norm_backward<T, false, false>(work);
}

template <class T>
constexpr NormKernels<T> table = {layer_norm_forward<T>, rms_norm_forward<T>, norm_backward<T, true>,
                                  rms_norm_backward<T>};

}  // namespace

const NormKernels<float> norm_f32 = table<float>;
const NormKernels<std::uint16_t> norm_bf16 = table<std::uint16_t>;

}  // namespace cola::kernels::COLA_ISA_NAMESPACE
