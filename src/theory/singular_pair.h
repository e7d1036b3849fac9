#pragma once
#include <Eigen/Core>

#include "theory/problem.h"

namespace cola::theory {

/// The largest singular value with its vectors: matrix v = value u.
struct SingularPair {
  Eigen::VectorXd u, v;
  double value = 0.0;
};

/// Found by Lanczos iterations (Spectra) to a relative tolerance of 1e-8; deterministic. For a zero matrix
/// any pair serves: the first unit vectors. Throws Error for a matrix that is not finite.
[[nodiscard]] SingularPair top_singular_pair(const Matrix& matrix);

/// Largest singular value by a dense eigenvalue decomposition: no iterative solver's error in it.
[[nodiscard]] double spectral_norm(const Matrix& matrix);

/// Sum of the singular values.
[[nodiscard]] double nuclear_norm(const Matrix& matrix);

}  // namespace cola::theory
