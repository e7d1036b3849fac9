#pragma once
#include <memory>

#include "theory/problem.h"

namespace cola::theory {

struct MatrixCompletionOptions {
  Eigen::Index rows = 40, cols = 30;
  Eigen::Index rank = 2;        ///< of the planted matrix
  double radius = 1.0;          ///< R, and the planted matrix's nuclear norm: it lies on K's boundary
  double observed = 0.75;       ///< share of the entries
  double reading_noise = 0.01;  ///< standard deviation
};

/// L(W) = 1/2 sum over observed (i, j) of (W_ij - X_ij)^2, X planted. An example is one reading of an
/// observed entry, X_ij + N(0, reading_noise^2), so that gradients stay noisy at the minimum; L is the mean
/// over readings less its constant.
[[nodiscard]] std::unique_ptr<Problem> make_matrix_completion(const MatrixCompletionOptions& options,
                                                              std::uint64_t seed);

}  // namespace cola::theory
