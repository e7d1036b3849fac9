#include "statistics/paired_tests.h"

#include <gtest/gtest.h>

#include "core/error.h"
#include "statistics/distributions.h"

namespace cola {
namespace {

// scipy 1.17.1.
TEST(Distributions, AgreeWithScipy) {
  EXPECT_NEAR(student_t_cdf(-2.5, 1.0), 0.12111894159084341, 1e-14);
  EXPECT_NEAR(student_t_cdf(0.3, 2.5), 0.6063288142524014, 1e-14);
  EXPECT_NEAR(student_t_cdf(4.1, 55.0), 0.9999313271882836, 1e-14);
  EXPECT_NEAR(student_t_cdf(-37.0, 4.0), 1.5929509927326851e-06, 1e-18);
  EXPECT_NEAR(student_t_cdf(1e-3, 1000.0), 0.5003988424907736, 1e-11);  // betainc near 1
  EXPECT_NEAR(student_t_quantile(0.025, 1.0), -12.706204736174705, 1e-11);
  EXPECT_NEAR(student_t_quantile(0.975, 55.0), 2.0040447832891455, 1e-12);
  EXPECT_NEAR(student_t_quantile(0.8, 19.0), 0.8609505502689286, 1e-12);
  EXPECT_NEAR(student_t_quantile(1e-6, 3.0), -103.29946778041935, 1e-9);
  EXPECT_NEAR(normal_quantile(0.025), -1.9599639845400545, 1e-14);
  EXPECT_NEAR(normal_quantile(1e-9), -5.9978070150076865, 1e-13);
  EXPECT_NEAR(normal_cdf(normal_quantile(0.2)), 0.2, 1e-15);
}

// Binomial sums, exact: 2 * sum_{k <= min(b, c)} C(n, k) / 2^n. lgamma leaves some 1e-13.
TEST(PairedTests, McNemar) {
  EXPECT_NEAR(mcnemar_p_values(0, 0).p, 1.0, 1e-12);
  EXPECT_NEAR(mcnemar_p_values(3, 3).p, 1.0, 1e-12);
  EXPECT_NEAR(mcnemar_p_values(0, 5).p, 2.0 / 32.0, 1e-12);
  EXPECT_NEAR(mcnemar_p_values(5, 0).p, 2.0 / 32.0, 1e-12);
  EXPECT_NEAR(mcnemar_p_values(1, 7).p, 2.0 * (1 + 8) / 256.0, 1e-12);
  EXPECT_NEAR(mcnemar_p_values(2, 8).p, 2.0 * (1 + 10 + 45) / 1024.0, 1e-12);
  const double large = mcnemar_p_values(400, 600).p;
  EXPECT_GT(large, 0.0);
  EXPECT_LT(large, 1e-9);  // 6.3 standard deviations
}

// scipy 1.17.1: binomtest(k, n).pvalue - binom.pmf(k, n, 1/2); half the latter where both are the same.
TEST(PairedTests, McNemarsMidP) {
  EXPECT_NEAR(mcnemar_p_values(0, 0).mid_p, 0.5, 1e-12);
  EXPECT_NEAR(mcnemar_p_values(3, 3).mid_p, 0.84375, 1e-12);
  EXPECT_NEAR(mcnemar_p_values(0, 5).mid_p, 0.03125, 1e-12);
  EXPECT_NEAR(mcnemar_p_values(5, 0).mid_p, 0.03125, 1e-12);
  EXPECT_NEAR(mcnemar_p_values(2, 8).mid_p, 0.0654296875, 1e-12);
  EXPECT_NEAR(mcnemar_p_values(60, 40).mid_p, 0.04604406692934291, 1e-12);
}

/// The definition: all 2^n flips, one after another.
PValues flipped_slowly(const std::vector<double>& differences) {
  double observed = 0.0;
  for (const double difference : differences) observed += difference;
  double extreme = 0.0, as_extreme = 0.0;
  const unsigned flips = 1U << differences.size();
  for (unsigned signs = 0; signs < flips; ++signs) {
    double sum = 0.0;
    for (std::size_t i = 0; i < differences.size(); ++i)
      sum += ((signs >> i) & 1U) != 0 ? differences[i] : -differences[i];
    const double beyond = std::abs(sum) - std::abs(observed);
    extreme += beyond > 1e-9 ? 1.0 : 0.0;
    as_extreme += std::abs(beyond) <= 1e-9 ? 1.0 : 0.0;
  }
  return {.p = (extreme + as_extreme) / flips, .mid_p = (extreme + 0.5 * as_extreme) / flips};
}

TEST(PairedTests, SignFlipsOfFewQuestionsAreExact) {
  const std::vector<double> counts{3, -1, 2, 5, -2, 1, 1, 0, 4};
  EXPECT_DOUBLE_EQ(sign_flip_p_values(counts, 1).p, 0.1328125);  // scipy's permutation_test
  EXPECT_DOUBLE_EQ(sign_flip_p_values(counts, 1).p, flipped_slowly(counts).p);
  const std::vector<double> shares{.31, -.2, .05, .77, -.4, .12};
  EXPECT_DOUBLE_EQ(sign_flip_p_values(shares, 1).p, 0.59375);  // scipy's
  EXPECT_DOUBLE_EQ(sign_flip_p_values(std::vector<double>{1, 1, 1}, 1).p, 0.25);
  EXPECT_EQ(sign_flip_p_values(std::vector<double>{0.5}, 1).p, 1.0);
  EXPECT_EQ(sign_flip_p_values(std::vector<double>(300, 0.0), 1).p, 1.0);
  EXPECT_EQ(sign_flip_p_values(std::vector<double>{}, 1).p, 1.0);
  // Rounding of the sums makes no difference: 0.1 + 0.2 is not 0.3 in doubles.
  EXPECT_DOUBLE_EQ(sign_flip_p_values(std::vector<double>{0.1, 0.2, -0.3}, 1).p, 1.0);
  EXPECT_DOUBLE_EQ(sign_flip_p_values(std::vector<double>(20, 0.1), 1).p, 2.0 / 1048576.0);
  // With differences of 1 and -1 it is McNemar's test.
  const std::vector<double> answers{1, 1, 1, 1, 1, 1, 1, 1, -1, -1, 0, 0, 0};
  EXPECT_NEAR(sign_flip_p_values(answers, 1).p, mcnemar_p_values(8, 2).p, 1e-12);
}

TEST(PairedTests, SignFlipsOfManyQuestionsAreDrawn) {
  std::vector<double> values;
  for (int i = 0; i < 40; ++i) values.push_back((i % 7) / 6.0 - 0.3);
  // scipy 1.17.1, 2,000,000 permutations: 0.00182 +- 0.00003; of 100,000 the standard error is 0.00013.
  EXPECT_NEAR(sign_flip_p_values(values, 42).p, 0.00182, 0.0005);
  EXPECT_EQ(sign_flip_p_values(values, 42).p, sign_flip_p_values(values, 42).p);
  EXPECT_NE(sign_flip_p_values(values, 42).p, sign_flip_p_values(values, 43).p);
  EXPECT_DOUBLE_EQ(sign_flip_p_values(std::vector<double>(100, 0.5), 42).p, 1.0 / 100001.0);
  EXPECT_THROW((void)sign_flip_p_values(values, 42, 0).p, UsageError);
}

TEST(PairedTests, SignFlipsOfWholeNumbersAreExact) {
  // 60 and 40 of 100: McNemar's exact test.
  std::vector<double> answers(100, 1.0);
  for (std::size_t i = 60; i < 100; ++i) answers[i] = -1.0;
  EXPECT_NEAR(sign_flip_p_values(answers, 42).p, mcnemar_p_values(60, 40).p, 1e-12);
  EXPECT_NEAR(sign_flip_p_values(std::vector<double>(100, 1.0), 42).p, std::ldexp(1.0, -99), 1e-40);
  // As many flips as can be looked at one after another, of several seeds.
  const std::vector<double> counts{3, -1, 2, 5, -2, 1, 1, 0, 4, -5, 2, 2, -1, 3};
  EXPECT_NEAR(sign_flip_p_values(counts, 1).p, flipped_slowly(counts).p, 1e-12);
  std::vector<double> halves = counts;  // the same test, by the halves of the list
  for (double& value : halves) value *= 0.1;
  EXPECT_NEAR(sign_flip_p_values(halves, 1).p, flipped_slowly(counts).p, 1e-12);
}

TEST(PairedTests, SignFlipsMidP) {
  // scipy's permutation_test: of its null distribution, what is more extreme and half of what is as extreme.
  const std::vector<double> counts{3, -1, 2, 5, -2, 1, 1, 0, 4};
  EXPECT_DOUBLE_EQ(sign_flip_p_values(counts, 1).mid_p, 0.1015625);
  const std::vector<double> shares{.31, -.2, .05, .77, -.4, .12};
  EXPECT_DOUBLE_EQ(sign_flip_p_values(shares, 1).mid_p, 0.578125);
  EXPECT_DOUBLE_EQ(sign_flip_p_values(std::vector<double>{0.1, 0.2, -0.3}, 1).mid_p, 0.875);
  EXPECT_DOUBLE_EQ(sign_flip_p_values(std::vector<double>{1, 2, -3}, 1).mid_p, 0.875);
  EXPECT_EQ(sign_flip_p_values(std::vector<double>(300, 0.0), 1).mid_p, 0.5);
  // Whole numbers, and halves of the list.
  std::vector<double> many{3, -1, 2, 5, -2, 1, 1, 0, 4, -5, 2, 2, -1, 3};
  EXPECT_NEAR(sign_flip_p_values(many, 1).mid_p, 0.1787109375, 1e-12);  // scipy's
  EXPECT_NEAR(sign_flip_p_values(many, 1).mid_p, flipped_slowly(many).mid_p, 1e-12);
  for (double& value : many) value *= 0.1;
  EXPECT_NEAR(sign_flip_p_values(many, 1).mid_p, flipped_slowly(many).mid_p, 1e-12);
  std::vector<double> answers(100, 1.0);
  for (std::size_t i = 60; i < 100; ++i) answers[i] = -1.0;
  EXPECT_NEAR(sign_flip_p_values(answers, 1).mid_p, mcnemar_p_values(60, 40).mid_p, 1e-12);
  // Drawn: the same answers in other units. The standard error is 0.0007.
  for (double& value : answers) value *= 0.3;
  EXPECT_NEAR(sign_flip_p_values(answers, 42).mid_p, mcnemar_p_values(60, 40).mid_p, 0.003);
  // Nothing is as extreme but the observed flip, which is counted.
  EXPECT_DOUBLE_EQ(sign_flip_p_values(std::vector<double>(100, 0.5), 42).mid_p, 0.5 / 100001.0);
}

TEST(PairedTests, StudentsOverSeeds) {
  const std::vector<double> differences{3, -1, 2, 5, -2, 1, 1, 0, 4};
  EXPECT_NEAR(*paired_t_p_value(differences), 0.09597995887991129, 1e-14);  // scipy's ttest_1samp
  EXPECT_FALSE(paired_t_p_value(std::vector<double>{1.0}));
  EXPECT_FALSE(paired_t_p_value(std::vector<double>{0.1, 0.1, 0.1}));
  EXPECT_EQ(*paired_t_p_value(std::vector<double>{0.0, 0.0}), 1.0);
}

TEST(PairedTests, Holm) {
  const auto adjusted = holm_adjusted(std::vector<double>{.01, .04, .03, .2, .005, .9});
  const std::vector<double> expected{0.05, 0.12, 0.12, 0.4, 0.03, 0.9};  // statsmodels 0.15.0
  for (std::size_t i = 0; i < expected.size(); ++i) EXPECT_NEAR(adjusted[i], expected[i], 1e-15);
  EXPECT_TRUE(holm_adjusted({}).empty());
}

TEST(PairedTests, SmallestDifference) {
  const std::vector<double> differences{3, -1, 2, 5, -2, 1, 1, 0, 4};
  EXPECT_NEAR(*smallest_difference(differences), 2.44658721501658, 1e-12);  // from scipy's quantiles
  EXPECT_FALSE(smallest_difference(std::vector<double>{1.0}));
  EXPECT_FALSE(smallest_difference(std::vector<double>(9, 0.3)));
}

}  // namespace
}  // namespace cola
