#pragma once
#include <cmath>
#include <cstddef>
#include <span>
#include <vector>

// Slow, obvious versions of backend/norm.h on dense matrices [rows, cols] of Number = double or
// std::complex<double>: what tests compare with.
namespace cola::ref {

enum class Norm { layer, rms, rms_unit_offset };  ///< the last multiplies by 1 + weight

template <class Number>
struct NormStatistics {
  std::vector<Number> mean, rstd;  ///< [rows]; mean is zero for RMS norm
};

template <class Number>
NormStatistics<Number> norm_statistics(Norm norm, std::span<const Number> x, std::size_t cols, double eps) {
  using std::sqrt;
  NormStatistics<Number> result;
  for (std::size_t begin = 0; begin < x.size(); begin += cols) {
    const auto row = x.subspan(begin, cols);
    Number mean{};
    if (norm == Norm::layer) {
      for (const Number& value : row) mean += value / static_cast<double>(cols);
    }
    Number variance{};
    for (const Number& value : row) variance += (value - mean) * (value - mean) / static_cast<double>(cols);
    result.mean.push_back(mean);
    result.rstd.push_back(1.0 / sqrt(variance + eps));
  }
  return result;
}

/// What a norm multiplies the normalised x by.
template <class Number>
Number norm_factor(Norm norm, Number weight) {
  return norm == Norm::rms_unit_offset ? 1.0 + weight : weight;
}

/// `bias` is empty for RMS norm.
template <class Number>
std::vector<Number> norm_forward(Norm norm, std::span<const Number> x, std::span<const Number> weight,
                                 std::span<const Number> bias, double eps) {
  const std::size_t cols = weight.size();
  const auto statistics = norm_statistics(norm, x, cols, eps);
  std::vector<Number> y(x.size());
  for (std::size_t i = 0; i < x.size(); ++i) {
    y[i] =
        (x[i] - statistics.mean[i / cols]) * statistics.rstd[i / cols] * norm_factor(norm, weight[i % cols]);
    if (!bias.empty()) y[i] += bias[i % cols];
  }
  return y;
}

template <class Number>
struct NormGradients {
  std::vector<Number> dx, dweight, dbias;
};

template <class Number>
NormGradients<Number> norm_backward(Norm norm, std::span<const Number> dy, std::span<const Number> x,
                                    std::span<const Number> weight, double eps) {
  const std::size_t cols = weight.size();
  const auto statistics = norm_statistics(norm, x, cols, eps);
  NormGradients<Number> result{std::vector<Number>(x.size()), std::vector<Number>(cols),
                               std::vector<Number>(cols)};
  for (std::size_t row = 0; row < x.size() / cols; ++row) {
    const Number rstd = statistics.rstd[row];
    const auto normalised = [&](std::size_t col) {
      return (x[row * cols + col] - statistics.mean[row]) * rstd;
    };
    Number mean_gradient{};    // of g = dy weight: what the mean passes on
    Number mean_projection{};  // of g times the normalised row: what the variance passes on
    for (std::size_t col = 0; col < cols; ++col) {
      const Number gradient = dy[row * cols + col] * norm_factor(norm, weight[col]);
      if (norm == Norm::layer) mean_gradient += gradient / static_cast<double>(cols);
      mean_projection += gradient * normalised(col) / static_cast<double>(cols);
      result.dweight[col] += dy[row * cols + col] * normalised(col);
      result.dbias[col] += dy[row * cols + col];
    }
    for (std::size_t col = 0; col < cols; ++col) {
      const Number gradient = dy[row * cols + col] * norm_factor(norm, weight[col]);
      result.dx[row * cols + col] = rstd * (gradient - mean_gradient - normalised(col) * mean_projection);
    }
  }
  return result;
}

}  // namespace cola::ref
