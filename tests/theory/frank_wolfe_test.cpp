#include "theory/frank_wolfe.h"

#include <gtest/gtest.h>

#include <Eigen/SVD>
#include <cmath>

#include "core/error.h"
#include "theory/problems.h"
#include "theory/singular_pair.h"

namespace cola::theory {
namespace {

TEST(SingularPair, AgreesWithAFullDecomposition) {
  // Tall, wide, square, vectors, rank one, and nearly equal values at the top. Lanczos stops at a relative
  // residual of 1e-8 of the squared value, so the value is right to about 1e-8.
  std::vector<Matrix> matrices;
  std::uint64_t number = 0;
  for (const auto& [rows, cols] :
       {std::pair<int, int>{40, 30}, {16, 128}, {12, 12}, {1, 9}, {9, 1}, {2, 5}, {3, 3}})
    matrices.push_back(random_normal(rows, cols, data_stream(1, ++number)));
  matrices.push_back(random_low_rank(20, 15, 1, 3.0, 1, 50));
  matrices.push_back(random_low_rank(20, 15, 4, 3.0, 1, 52));
  matrices.push_back(1e-200 * matrices[0]);
  for (const Matrix& matrix : matrices) {
    const double expected = Eigen::JacobiSVD<Matrix>(matrix).singularValues()(0);
    const SingularPair pair = top_singular_pair(matrix);
    EXPECT_NEAR(pair.value, expected, 1e-7 * expected);
    EXPECT_NEAR(pair.u.norm(), 1.0, 1e-9);
    EXPECT_NEAR(pair.v.norm(), 1.0, 1e-9);
    EXPECT_NEAR(pair.u.dot(matrix * pair.v), expected, 1e-7 * expected);
    if (expected > 1e-100) {  // else its square underflows
      EXPECT_NEAR(spectral_norm(matrix), expected, 1e-12 * expected);
    }
  }
}

TEST(SingularPair, OfZeroAndOfNotFinite) {
  const SingularPair pair = top_singular_pair(Matrix::Zero(3, 2));
  EXPECT_EQ(pair.value, 0.0);
  EXPECT_EQ(pair.u.norm(), 1.0);
  Matrix infinite = Matrix::Zero(3, 2);
  infinite(1, 1) = INFINITY;
  EXPECT_THROW((void)top_singular_pair(infinite), Error);
}

TEST(LinearMinimizer, NothingInTheBallIsLower) {
  const Matrix gradient = random_normal(6, 5, data_stream(1, 1));
  const Matrix v = linear_minimizer(gradient, 2.0);
  EXPECT_NEAR(nuclear_norm(v), 2.0, 1e-9);
  const double lowest = gradient.cwiseProduct(v).sum();
  EXPECT_NEAR(lowest, -2.0 * Eigen::JacobiSVD<Matrix>(gradient).singularValues()(0), 1e-7);
  for (std::uint64_t k = 0; k < 100; ++k) {
    const Matrix other = random_low_rank(6, 5, 1 + static_cast<Eigen::Index>(k % 3), 2.0, 1, 10 + 2 * k);
    EXPECT_GE(gradient.cwiseProduct(other).sum(), lowest - 1e-7);
  }
}

TEST(Gap, IsZeroAtAStationaryPointAndPositiveElsewhere) {
  const MatrixCompletionOptions options{.rows = 8, .cols = 6};
  const auto problem = make_matrix_completion(options, 7);
  const Matrix planted = random_low_rank(8, 6, options.rank, options.radius, 7, 1);
  EXPECT_NEAR(frank_wolfe_gap(planted, problem->gradient(planted), options.radius), 0.0, 1e-14);
  for (std::uint64_t k = 0; k < 50; ++k) {
    const Matrix w = random_low_rank(8, 6, 3, options.radius, 2, 10 + 2 * k);
    EXPECT_GT(frank_wolfe_gap(w, problem->gradient(w), options.radius), 1e-3);
  }
}

TEST(Gap, IsZeroAtAStationaryPointOnTheBoundary) {
  // <C, W> + |W|^2 / 2 with C = -3 u v^T is least on the ball of radius 1 at u v^T, where the gradient is not
  // 0.
  const Matrix w = random_low_rank(5, 4, 1, 1.0, 1, 1);
  EXPECT_NEAR(frank_wolfe_gap(w, -2.0 * w, 1.0), 0.0, 1e-14);
}

TEST(StepSize, IsTheTheoremsAndNeverAboveOne) {
  const ProblemConstants constants{.radius = 2.0, .smoothness = 0.25, .range = 9.0};
  EXPECT_DOUBLE_EQ(step_size("p", constants, 100), 3.0 / (4.0 * 0.5 * 10.0));
  EXPECT_DOUBLE_EQ(bound_without_epsilon(constants, 100), 2.0 * 1.5 * 4.0 / 10.0);
  EXPECT_NO_THROW((void)step_size("p", constants, 3));
  try {
    (void)step_size("p", constants, 2);
    FAIL() << "a step above 1 was accepted";
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("above 1"), std::string::npos) << error.what();
    EXPECT_NE(std::string(error.what()).find("T of at least 3"), std::string::npos) << error.what();
  }
}

TEST(FrankWolfe, StaysInTheBall) {
  for (const auto& problem : {test::small_completion(), test::small_regression(), test::small_layer()}) {
    const double radius = problem->constants().radius;
    for (const std::int64_t iterations : {10, 100}) {
      const FrankWolfeRun run = run_frank_wolfe(*problem, {.iterations = iterations, .batch = 20});
      EXPECT_LE(nuclear_norm(run.w), radius * (1.0 + 1e-9)) << problem->name();
      EXPECT_GT(nuclear_norm(run.w), 0.01 * radius) << problem->name();
    }
  }
}

TEST(FrankWolfe, OneStepByHand) {
  const auto problem = test::small_completion();
  const Matrix zero = Matrix::Zero(8, 6);
  const FrankWolfeRun run = run_frank_wolfe(*problem, {.iterations = 1, .batch = 30, .seed = 9});
  RandomStream stream = batch_stream(9, 30, 1, 1);
  const Matrix v = linear_minimizer(problem->stochastic_gradient(zero, 30, stream), 1.0);
  const Matrix gradient = problem->gradient(zero);
  const double norm = Eigen::JacobiSVD<Matrix>(gradient).singularValues()(0);
  EXPECT_NEAR((run.w - run.step * v).norm(), 0.0, 1e-15);
  EXPECT_NEAR(run.average_gap, norm, 1e-12);  // R = 1, W = 0
  EXPECT_NEAR(run.average_epsilon, gradient.cwiseProduct(v).sum() + norm, 1e-12);
}

TEST(FrankWolfe, IsDeterminedByTheSeed) {
  const auto problem = test::small_regression();
  const auto run = [&](std::uint64_t seed) {
    return run_frank_wolfe(*problem, {.iterations = 30, .batch = 10, .seed = seed}).w;
  };
  EXPECT_EQ(run(1), run(1));
  EXPECT_NE(run(1), run(2));
}

TEST(FrankWolfe, BoundsOfAConvexInfimumHold) {
  const MatrixCompletionOptions options{.rows = 8, .cols = 6};
  const auto problem = make_matrix_completion(options, 7);
  const InfimumBounds bounds = bound_convex_infimum(*problem, options.radius, 1.0, 0.01, 5000);
  EXPECT_LE(bounds.lower, 0.0);  // inf L = 0
  EXPECT_GE(bounds.upper, 0.0);
  EXPECT_LT(bounds.upper - bounds.lower, 0.011 * problem->constants().range);
}

}  // namespace
}  // namespace cola::theory
