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

constexpr double largest_residual = 1e-6;

/// The smaller of matrix^T matrix and matrix matrix^T.
Matrix gram(const Matrix& matrix) {
  if (matrix.rows() < matrix.cols()) return matrix * matrix.transpose();
  return matrix.transpose() * matrix;
}

/// From an eigenvector of the smaller Gram matrix. The matrix is not zero.
SingularPair pair_of(const Matrix& matrix, const Eigen::VectorXd& vector) {
  SingularPair pair;
  if (matrix.rows() < matrix.cols()) {
    pair.u = vector.normalized();
    pair.v = matrix.transpose() * pair.u;
    pair.value = pair.v.norm();
    pair.v /= pair.value;
  } else {
    pair.v = vector.normalized();
    pair.u = matrix * pair.v;
    pair.value = pair.u.norm();
    pair.u /= pair.value;
  }
  return pair;
}

/// False where the iterations do not converge, or to no eigenvector: Spectra's Lanczos basis breaks down
/// where the matrix has a lower rank, or fewer different singular values, than the basis has vectors.
bool lanczos(const Matrix& matrix, SingularPair& pair) {
  const Eigen::Index smaller = std::min(matrix.rows(), matrix.cols());
  if (smaller < 2) return false;
  Spectra::PartialSVDSolver<Matrix> solver(matrix, 1, std::min(smaller, lanczos_vectors));
  if (solver.compute(lanczos_restarts, lanczos_tolerance) < 1) return false;
  const bool wide = matrix.rows() < matrix.cols();
  const Eigen::VectorXd vector = matrix.rows() <= matrix.cols() ? solver.matrix_U(1) : solver.matrix_V(1);
  if (!vector.allFinite() || std::abs(vector.norm() - 1.0) > largest_residual) return false;
  pair =
      pair_of(matrix, matrix.rows() == matrix.cols() ? Eigen::VectorXd(matrix.transpose() * vector) : vector);
  const double residual = wide ? (matrix * pair.v - pair.value * pair.u).norm()
                               : (matrix.transpose() * pair.u - pair.value * pair.v).norm();
  return std::isfinite(residual) && residual <= largest_residual * pair.value;
}

SingularPair dense(const Matrix& matrix) {
  const Eigen::SelfAdjointEigenSolver<Matrix> solver(gram(matrix));
  return pair_of(matrix, solver.eigenvectors().rightCols(1));
}

}  // namespace

SingularPair top_singular_pair(const Matrix& matrix) {
  if (!matrix.allFinite()) throw Error("the gradient is not finite: its top singular pair does not exist");
  const double scale = matrix.cwiseAbs().maxCoeff();
  if (scale == 0.0) {
    return {Eigen::VectorXd::Unit(matrix.rows(), 0), Eigen::VectorXd::Unit(matrix.cols(), 0), 0.0};
  }
  const Matrix scaled = matrix / scale;  // Spectra works on its square, which could underflow
  SingularPair pair;
  if (!lanczos(scaled, pair)) pair = dense(scaled);
  pair.value *= scale;
  return pair;
}

double spectral_norm(const Matrix& matrix) {
  const Eigen::VectorXd values =
      Eigen::SelfAdjointEigenSolver<Matrix>(gram(matrix), Eigen::EigenvaluesOnly).eigenvalues();
  return std::sqrt(std::max(0.0, values.maxCoeff()));
}

double nuclear_norm(const Matrix& matrix) { return Eigen::JacobiSVD<Matrix>(matrix).singularValues().sum(); }

}  // namespace cola::theory
