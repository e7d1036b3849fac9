#pragma once
#include <cstddef>
#include <vector>

// Slow, obvious versions of backend/linear.h on any number type; matrices are dense, row-major vectors.
namespace cola::ref {

/// y [T, N] = x [T, K] w^T + bias; `bias` [N] may be empty.
template <class Number>
std::vector<Number> linear_forward(const std::vector<Number>& x, const std::vector<Number>& w,
                                   const std::vector<Number>& bias, std::size_t rows, std::size_t n,
                                   std::size_t k) {
  std::vector<Number> y(rows * n);
  for (std::size_t t = 0; t < rows; ++t) {
    for (std::size_t i = 0; i < n; ++i) {
      Number sum = bias.empty() ? Number(0) : bias[i];
      for (std::size_t j = 0; j < k; ++j) sum += x[t * k + j] * w[i * k + j];
      y[t * n + i] = sum;
    }
  }
  return y;
}

/// dx [T, K] = dy [T, N] w.
template <class Number>
std::vector<Number> linear_backward_input(const std::vector<Number>& dy, const std::vector<Number>& w,
                                          std::size_t rows, std::size_t n, std::size_t k) {
  std::vector<Number> dx(rows * k);
  for (std::size_t t = 0; t < rows; ++t) {
    for (std::size_t i = 0; i < n; ++i) {
      for (std::size_t j = 0; j < k; ++j) dx[t * k + j] += dy[t * n + i] * w[i * k + j];
    }
  }
  return dx;
}

/// dw [N, K] = dy^T x.
template <class Number>
std::vector<Number> linear_backward_weight(const std::vector<Number>& dy, const std::vector<Number>& x,
                                           std::size_t rows, std::size_t n, std::size_t k) {
  std::vector<Number> dw(n * k);
  for (std::size_t t = 0; t < rows; ++t) {
    for (std::size_t i = 0; i < n; ++i) {
      for (std::size_t j = 0; j < k; ++j) dw[i * k + j] += dy[t * n + i] * x[t * k + j];
    }
  }
  return dw;
}

/// dbias [N] = column sums of dy [T, N].
template <class Number>
std::vector<Number> linear_backward_bias(const std::vector<Number>& dy, std::size_t rows, std::size_t n) {
  std::vector<Number> dbias(n);
  for (std::size_t t = 0; t < rows; ++t) {
    for (std::size_t i = 0; i < n; ++i) dbias[i] += dy[t * n + i];
  }
  return dbias;
}

}  // namespace cola::ref
