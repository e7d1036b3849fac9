#pragma once
#include <array>
#include <cmath>
#include <complex>
#include <cstddef>
#include <cstdint>
#include <numbers>
#include <span>
#include <vector>

#include "backend/elementwise.h"
#include "core/random.h"

// Slow, obvious versions of backend/elementwise.h, one element at a time, for Number = double or
// std::complex<double> (comparisons look at the real part): what tests compare with.
namespace cola::ref {

template <class Number>
Number relu(Number x) {
  return std::real(x) > 0.0 ? x : Number{};
}
/// y is relu's result.
template <class Number>
Number relu_backward(Number dy, Number y) {
  return std::real(y) > 0.0 ? dy : Number{};
}

template <class Number>
Number gate_forward(ops::Gate function, Number gate, Number up) {
  using std::exp;
  using std::tanh;
  if (function == ops::Gate::silu) return gate / (1.0 + exp(-gate)) * up;
  const Number inner = std::sqrt(2.0 / std::numbers::pi) * (gate + 0.044715 * gate * gate * gate);
  return 0.5 * gate * (1.0 + tanh(inner)) * up;
}

template <class Number>
struct GateGradient {
  Number dgate, dup;
};
template <class Number>
GateGradient<Number> gate_backward(ops::Gate function, Number dh, Number gate, Number up) {
  using std::exp;
  using std::tanh;
  if (function == ops::Gate::silu) {
    const Number sigmoid = 1.0 / (1.0 + exp(-gate));
    return {dh * up * sigmoid * (1.0 + gate * (1.0 - sigmoid)), dh * gate * sigmoid};
  }
  const double root = std::sqrt(2.0 / std::numbers::pi);
  const Number t = tanh(root * (gate + 0.044715 * gate * gate * gate));
  const Number inner_slope = root * (1.0 + 3.0 * 0.044715 * gate * gate);
  return {dh * up * 0.5 * (1.0 + t + gate * (1.0 - t * t) * inner_slope), dh * 0.5 * gate * (1.0 + t)};
}

/// What dropout multiplies column `column` of a token by: 0 or 1 / (1 - probability).
inline double dropout_factor(std::uint64_t seed, std::uint64_t stream, double probability,
                             std::uint64_t token_key, std::size_t column) {
  const auto low = [](std::uint64_t word) { return static_cast<std::uint32_t>(word); };
  const auto high = [](std::uint64_t word) { return static_cast<std::uint32_t>(word >> 32); };
  const auto key = philox4x32({low(stream), high(stream), 0, 0}, {low(seed), high(seed)});
  const auto words = philox4x32({low(column / 4), low(token_key), high(token_key), 0}, {key[0], key[1]});
  const double uniform = static_cast<double>(words.at(column % 4) >> 8) / 16777216.0;
  return uniform >= probability ? 1.0 / (1.0 - probability) : 0.0;
}

}  // namespace cola::ref
