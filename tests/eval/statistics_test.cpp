#include "eval/statistics.h"

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
  const std::vector<double> same{0.5, 0.5, 0.5};
  EXPECT_EQ(bootstrap_interval(same, 1).low, 0.5);
  EXPECT_EQ(bootstrap_interval(same, 1).high, 0.5);
  EXPECT_THROW((void)bootstrap_interval({}, 1), UsageError);
  EXPECT_THROW((void)bootstrap_interval(same, 1, 0), UsageError);
}

/// b examples that only the first gets right, c only the second, and a few concordant ones.
double mcnemar(int b, int c) {
  std::vector<std::uint8_t> first{1, 0, 1};
  std::vector<std::uint8_t> second{1, 0, 1};
  for (int i = 0; i < b + c; ++i) {
    first.push_back(i < b ? 1 : 0);
    second.push_back(i < b ? 0 : 1);
  }
  return mcnemar_p_value(first, second);
}

// Binomial sums, exact: 2 * sum_{k <= min(b, c)} C(n, k) / 2^n. lgamma leaves some 1e-13.
TEST(Statistics, McNemar) {
  EXPECT_NEAR(mcnemar(0, 0), 1.0, 1e-12);
  EXPECT_NEAR(mcnemar(3, 3), 1.0, 1e-12);
  EXPECT_NEAR(mcnemar(0, 5), 2.0 / 32.0, 1e-12);
  EXPECT_NEAR(mcnemar(5, 0), 2.0 / 32.0, 1e-12);
  EXPECT_NEAR(mcnemar(1, 7), 2.0 * (1 + 8) / 256.0, 1e-12);
  EXPECT_NEAR(mcnemar(2, 8), 2.0 * (1 + 10 + 45) / 1024.0, 1e-12);
  const double large = mcnemar(400, 600);
  EXPECT_GT(large, 0.0);
  EXPECT_LT(large, 1e-9);  // 6.3 standard deviations
  const std::vector<std::uint8_t> one{1};
  EXPECT_THROW((void)mcnemar_p_value(one, {}), UsageError);
}

TEST(Statistics, PairedBootstrap) {
  std::vector<double> first(200);
  std::vector<double> second(200);
  RandomStream stream(9, RandomPurpose::benchmark);
  for (std::size_t i = 0; i < first.size(); ++i) {
    second[i] = stream.next_normal();
    first[i] = second[i] + 0.1 * stream.next_normal();
  }
  EXPECT_EQ(paired_bootstrap_p_value(first, first, 1), 1.0);
  const double none = paired_bootstrap_p_value(first, second, 1);
  double sum = 0.0;
  double squares = 0.0;
  for (std::size_t i = 0; i < first.size(); ++i) {
    const double difference = first[i] - second[i];
    sum += difference;
    squares += difference * difference;
  }
  const double mean = sum / 200.0;
  const double z = std::abs(mean) / std::sqrt((squares / 200.0 - mean * mean) / 200.0);
  // The mean of 200 near-normal differences: a normal tail, to 3 standard errors of 10000 resamples (0.015).
  EXPECT_NEAR(none, std::erfc(z / std::sqrt(2.0)), 0.025);
  for (double& value : first) value += 0.1;  // some 14 standard errors away
  EXPECT_DOUBLE_EQ(paired_bootstrap_p_value(first, second, 1), 1.0 / 10001.0);
  EXPECT_EQ(paired_bootstrap_p_value(first, second, 3), paired_bootstrap_p_value(second, first, 3));
  EXPECT_THROW((void)paired_bootstrap_p_value(first, {}, 1), UsageError);
  EXPECT_THROW((void)paired_bootstrap_p_value({}, {}, 1), UsageError);
}

}  // namespace
}  // namespace cola
