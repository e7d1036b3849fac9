#pragma once
#include <Eigen/Core>
#include <cstdint>
#include <string>
#include <vector>

#include "core/random.h"

namespace cola::theory {

using Matrix = Eigen::MatrixXd;

/// What Theorem 4.1 asks to be known of a problem.
struct ProblemConstants {
  double radius = 0.0;         ///< R of K = {W : |W|_* <= R}
  double smoothness = 0.0;     ///< beta, in the Frobenius norm
  double range = 0.0;          ///< M = L(0) - infimum
  double infimum = 0.0;        ///< inf L, or a lower bound of it
  double infimum_error = 0.0;  ///< inf L lies in [infimum, infimum + infimum_error]; 0: known exactly

  /// D of K in the Frobenius norm: R u v^T and its negative are 2R apart.
  [[nodiscard]] double diameter() const { return 2.0 * radius; }
};

/// A smooth loss L of one matrix W [rows, cols], with stochastic gradients.
class Problem {
 public:
  virtual ~Problem() = default;
  [[nodiscard]] virtual std::string name() const = 0;
  [[nodiscard]] virtual Eigen::Index rows() const = 0;
  [[nodiscard]] virtual Eigen::Index cols() const = 0;
  [[nodiscard]] virtual const ProblemConstants& constants() const = 0;

  [[nodiscard]] virtual double loss(const Matrix& w) const = 0;
  [[nodiscard]] virtual Matrix gradient(const Matrix& w) const = 0;
  /// Unbiased estimate of gradient(w) from `batch` >= 1 examples, drawn from `stream` with replacement.
  [[nodiscard]] virtual Matrix stochastic_gradient(const Matrix& w, std::int64_t batch,
                                                   RandomStream& stream) const = 0;
};

/// An example that a batch holds, and how often.
struct DrawnExample {
  Eigen::Index index = 0;
  std::int64_t count = 0;
};

/// A batch of `batch` uniform draws with replacement from `examples`, in the order of their indices.
[[nodiscard]] std::vector<DrawnExample> draw_batch(Eigen::Index examples, std::int64_t batch,
                                                   RandomStream& stream);

/// Random streams of the experiment: data of a problem, and batches.
[[nodiscard]] RandomStream data_stream(std::uint64_t seed, std::uint64_t number);
[[nodiscard]] RandomStream batch_stream(std::uint64_t seed, std::int64_t batch, std::int64_t iterations,
                                        std::int64_t step);

/// N(0, 1) entries.
[[nodiscard]] Matrix random_normal(Eigen::Index rows, Eigen::Index cols, RandomStream stream);

/// A matrix of the given rank whose singular values all are radius / rank, so that |W|_* = radius.
[[nodiscard]] Matrix random_low_rank(Eigen::Index rows, Eigen::Index cols, Eigen::Index rank, double radius,
                                     std::uint64_t seed, std::uint64_t number);

}  // namespace cola::theory
