#pragma once
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace cola::ref {

/// Slow, obvious version of backend/rotary.h: rotates the first `rotary_dim` numbers of each head of dense x
/// [T, cols] of Number = double or std::complex<double>; cos, sin [P, rotary_dim / 2]. The backward is the
/// rotation with `inverse`.
template <class Number>
std::vector<Number> rotary(std::span<const Number> x, std::size_t head_dim, std::size_t rotary_dim,
                           std::span<const std::int32_t> positions, std::span<const double> cos,
                           std::span<const double> sin, bool inverse) {
  const std::size_t half = rotary_dim / 2;
  const std::size_t cols = positions.empty() ? 0 : x.size() / positions.size();
  std::vector<Number> y(x.begin(), x.end());
  for (std::size_t row = 0; row < positions.size(); ++row) {
    for (std::size_t head = 0; head < cols / head_dim; ++head) {
      for (std::size_t i = 0; i < half; ++i) {
        const std::size_t first = row * cols + head * head_dim + i;
        const std::size_t angle = static_cast<std::size_t>(positions[row]) * half + i;
        const double sine = inverse ? -sin[angle] : sin[angle];
        y[first] = x[first] * cos[angle] - x[first + half] * sine;
        y[first + half] = x[first + half] * cos[angle] + x[first] * sine;
      }
    }
  }
  return y;
}

}  // namespace cola::ref
