#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "core/error.h"
#include "theory/frank_wolfe.h"
#include "theory/problems.h"
#include "theory/singular_pair.h"

namespace cola::theory {
namespace {

struct NamedProblem {
  const char* name;
  std::unique_ptr<Problem> (*make)();
};

void PrintTo(const NamedProblem& problem, std::ostream* stream) { *stream << problem.name; }

class EveryProblem : public testing::TestWithParam<NamedProblem> {
 protected:
  std::unique_ptr<Problem> problem_ = GetParam().make();

  [[nodiscard]] Matrix point(std::uint64_t number, double scale) const {
    return scale * random_normal(problem_->rows(), problem_->cols(), data_stream(3, number));
  }
};

TEST_P(EveryProblem, GradientIsTheLosssDerivative) {
  const Matrix w = point(1, 0.3);
  const Matrix gradient = problem_->gradient(w);
  // Central differences err by step^2 times a third derivative (below 10 here) and by rounding, 1e-16 / step.
  constexpr double step = 1e-5;
  for (Eigen::Index j = 0; j < w.cols(); ++j) {
    for (Eigen::Index i = 0; i < w.rows(); ++i) {
      Matrix above = w, below = w;
      above(i, j) += step;
      below(i, j) -= step;
      EXPECT_NEAR(gradient(i, j), (problem_->loss(above) - problem_->loss(below)) / (2.0 * step), 1e-8);
    }
  }
}

TEST_P(EveryProblem, BetaBoundsTheGradientsChange) {
  const double beta = problem_->constants().smoothness;
  double largest = 0.0;
  for (std::uint64_t k = 0; k < 200; ++k) {
    const double scale = std::pow(10.0, -3.0 + 0.02 * static_cast<double>(k));
    const Matrix a = point(10 + 2 * k, k % 2 == 0 ? 0.0 : 1.0);
    const Matrix b = a + point(11 + 2 * k, scale);
    const double ratio = (problem_->gradient(a) - problem_->gradient(b)).norm() / (a - b).norm();
    EXPECT_LE(ratio, beta * (1.0 + 1e-9)) << "scale " << scale;
    largest = std::max(largest, ratio);
  }
  EXPECT_GT(largest, 0.05 * beta);  // beta is of the right size, not merely large
}

TEST_P(EveryProblem, StochasticGradientIsUnbiased) {
  const Matrix w = point(2, 0.3);
  const Matrix full = problem_->gradient(w);
  constexpr int batches = 4000;
  Matrix sum = Matrix::Zero(w.rows(), w.cols());
  double squares = 0.0;
  for (int i = 1; i <= batches; ++i) {
    RandomStream stream = batch_stream(5, 8, batches, i);
    const Matrix estimate = problem_->stochastic_gradient(w, 8, stream);
    sum += estimate;
    squares += (estimate - full).squaredNorm();
  }
  // The mean's squared error has the expectation squares / batches^2; nine times that is three deviations.
  EXPECT_LT((sum / batches - full).squaredNorm(), 9.0 * squares / (double{batches} * batches));
  EXPECT_GT(squares, 0.0);
}

TEST_P(EveryProblem, BatchVarianceFallsWithItsSize) {
  const Matrix w = point(2, 0.3);
  const Matrix full = problem_->gradient(w);
  const auto variance = [&](std::int64_t batch) {
    double squares = 0.0;
    for (int i = 1; i <= 400; ++i) {
      RandomStream stream = batch_stream(5, batch, 400, i);
      squares += (problem_->stochastic_gradient(w, batch, stream) - full).squaredNorm();
    }
    return squares;
  };
  EXPECT_NEAR(variance(10) / variance(1000), 100.0, 30.0);  // 400 samples a side: about 10 % each
}

TEST_P(EveryProblem, RangeIsWhatItSays) {
  const ProblemConstants& constants = problem_->constants();
  EXPECT_NEAR(constants.range,
              problem_->loss(Matrix::Zero(problem_->rows(), problem_->cols())) - constants.infimum, 1e-12);
  for (std::uint64_t k = 0; k < 50; ++k) {  // nothing in K is below the infimum
    Matrix w = point(500 + k, 1.0);
    w *= constants.radius / nuclear_norm(w);
    EXPECT_GE(problem_->loss(w), constants.infimum);
  }
}

INSTANTIATE_TEST_SUITE_P(Theory, EveryProblem,
                         testing::Values(NamedProblem{"matrix-completion", &test::small_completion},
                                         NamedProblem{"sigmoid-regression", &test::small_regression},
                                         NamedProblem{"linear-layer", &test::small_layer}));

TEST(PlantedProblems, InfimumIsReachedInTheBall) {
  // Both losses are zero at the planted matrix, which is drawn with these numbers.
  const MatrixCompletionOptions completion{.rows = 8, .cols = 6};
  const Matrix x = random_low_rank(8, 6, completion.rank, completion.radius, 7, 1);
  EXPECT_NEAR(nuclear_norm(x), completion.radius, 1e-12);
  EXPECT_NEAR(make_matrix_completion(completion, 7)->loss(x), 0.0, 1e-25);
  const SigmoidRegressionOptions regression{.rows = 5, .cols = 4, .measurements = 50};
  const Matrix y = random_low_rank(5, 4, regression.rank, regression.radius, 7, 12);
  EXPECT_NEAR(nuclear_norm(y), regression.radius, 1e-12);
  EXPECT_NEAR(make_sigmoid_regression(regression, 7)->loss(y), 0.0, 1e-25);
}

TEST(SigmoidRegression, IsNotConvex) {
  const auto problem = test::small_regression();
  const Matrix direction = random_normal(5, 4, data_stream(3, 1));
  double least = 0.0;
  for (double at = 0.0; at < 10.0; at += 0.1) {
    const double curvature = problem->loss((at + 0.1) * direction) - 2.0 * problem->loss(at * direction) +
                             problem->loss((at - 0.1) * direction);
    least = std::min(least, curvature);
  }
  EXPECT_LT(least, -1e-6);  // far above rounding, 1e-16
}

TEST(LinearLayer, InfimumIsBoundedClosely) {
  const auto problem = test::small_layer();
  const ProblemConstants& constants = problem->constants();
  EXPECT_GT(constants.infimum_error, 0.0);
  EXPECT_LT(constants.infimum_error, 0.02 * constants.range);
}

TEST(LinearLayer, RefusesWhatDoesNotFit) {
  LabelledInputs inputs = test::small_inputs();
  inputs.labels.pop_back();
  EXPECT_THROW((void)make_linear_layer(inputs, 1.0), Error);
  inputs = test::small_inputs();
  inputs.labels[3] = 4;
  EXPECT_THROW((void)make_linear_layer(inputs, 1.0), Error);
  inputs = test::small_inputs();
  inputs.x(0, 0) = std::numeric_limits<double>::quiet_NaN();
  EXPECT_THROW((void)make_linear_layer(inputs, 1.0), Error);
}

TEST(DrawBatch, CountsAddUp) {
  RandomStream stream = batch_stream(1, 1000, 1, 1);
  std::int64_t sum = 0;
  Eigen::Index last = -1;
  for (const auto& [index, count] : draw_batch(7, 1000, stream)) {
    EXPECT_GT(index, last);
    EXPECT_LT(index, 7);
    EXPECT_NEAR(static_cast<double>(count), 1000.0 / 7.0, 60.0);  // five standard deviations of 11
    last = index;
    sum += count;
  }
  EXPECT_EQ(sum, 1000);
}

}  // namespace
}  // namespace cola::theory
