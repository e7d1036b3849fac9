#include "eval/sampler.h"

#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <limits>

#include "core/error.h"

namespace cola {
namespace {

constexpr int draws = 4000;

std::vector<std::int32_t> drawn(std::span<const float> logits, double temperature, double top_p,
                                std::uint64_t seed) {
  Sampler sampler(temperature, top_p, seed);
  std::vector<std::int32_t> tokens;
  for (int i = 0; i < draws; ++i) tokens.push_back(sampler.choose(logits));
  return tokens;
}

double share(const std::vector<std::int32_t>& tokens, std::int32_t token) {
  return static_cast<double>(std::count(tokens.begin(), tokens.end(), token)) / draws;
}

const std::array<float, 4> half_third{std::log(0.2F), std::log(0.5F), std::log(0.3F), -60.0F};
constexpr double five_sigma = 5.0 * 0.5 / 63.2;  // of a share from 4000 draws, at most

TEST(Sampler, GreedyTakesTheFirstOfEquals) {
  Sampler sampler(0.0, 1.0, 1);
  const std::array<float, 4> logits{1.0F, 3.0F, 3.0F, -1.0F};
  EXPECT_EQ(sampler.choose(logits), 1);
}

TEST(Sampler, DrawsInProportionToTheSoftmax) {
  const auto tokens = drawn(half_third, 1.0, 1.0, 5);
  EXPECT_NEAR(share(tokens, 0), 0.2, five_sigma);
  EXPECT_NEAR(share(tokens, 1), 0.5, five_sigma);
  EXPECT_NEAR(share(tokens, 2), 0.3, five_sigma);
}

TEST(Sampler, TemperatureSharpens) {
  // Temperature 1/2 squares the probabilities: 0.25 / (0.04 + 0.25 + 0.09).
  EXPECT_NEAR(share(drawn(half_third, 0.5, 1.0, 5), 1), 0.25 / 0.38, five_sigma);
}

TEST(Sampler, TopPKeepsTheSmallestSetThatHasIt) {
  const auto two = drawn(half_third, 1.0, 0.7, 5);  // 0.5 + 0.3 >= 0.7 > 0.5
  EXPECT_EQ(share(two, 0), 0.0);
  EXPECT_NEAR(share(two, 1), 0.5 / 0.8, five_sigma);
  EXPECT_EQ(share(drawn(half_third, 1.0, 0.01, 5), 1), 1.0);
}

TEST(Sampler, IsAFunctionOfTheSeed) {
  EXPECT_EQ(drawn(half_third, 1.0, 0.9, 8), drawn(half_third, 1.0, 0.9, 8));
  EXPECT_NE(drawn(half_third, 1.0, 0.9, 8), drawn(half_third, 1.0, 0.9, 9));
}

TEST(Sampler, RefusesWhatCannotBe) {
  EXPECT_THROW(Sampler(-0.1, 1.0, 1), UsageError);
  EXPECT_THROW(Sampler(std::nan(""), 1.0, 1), UsageError);
  EXPECT_THROW(Sampler(1.0, 0.0, 1), UsageError);
  EXPECT_THROW(Sampler(1.0, 1.1, 1), UsageError);
  Sampler greedy(0.0, 1.0, 1);
  const std::array<float, 2> broken{1.0F, std::numeric_limits<float>::quiet_NaN()};
  EXPECT_THROW((void)greedy.choose(broken), Error);
}

}  // namespace
}  // namespace cola
