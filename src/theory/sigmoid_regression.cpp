#include "theory/sigmoid_regression.h"

#include <cmath>

#include "theory/singular_pair.h"

namespace cola::theory {
namespace {

double sigmoid(double z) { return 1.0 / (1.0 + std::exp(-z)); }

/// Largest |f''| of f(z) = (p - s)^2 / 2, s = sigmoid(z), over all z and all p in [0, 1].
/// s' = s (1 - s) and s'' = s (1 - s) (1 - 2 s) give f'' = s'^2 + (s - p) s'', linear in p and so largest in
/// absolute value at p = 0 or 1, which mirror each other. At p = 0, f'' = s^2 (1 - s) (2 - 3 s); its
/// derivative in s is s (4 - 15 s + 12 s^2), with zeros (15 -+ sqrt(33)) / 24: f'' there is 0.0770 and
/// -0.0601, and it is 0 at s = 0 and 1.
double largest_curvature() {
  const double s = (15.0 - std::sqrt(33.0)) / 24.0;
  return s * s * (1.0 - s) * (2.0 - 3.0 * s);
}

class SigmoidRegression final : public Problem {
 public:
  SigmoidRegression(const SigmoidRegressionOptions& options, std::uint64_t seed)
      : options_(options),
        a_(random_normal(options.measurements, options.rows * options.cols, data_stream(seed, 11))) {
    const Matrix planted =
        random_low_rank(options.rows, options.cols, options.rank, options.radius, seed, 12);
    p_ = (a_ * planted.reshaped()).unaryExpr(&sigmoid);
    const auto n = static_cast<double>(options.measurements);
    const double norm = spectral_norm(a_);
    constants_.radius = options.radius;
    // Hessian = 1/n sum f''_i vec(A_i) vec(A_i)^T, so its norm is at most max |f''| lambda_max(A^T A) / n.
    constants_.smoothness = largest_curvature() * norm * norm / n;
    // inf L = 0, exactly: L >= 0 and L(X) = 0, X in K.
    constants_.infimum = 0.0;
    constants_.range = loss(Matrix::Zero(rows(), cols()));
  }

  [[nodiscard]] std::string name() const override { return "sigmoid-regression"; }
  [[nodiscard]] Eigen::Index rows() const override { return options_.rows; }
  [[nodiscard]] Eigen::Index cols() const override { return options_.cols; }
  [[nodiscard]] const ProblemConstants& constants() const override { return constants_; }

  [[nodiscard]] double loss(const Matrix& w) const override {
    return 0.5 * (predictions(w) - p_).squaredNorm() / static_cast<double>(options_.measurements);
  }

  [[nodiscard]] Matrix gradient(const Matrix& w) const override {
    const Eigen::ArrayXd s = predictions(w).array();
    const Eigen::VectorXd residual = (s - p_.array()) * s * (1.0 - s);
    return backward(residual) / static_cast<double>(options_.measurements);
  }

  [[nodiscard]] Matrix stochastic_gradient(const Matrix& w, std::int64_t batch,
                                           RandomStream& stream) const override {
    Eigen::VectorXd residual = Eigen::VectorXd::Zero(options_.measurements);
    const Eigen::VectorXd predicted = predictions(w);
    for (const auto& [index, count] : draw_batch(options_.measurements, batch, stream)) {
      std::int64_t yes = 0;
      for (std::int64_t i = 0; i < count; ++i) {
        if (static_cast<double>(stream.next_uniform()) < p_(index)) ++yes;
      }
      const double s = predicted(index);
      residual(index) = (static_cast<double>(count) * s - static_cast<double>(yes)) * s * (1.0 - s);
    }
    return backward(residual) / static_cast<double>(batch);
  }

 private:
  [[nodiscard]] Eigen::VectorXd predictions(const Matrix& w) const {
    return (a_ * w.reshaped()).unaryExpr(&sigmoid);
  }
  [[nodiscard]] Matrix backward(const Eigen::VectorXd& residual) const {
    const Eigen::VectorXd flat = a_.transpose() * residual;
    return flat.reshaped(rows(), cols());
  }

  SigmoidRegressionOptions options_;
  ProblemConstants constants_;
  Matrix a_;           // [n, rows * cols], vec(A_i) in its rows
  Eigen::VectorXd p_;  // [n]
};

}  // namespace

std::unique_ptr<Problem> make_sigmoid_regression(const SigmoidRegressionOptions& options,
                                                 std::uint64_t seed) {
  return std::make_unique<SigmoidRegression>(options, seed);
}

}  // namespace cola::theory
