#include "theory/linear_layer.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "core/error.h"
#include "theory/frank_wolfe.h"
#include "theory/singular_pair.h"

namespace cola::theory {
namespace {

// How closely inf L is bounded, as a share of M, and the iterations that may be spent on it.
constexpr double infimum_tolerance = 0.01;
constexpr std::int64_t infimum_iterations = 5000;

void check(const LabelledInputs& inputs) {
  const auto n = static_cast<Eigen::Index>(inputs.labels.size());
  if (n == 0 || inputs.x.cols() == 0 || inputs.x.rows() != n || inputs.classes < 2) {
    throw Error(fmt::format("linear-layer: inputs [{}, {}] with {} labels of {} classes do not fit",
                            inputs.x.rows(), inputs.x.cols(), n, inputs.classes));
  }
  if (!inputs.x.allFinite()) throw Error("linear-layer: the recorded inputs are not finite");
  for (const Eigen::Index label : inputs.labels) {
    if (label < 0 || label >= inputs.classes)
      throw Error(fmt::format("linear-layer: label {} is outside [0, {})", label, inputs.classes));
  }
}

/// Rows of z [n, C] become softmax(z) - onehot(label); returns the sum of the cross-entropies.
double softmax_residual(Matrix& z, const std::vector<Eigen::Index>& labels) {
  z.colwise() -= z.rowwise().maxCoeff().eval();
  double at_labels = 0.0;
  for (Eigen::Index i = 0; i < z.rows(); ++i) at_labels += z(i, labels[static_cast<std::size_t>(i)]);
  z = z.array().exp();
  const Eigen::ArrayXd sums = z.rowwise().sum();
  z.array().colwise() /= sums;
  for (Eigen::Index i = 0; i < z.rows(); ++i) z(i, labels[static_cast<std::size_t>(i)]) -= 1.0;
  return sums.log().sum() - at_labels;
}

class LinearLayer final : public Problem {
 public:
  LinearLayer(LabelledInputs inputs, double radius) : inputs_(std::move(inputs)) {
    check(inputs_);
    const double norm = spectral_norm(inputs_.x);
    constants_.radius = radius;
    // Along dW the second derivative is the mean of (dW x_i)^T (diag(p) - p p^T) (dW x_i). A softmax's
    // covariance diag(p) - p p^T has no eigenvalue above 1/2, and the mean of |dW x_i|^2 is at most
    // lambda_max(X^T X) / n |dW|^2: beta = lambda_max(X^T X) / (2 n).
    constants_.smoothness = norm * norm / (2.0 * n());
    // No formula gives inf L. L is convex, so L(W) - gap(W) bounds it on K from below at every W of K: M is
    // an upper bound, too large by at most infimum_error.
    const InfimumBounds bounds =
        bound_convex_infimum(*this, radius, constants_.smoothness, infimum_tolerance, infimum_iterations);
    constants_.infimum = bounds.lower;
    constants_.infimum_error = bounds.upper - bounds.lower;
    constants_.range = std::log(static_cast<double>(inputs_.classes)) - bounds.lower;  // L(0) = log C
  }

  [[nodiscard]] std::string name() const override { return "linear-layer"; }
  [[nodiscard]] Eigen::Index rows() const override { return inputs_.classes; }
  [[nodiscard]] Eigen::Index cols() const override { return inputs_.x.cols(); }
  [[nodiscard]] const ProblemConstants& constants() const override { return constants_; }

  [[nodiscard]] double loss(const Matrix& w) const override {
    Matrix z = inputs_.x * w.transpose();
    return softmax_residual(z, inputs_.labels) / n();
  }

  [[nodiscard]] Matrix gradient(const Matrix& w) const override {
    Matrix z = inputs_.x * w.transpose();
    (void)softmax_residual(z, inputs_.labels);
    return z.transpose() * inputs_.x / n();
  }

  [[nodiscard]] Matrix stochastic_gradient(const Matrix& w, std::int64_t batch,
                                           RandomStream& stream) const override {
    const auto drawn = draw_batch(inputs_.x.rows(), batch, stream);
    const auto size = static_cast<Eigen::Index>(drawn.size());
    Matrix x(size, cols());
    Eigen::VectorXd counts(size);
    std::vector<Eigen::Index> labels(drawn.size());
    for (Eigen::Index i = 0; i < size; ++i) {
      const auto& [index, count] = drawn[static_cast<std::size_t>(i)];
      x.row(i) = inputs_.x.row(index);
      counts(i) = static_cast<double>(count);
      labels[static_cast<std::size_t>(i)] = inputs_.labels[static_cast<std::size_t>(index)];
    }
    Matrix z = x * w.transpose();
    (void)softmax_residual(z, labels);
    z.array().colwise() *= counts.array();
    return z.transpose() * x / static_cast<double>(batch);
  }

 private:
  [[nodiscard]] double n() const { return static_cast<double>(inputs_.x.rows()); }

  LabelledInputs inputs_;
  ProblemConstants constants_;
};

}  // namespace

std::unique_ptr<Problem> make_linear_layer(LabelledInputs inputs, double radius) {
  return std::make_unique<LinearLayer>(std::move(inputs), radius);
}

}  // namespace cola::theory
