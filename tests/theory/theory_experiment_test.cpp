#include "theory/theory_experiment.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "theory/frank_wolfe.h"
#include "theory/problems.h"
#include "theory/theory_plot.h"

namespace cola::theory {
namespace {

TEST(LogLogSlope, OfAPower) {
  const std::vector<std::int64_t> x{10, 100, 300, 1000};
  std::vector<double> y;
  for (const auto value : x) y.push_back(5.0 * std::pow(static_cast<double>(value), -0.7));
  y[0] = 1e9;  // below `from`: left out
  EXPECT_NEAR(log_log_slope(x, y, 100).value(), -0.7, 1e-12);
  EXPECT_FALSE(log_log_slope(x, y, 1000).has_value());
}

/// The experiment as `cola theory` runs it, on small problems and small T.
class Theorem : public testing::Test {
 protected:
  static TheoryResult run(const Problem& problem, std::int64_t batch) {
    return run_theory(problem, {.iterations = {10, 30, 100, 300, 1000}, .batch_per_iteration = batch});
  }
  static void expect_theorem(const TheoryResult& result) {
    for (const TheoryRow& row : result.runs) {
      EXPECT_GE(row.average_gap, 0.0);
      EXPECT_GE(row.epsilon, 0.0);
      EXPECT_LE(row.average_gap, row.bound()) << result.problem << ", T = " << row.iterations;
    }
    EXPECT_LE(result.slope.value(), -0.45) << result.problem;
    // Ten times T, ten times the batch: epsilon falls at least as 1 / sqrt(T), a quarter of slack for chance.
    EXPECT_LT(result.runs[4].epsilon, 1.25 * result.runs[2].epsilon / std::sqrt(10.0)) << result.problem;
  }
  /// With the batch of T = 10 in every run, the bound without epsilon is broken at the largest T.
  static void expect_broken(const TheoryResult& result) {
    const TheoryRow& last = result.runs.back();
    EXPECT_GT(last.fixed_batch_gap, last.bound_without_epsilon) << result.problem;
    EXPECT_LE(last.fixed_batch_gap, last.bound_without_epsilon + last.fixed_batch_epsilon) << result.problem;
    EXPECT_GT(last.fixed_batch_epsilon, 3.0 * last.epsilon) << result.problem;
  }
};

TEST_F(Theorem, HoldsForMatrixCompletion) {
  const TheoryResult result = run(*test::small_completion(), 2);
  expect_theorem(result);
  expect_broken(result);
}

TEST_F(Theorem, HoldsForSigmoidRegression) {
  const TheoryResult result = run(*test::small_regression(), 1);
  expect_theorem(result);
  expect_broken(result);
}

TEST_F(Theorem, HoldsForALinearLayer) { expect_theorem(run(*test::small_layer(), 1)); }

TEST(Experiment, CountsItsSteps) {
  const auto problem = test::small_completion();
  const TheoryOptions options{.iterations = {10, 30}};
  std::int64_t steps = 0;
  const TheoryResult result = run_theory(*problem, options, [&] { ++steps; });
  EXPECT_LE(steps, theory_steps(options));  // runs that diverge end early
  EXPECT_GT(steps, theory_steps(options) / 2);
  EXPECT_FALSE(result.slope.has_value());
  EXPECT_EQ(result.runs[1].batch, 30);
  EXPECT_EQ(result.fixed_batch, 10);
}

TEST(PracticalCola, AChainFitsWhatOneLinkCannot) {
  // The planted matrix has rank 2, a link rank 1.
  const auto problem = test::small_completion();
  PracticalColaOptions options{.batch = 2000};
  const std::vector<double> rates{0.1, 0.3, 1.0, 3.0};
  const PracticalColaRun chain = best_practical_cola(*problem, options, rates);
  options.links = 1;
  const PracticalColaRun single = best_practical_cola(*problem, options, rates);
  ASSERT_EQ(chain.losses.size(), 10U);
  // Each of the two equal singular values holds about half of M.
  EXPECT_LT(chain.losses.back(), 0.1 * problem->constants().range);
  EXPECT_GT(single.losses.back(), 0.25 * problem->constants().range);
}

TEST(PracticalCola, ATooLargeRateEndsAsInfinite) {
  const auto problem = test::small_completion();
  const PracticalColaRun run = run_practical_cola(*problem, {.batch = 10}, 1e6);
  ASSERT_EQ(run.losses.size(), 10U);
  EXPECT_TRUE(std::isinf(run.losses.back()));
  const std::vector<double> rates{1e6, 0.1};
  EXPECT_EQ(best_practical_cola(*problem, {.batch = 10}, rates).learning_rate, 0.1);
}

TEST(TheoryPlot, NamesProblemsAndHoldsTheirNumbers) {
  const auto problem = test::small_completion();
  const std::vector<TheoryResult> results{run_theory(*problem, {.iterations = {10, 30}})};
  const std::string script = theory_plot_script(results);
  EXPECT_TRUE(script.starts_with("set terminal svg"));
  EXPECT_NE(script.find("matrix-completion"), std::string::npos);
  EXPECT_EQ(std::ranges::count(script, '\n') > 20, true);
}

}  // namespace
}  // namespace cola::theory
