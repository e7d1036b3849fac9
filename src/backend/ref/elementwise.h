#pragma once
#include <array>
#include <cmath>
#include <complex>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

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
Number silu_gate(Number gate, Number up) {
  using std::exp;
  return gate / (1.0 + exp(-gate)) * up;
}

template <class Number>
struct SiluGateGradient {
  Number dgate, dup;
};
template <class Number>
SiluGateGradient<Number> silu_gate_backward(Number dh, Number gate, Number up) {
  using std::exp;
  const Number sigmoid = 1.0 / (1.0 + exp(-gate));
  return {dh * up * sigmoid * (1.0 + gate * (1.0 - sigmoid)), dh * gate * sigmoid};
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
