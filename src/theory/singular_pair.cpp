#include "theory/singular_pair.h"

#include <Spectra/contrib/PartialSVDSolver.h>
#include <Eigen/Eigenvalues>
#include <Eigen/SVD>

#include <algorithm>
#include <cmath>

#include "core/error.h"

namespace cola::theory {
namespace {

constexpr Eigen::Index lanczos_vectors = 12;
constexpr Eigen::Index lanczos_restarts = 1000;
constexpr double lanczos_tolerance = 1e-8;

Eigen::VectorXd gram_eigenvalues(const Matrix& matrix) {
  const Matrix gram = matrix.rows() < matrix.cols() ? Matrix(matrix * matrix.transpose())
                                                    : Matrix(matrix.transpose() * matrix);
  return Eigen::SelfAdjointEigenSolver<Matrix>(gram, Eigen::EigenvaluesOnly).eigenvalues();
}

}  // namespace

SingularPair top_singular_pair(const Matrix& matrix) {
  if (!matrix.allFinite()) throw Error("the gradient is not finite: its top singular pair does not exist");
  const double scale = matrix.cwiseAbs().maxCoeff();
  if (scale == 0.0) {
    return {Eigen::VectorXd::Unit(matrix.rows(), 0), Eigen::VectorXd::Unit(matrix.cols(), 0), 0.0};
  }
  const Matrix scaled = matrix / scale;  // Spectra works on its square, which could underflow
  const Eigen::Index smaller = std::min(matrix.rows(), matrix.cols());
  if (smaller == 1) {  // too small for Lanczos
    const double norm = scaled.norm();
    const Eigen::VectorXd vector = scaled.reshaped() / norm;
    const Eigen::VectorXd one = Eigen::VectorXd::Ones(1);
    return matrix.cols() == 1 ? SingularPair{vector, one, scale * norm}
                              : SingularPair{one, vector, scale * norm};
  }
  Spectra::PartialSVDSolver<Matrix> solver(scaled, 1, std::min(smaller, lanczos_vectors));
  if (solver.compute(lanczos_restarts, lanczos_tolerance) < 1) {
    throw Error("the Lanczos iterations for the top singular pair did not converge");
  }
  return {solver.matrix_U(1).col(0), solver.matrix_V(1).col(0), scale * solver.singular_values()(0)};
}

double spectral_norm(const Matrix& matrix) {
  return std::sqrt(std::max(0.0, gram_eigenvalues(matrix).maxCoeff()));
}

double nuclear_norm(const Matrix& matrix) { return Eigen::BDCSVD<Matrix>(matrix).singularValues().sum(); }

}  // namespace cola::theory
