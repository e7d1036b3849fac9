#include "statistics/intervals.h"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "core/error.h"
#include "core/random.h"

namespace cola {
namespace {

// Published by Newcombe (1998), Statistics in Medicine 17, table I, method 3: four digits.
TEST(Statistics, WilsonInterval) {
  const auto expect = [](std::int64_t k, std::int64_t n, double low, double high) {
    const Interval interval = wilson_interval(k, n);
    EXPECT_NEAR(interval.low, low, 5e-5) << k << "/" << n;
    EXPECT_NEAR(interval.high, high, 5e-5) << k << "/" << n;
  };
  expect(81, 263, 0.2553, 0.3662);
  expect(15, 148, 0.0624, 0.1605);
  expect(0, 20, 0.0, 0.1611);
  expect(1, 29, 0.0061, 0.1718);
  expect(20, 20, 1.0 - 0.1611, 1.0);
  expect(0, 0, 0.0, 1.0);
  EXPECT_THROW((void)wilson_interval(3, 2), UsageError);
  EXPECT_THROW((void)wilson_interval(-1, 2), UsageError);
}

TEST(Statistics, BootstrapIntervalIsNearTheNormalOne) {
  std::vector<double> values(400);
  RandomStream stream(5, RandomPurpose::benchmark);
  double sum = 0.0;
  double squares = 0.0;
  for (double& value : values) {
    value = stream.next_normal();
    sum += value;
    squares += value * value;
  }
  const double mean = sum / 400.0;
  const double half = 1.959964 * std::sqrt((squares / 400.0 - mean * mean) / 400.0);
  const Interval interval = bootstrap_interval(values, 1);
  // A percentile of 10000 means is off by some 3 % of the half-width (standard error sqrt(pq/n)/density 2.7
  // %).
  EXPECT_NEAR(interval.low, mean - half, 0.1 * half);
  EXPECT_NEAR(interval.high, mean + half, 0.1 * half);
}

TEST(Statistics, BootstrapIntervalIsAFunctionOfTheSeed) {
  const std::vector<double> values{0.0, 0.1, 0.25, 0.5, 0.7, 1.0, 0.9};
  const Interval first = bootstrap_interval(values, 1, 500);
  const Interval again = bootstrap_interval(values, 1, 500);
  const Interval other = bootstrap_interval(values, 2, 500);
  EXPECT_EQ(first.low, again.low);
  EXPECT_EQ(first.high, again.high);
  EXPECT_TRUE(first.low != other.low || first.high != other.high);
  EXPECT_THROW((void)bootstrap_interval(std::vector<double>{}, 1), UsageError);
  EXPECT_THROW((void)bootstrap_interval(values, 1, 0), UsageError);
}

// numpy 2.4.6 and scipy 1.17.1: 2,000,000 multinomial resamples, quantiles at normal cdf(t(0.025, 11)
// sqrt(12 / 11)). The statistic moves in steps of some 1/55, which 10,000 resamples may miss by one.
TEST(Statistics, BootstrapIntervalKeepsTheAnswersOfAQuestionTogether) {
  const QuestionSums scores{{5, 0, 3, 1, 4, 2, 0, 5, 5, 3, 2, 1}, {5, 5, 5, 5, 5, 5, 3, 5, 5, 5, 4, 5}};
  EXPECT_NEAR(scores.mean(), 0.543859649122807, 1e-15);
  const Interval interval = bootstrap_interval(scores, 42);
  EXPECT_NEAR(interval.low, 0.30769231, 0.01);
  EXPECT_NEAR(interval.high, 0.77192982, 0.01);
}

TEST(Statistics, WhereAllQuestionsScoreTheSameTheIntervalIsWilsons) {
  const QuestionSums none{std::vector<double>(56, 0.0), std::vector<double>(56, 5.0)};
  const Interval interval = bootstrap_interval(none, 42);
  EXPECT_EQ(interval.low, 0.0);
  EXPECT_EQ(interval.high, wilson_interval(0, 56).high);
  const std::vector<double> thirds(10, 0.1 + 0.2);
  EXPECT_LT(bootstrap_interval(thirds, 42).low, 0.2);
  EXPECT_LT(bootstrap_interval(std::vector<double>{1.0}, 42).low, 0.3);
}

// Five of 56 questions right with each of five seeds: Wilson's interval of 5 of 56 is 3.9 to 19.3,
// percentiles 1.8 to 17.9.
TEST(Statistics, FewRightAnswersHaveWilsonsInterval) {
  QuestionSums scores{std::vector<double>(56, 0.0), std::vector<double>(56, 5.0)};
  for (std::size_t i = 0; i < 5; ++i) scores.sums[i] = 5.0;
  const auto means = resampled_means({&scores, 1}, 42).front();
  const Interval interval = accuracy_interval(scores, means);
  EXPECT_NEAR(interval.low, 0.0387421484495869, 1e-12);  // statsmodels' proportion_confint(5, 56)
  EXPECT_NEAR(interval.high, 0.19256001385511165, 1e-12);
  for (std::size_t i = 5; i < 30; ++i) scores.sums[i] = 5.0;  // and of many, the percentiles
  const auto many = resampled_means({&scores, 1}, 42).front();
  EXPECT_EQ(accuracy_interval(scores, many).low, bootstrap_interval(scores, many).low);
  for (double& sum : scores.sums) sum = 5.0;
  scores.sums[3] = 4.0;  // 279 of 280 is not much surer than 280 of 280
  const Interval nearly = accuracy_interval(scores, resampled_means({&scores, 1}, 42).front());
  EXPECT_LT(nearly.low, 0.982);
  EXPECT_LT(nearly.high, 1.0);
  // 3 and 1 of five right, and 18 times none: by question p has the variance that it has of 39.65 answers,
  // with the weight of two questions added 36.26. statsmodels' proportion_confint of 0.04 of as many.
  QuestionSums two{std::vector<double>(20, 0.0), std::vector<double>(20, 5.0)};
  two.sums[0] = 3.0;
  two.sums[1] = 1.0;
  const Interval few = accuracy_interval(two, resampled_means({&two, 1}, 42).front());
  EXPECT_NEAR(few.low, 0.009096887281362862, 1e-12);
  EXPECT_NEAR(few.high, 0.15903533995538827, 1e-12);
}

TEST(Statistics, ColumnsAreResampledTogether) {
  const std::vector<QuestionSums> columns{{{1, 0, 1, 1}, {1, 1, 1, 1}}, {{2, 1, 2, 2}, {2, 2, 2, 2}}};
  const auto means = resampled_means(columns, 7, 100);
  for (std::size_t r = 0; r < 100; ++r)  // the second is (1 + the first) / 2 in every sample
    EXPECT_NEAR(means[1][r], 0.5 + 0.5 * means[0][r], 1e-15);
  EXPECT_EQ(resampled_means({&columns[1], 1}, 7, 100).front(), means[1]);
}

}  // namespace
}  // namespace cola
