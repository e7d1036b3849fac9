#include "core/random.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <numeric>
#include <set>

namespace cola {
namespace {

using Words = std::array<std::uint32_t, 4>;

// Known-answer vectors of the Random123 distribution (kat_vectors, philox4x32 10 rounds).
TEST(RandomStream, SkipsAsIfDrawn) {
  for (const int before : {0, 1, 4, 6}) {
    for (const int skipped : {0, 1, 3, 4, 5, 11}) {
      RandomStream drawn(7, RandomPurpose::split, 3);
      RandomStream jumped(7, RandomPurpose::split, 3);
      for (int i = 0; i < before; ++i) EXPECT_EQ(drawn.next_u32(), jumped.next_u32());
      for (int i = 0; i < skipped; ++i) (void)drawn.next_u32();
      jumped.skip(static_cast<std::uint64_t>(skipped));
      for (int i = 0; i < 9; ++i) EXPECT_EQ(drawn.next_u32(), jumped.next_u32());
    }
  }
}

TEST(Philox, KnownAnswers) {
  constexpr std::uint32_t ones = 0xffffffffU;
  EXPECT_EQ(philox4x32({0, 0, 0, 0}, {0, 0}), (Words{0x6627e8d5U, 0xe169c58dU, 0xbc57ac4cU, 0x9b00dbd8U}));
  EXPECT_EQ(philox4x32({ones, ones, ones, ones}, {ones, ones}),
            (Words{0x408f276dU, 0x41c83b0eU, 0xa20bc7c6U, 0x6d5451fdU}));
  EXPECT_EQ(philox4x32({0x243f6a88U, 0x85a308d3U, 0x13198a2eU, 0x03707344U}, {0xa4093822U, 0x299f31d0U}),
            (Words{0xd16cfe09U, 0x94fdccebU, 0x5001e420U, 0x24126ea1U}));
}

std::vector<std::uint32_t> first_words(RandomStream stream, int count) {
  std::vector<std::uint32_t> words;
  for (int i = 0; i < count; ++i) words.push_back(stream.next_u32());
  return words;
}

TEST(RandomStream, DependsOnItsKeyAlone) {
  RandomStream other(7, RandomPurpose::shuffle, 1);
  const std::vector<std::uint32_t> expected = first_words(RandomStream(7, RandomPurpose::lora_a, 3), 9);
  (void)other.next_u32();
  EXPECT_EQ(first_words(RandomStream(7, RandomPurpose::lora_a, 3), 9), expected);
}

TEST(RandomStream, EveryPartOfTheKeyMatters) {
  const std::vector<RandomStream> streams{RandomStream(7, RandomPurpose::lora_a, 3),
                                          RandomStream(8, RandomPurpose::lora_a, 3),
                                          RandomStream(7, RandomPurpose::shuffle, 3),
                                          RandomStream(7, RandomPurpose::lora_a, 4),
                                          RandomStream(7 + (1ULL << 32), RandomPurpose::lora_a, 3),
                                          RandomStream(7, RandomPurpose::lora_a, 3 + (1ULL << 32))};
  std::set<std::vector<std::uint32_t>> distinct;
  for (const RandomStream& stream : streams) distinct.insert(first_words(stream, 4));
  EXPECT_EQ(distinct.size(), streams.size());
}

TEST(RandomStream, BlocksDoNotRepeat) {
  const std::vector<std::uint32_t> words = first_words(RandomStream(1, RandomPurpose::sampling), 4000);
  // 4000 of 2^32 values: a repeat has probability 0.2 %, and this seed has none.
  EXPECT_EQ(std::set<std::uint32_t>(words.begin(), words.end()).size(), words.size());
}

// Means of 100000 draws: tolerances are 5 standard errors.
TEST(RandomStream, DistributionsHaveTheirMoments) {
  constexpr int count = 100000;
  RandomStream stream(3, RandomPurpose::init_weight);
  double uniform = 0.0;
  double normal = 0.0;
  double squares = 0.0;
  for (int i = 0; i < count; ++i) {
    const float u = stream.next_uniform();
    ASSERT_GE(u, 0.0F);
    ASSERT_LT(u, 1.0F);
    uniform += u;
    const double n = stream.next_normal();
    normal += n;
    squares += n * n;
  }
  const double error = 1.0 / std::sqrt(count);
  EXPECT_NEAR(uniform / count, 0.5, 5 * std::sqrt(1.0 / 12) * error);
  EXPECT_NEAR(normal / count, 0.0, 5 * error);
  EXPECT_NEAR(squares / count, 1.0, 5 * std::sqrt(2.0) * error);
}

TEST(RandomStream, NextBelowIsUniform) {
  constexpr int count = 60000;
  RandomStream stream(4, RandomPurpose::split);
  std::array<int, 6> histogram{};
  for (int i = 0; i < count; ++i) ++histogram.at(stream.next_below(6));
  // Each is binomial(60000, 1/6): mean 10000, standard deviation 91; 5 of them.
  for (const int n : histogram) EXPECT_NEAR(n, 10000, 456);
  EXPECT_EQ(stream.next_below(1), 0U);
  EXPECT_LT(stream.next_below((1ULL << 63) + 1), (1ULL << 63) + 1);
}

TEST(RandomPermutation, HoldsEveryIndexOnceAndIsPure) {
  const std::vector<std::int64_t> order = random_permutation(1000, RandomStream(5, RandomPurpose::shuffle));
  std::vector<std::int64_t> sorted = order;
  std::sort(sorted.begin(), sorted.end());
  std::vector<std::int64_t> identity(1000);
  std::iota(identity.begin(), identity.end(), 0);
  EXPECT_EQ(sorted, identity);
  EXPECT_NE(order, identity);
  EXPECT_EQ(order, random_permutation(1000, RandomStream(5, RandomPurpose::shuffle)));
  EXPECT_NE(order, random_permutation(1000, RandomStream(5, RandomPurpose::shuffle, 1)));
  EXPECT_TRUE(random_permutation(0, RandomStream(5, RandomPurpose::shuffle)).empty());
}

// All 6 orders of 3 elements, 1000 each expected, standard deviation 29; 5 of them.
TEST(RandomPermutation, EveryOrderIsAsLikely) {
  std::map<std::vector<std::int64_t>, int> counts;
  for (std::uint64_t i = 0; i < 6000; ++i)
    ++counts[random_permutation(3, RandomStream(1, RandomPurpose::split, i))];
  EXPECT_EQ(counts.size(), 6U);
  for (const auto& [order, count] : counts) EXPECT_NEAR(count, 1000, 145);
}

}  // namespace
}  // namespace cola
