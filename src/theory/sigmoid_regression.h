#pragma once
#include <memory>

#include "theory/problem.h"

namespace cola::theory {

struct SigmoidRegressionOptions {
  Eigen::Index rows = 12, cols = 10;
  Eigen::Index rank = 2;  ///< of the planted matrix
  double radius = 3.0;    ///< R, and the planted matrix's nuclear norm: it lies on K's boundary
  Eigen::Index measurements = 1000;
};

/// L(W) = 1/(2n) sum over i of (p_i - sigmoid(<A_i, W>))^2 with A_i of N(0, 1) entries and p_i =
/// sigmoid(<A_i, X>), X planted: smooth and not convex. An example is a binary answer of mean p_i to A_i, so
/// that gradients stay noisy at the minimum; L is the mean over answers less its constant.
[[nodiscard]] std::unique_ptr<Problem> make_sigmoid_regression(const SigmoidRegressionOptions& options,
                                                               std::uint64_t seed);

}  // namespace cola::theory
