#pragma once
#include <complex>
#include <cstddef>
#include <span>
#include <vector>

namespace cola::test {

/// Gradient of an analytic function by complex steps (Squire and Trapp, 1998): d/dx f = Im f(x + ih) / h,
/// without cancellation, so exact to double rounding. `loss` maps std::vector<std::complex<double>> to
/// std::complex<double>.
template <class Loss>
std::vector<double> complex_step_gradient(std::span<const double> x, const Loss& loss) {
  constexpr double step = 1e-100;
  std::vector<std::complex<double>> point(x.begin(), x.end());
  std::vector<double> gradient;
  for (std::size_t i = 0; i < x.size(); ++i) {
    point[i] = {x[i], step};
    gradient.push_back(loss(point).imag() / step);
    point[i] = x[i];
  }
  return gradient;
}

/// Sum of gradient[i] * value[i]: the loss whose gradient with respect to the values is `gradient`.
template <class Number>
Number weighted_sum(std::span<const double> gradient, std::span<const Number> values) {
  Number sum{};
  for (std::size_t i = 0; i < values.size(); ++i) sum += gradient[i] * values[i];
  return sum;
}

/// Complex copies, for the arguments that are not differentiated.
inline std::vector<std::complex<double>> complex_of(std::span<const double> values) {
  return {values.begin(), values.end()};
}

}  // namespace cola::test
