#include "theory/matrix_completion.h"

#include <algorithm>
#include <cmath>

namespace cola::theory {
namespace {

struct Entry {
  Eigen::Index row, col;
  double value;
};

class MatrixCompletion final : public Problem {
 public:
  MatrixCompletion(const MatrixCompletionOptions& options, std::uint64_t seed) : options_(options) {
    const Matrix planted = random_low_rank(options.rows, options.cols, options.rank, options.radius, seed, 1);
    const Eigen::Index size = planted.size();
    const auto order = random_permutation(size, data_stream(seed, 3));
    const auto count = static_cast<std::size_t>(options.observed * static_cast<double>(size));
    std::vector<std::int64_t> observed(order.begin(), order.begin() + static_cast<std::ptrdiff_t>(count));
    std::ranges::sort(observed);
    for (const std::int64_t place : observed) {
      const Eigen::Index row = place % options.rows;
      const Eigen::Index col = place / options.rows;
      entries_.push_back({row, col, planted(row, col)});
    }
    constants_.radius = options.radius;
    // The gradient is the residual on the observed entries, a projection of W - X: |grad(a) - grad(b)| is the
    // norm of a - b on these entries.
    constants_.smoothness = 1.0;
    // inf L = 0, exactly: L >= 0 and L(X) = 0, X in K.
    constants_.infimum = 0.0;
    constants_.range = loss(Matrix::Zero(rows(), cols()));
  }

  [[nodiscard]] std::string name() const override { return "matrix-completion"; }
  [[nodiscard]] Eigen::Index rows() const override { return options_.rows; }
  [[nodiscard]] Eigen::Index cols() const override { return options_.cols; }
  [[nodiscard]] const ProblemConstants& constants() const override { return constants_; }

  [[nodiscard]] double loss(const Matrix& w) const override {
    double sum = 0.0;
    for (const auto& [row, col, value] : entries_) sum += (w(row, col) - value) * (w(row, col) - value);
    return 0.5 * sum;
  }

  [[nodiscard]] Matrix gradient(const Matrix& w) const override {
    Matrix result = Matrix::Zero(rows(), cols());
    for (const auto& [row, col, value] : entries_) result(row, col) = w(row, col) - value;
    return result;
  }

  [[nodiscard]] Matrix stochastic_gradient(const Matrix& w, std::int64_t batch,
                                           RandomStream& stream) const override {
    const auto examples = static_cast<Eigen::Index>(entries_.size());
    const double weight = static_cast<double>(examples) / static_cast<double>(batch);
    Matrix result = Matrix::Zero(rows(), cols());
    for (const auto& [index, count] : draw_batch(examples, batch, stream)) {
      const auto& [row, col, value] = entries_[static_cast<std::size_t>(index)];
      // The sum of `count` readings' noise is one normal number of `count` times the variance.
      const auto readings = static_cast<double>(count);
      const double noise =
          options_.reading_noise * std::sqrt(readings) * static_cast<double>(stream.next_normal());
      result(row, col) = weight * (readings * (w(row, col) - value) - noise);
    }
    return result;
  }

 private:
  MatrixCompletionOptions options_;
  ProblemConstants constants_;
  std::vector<Entry> entries_;
};

}  // namespace

std::unique_ptr<Problem> make_matrix_completion(const MatrixCompletionOptions& options, std::uint64_t seed) {
  return std::make_unique<MatrixCompletion>(options, seed);
}

}  // namespace cola::theory
