#include "data/mixture.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <fstream>
#include <map>

#include "core/error.h"
#include "support/files.h"

namespace cola {
namespace {

using Indices = std::vector<std::int64_t>;

Mixture mixture(const std::vector<std::int64_t>& examples, const std::vector<double>& weights) {
  return {examples, weights};
}

std::int64_t count_below(const Indices& order, std::int64_t limit) {
  return std::ranges::count_if(order, [&](std::int64_t i) { return i < limit; });
}

TEST(Mixture, WithoutWeightsAnEpochHasEachOnce) {
  const Mixture all(7);
  EXPECT_EQ(all.size(), 7);
  EXPECT_EQ(all.order(3, false, 0), (Indices{0, 1, 2, 3, 4, 5, 6}));
  Indices shuffled = all.order(3, true, 5);
  EXPECT_NE(shuffled, all.order(4, true, 5));
  EXPECT_NE(shuffled, all.order(3, true, 6));
  EXPECT_EQ(shuffled, all.order(3, true, 5));
  std::ranges::sort(shuffled);
  EXPECT_EQ(shuffled, all.order(3, false, 0));
}

TEST(Mixture, SharesFollowTheWeights) {
  const Mixture mixed = mixture({90, 10}, {1, 3});
  EXPECT_EQ(mixed.size(), 100);
  EXPECT_EQ(mixed.summary(), "an epoch has 25 of 90 and 75 of 10");
  for (const bool shuffle : {false, true}) {
    for (const std::int64_t epoch : {0, 1, 7}) {
      const Indices order = mixed.order(epoch, shuffle, 1);
      EXPECT_EQ(std::ssize(order), 100);
      EXPECT_EQ(count_below(order, 90), 25);
    }
  }
  EXPECT_EQ(count_below(mixture({50, 50}, {1, 1e-1}).order(0, true, 1), 50), 91);  // of 90.9
  EXPECT_EQ(count_below(mixture({1, 1, 1}, {1, 1, 1}).order(0, true, 1), 1), 1);
}

TEST(Mixture, NothingComesASecondTimeBeforeAllHaveCome) {
  const Mixture mixed = mixture({9, 3}, {1, 2});  // 4 of nine, 8 of three an epoch
  for (const bool shuffle : {false, true}) {
    std::map<std::int64_t, int> seen;
    for (std::int64_t epoch = 0; epoch < 9; ++epoch) {
      for (const std::int64_t i : mixed.order(epoch, shuffle, 3)) ++seen[i];
      for (std::int64_t i = 0; i < 12; ++i) {
        const int passes = static_cast<int>(i < 9 ? (epoch + 1) * 4 / 9 : (epoch + 1) * 8 / 3);
        EXPECT_GE(seen[i], passes);
        EXPECT_LE(seen[i], passes + 1);
      }
    }
  }
}

TEST(Mixture, FilesAreEvenlySpreadInTheirOrder) {
  EXPECT_EQ(mixture({6, 3}, {2, 1}).order(0, false, 0), (Indices{0, 6, 1, 2, 7, 3, 4, 8, 5}));
  EXPECT_EQ(mixture({2, 4}, {2, 1}).order(1, false, 0), (Indices{0, 4, 1, 0, 5, 1}));
}

TEST(Mixture, ShufflingIsTheSeeds) {
  const Mixture mixed = mixture({30, 20}, {1, 2});
  EXPECT_EQ(mixed.order(2, true, 9), mixed.order(2, true, 9));
  EXPECT_NE(mixed.order(2, true, 9), mixed.order(2, true, 8));
  EXPECT_NE(mixed.order(2, true, 9), mixed.order(3, true, 9));
}

TEST(Mixture, AShareBelowOneExampleIsRefused) { EXPECT_THROW((void)mixture({5, 5}, {1, 1e-3}), UsageError); }

TEST(WeightedFile, TheWeightStandsBehindTheColon) {
  const test::TemporaryFolder folder;
  EXPECT_EQ(parse_weighted_file("a.jsonl").file, "a.jsonl");
  EXPECT_FALSE(parse_weighted_file("a.jsonl").weight);
  EXPECT_EQ(parse_weighted_file("a.jsonl:2").file, "a.jsonl");
  EXPECT_EQ(parse_weighted_file("a.jsonl:0.5").weight, 0.5);
  EXPECT_EQ(parse_weighted_file("d:/a.jsonl").file, "d:/a.jsonl");
  EXPECT_EQ(parse_weighted_file("a:b").file, "a:b");
  const auto odd = folder / "odd:2";
  std::ofstream(odd) << "x";
  EXPECT_EQ(parse_weighted_file(odd.string()).file, odd);
  EXPECT_EQ(parse_weighted_file(odd.string() + ":3").file, odd);
  for (const char* wrong : {"a:0", "a:-1", "a:inf", "a:nan", "a:1e400"})
    EXPECT_THROW((void)parse_weighted_file(wrong), UsageError) << wrong;
  EXPECT_TRUE(weights_of(std::array{WeightedFile{"a", {}}, WeightedFile{"b", {}}}).empty());
  EXPECT_EQ(weights_of(std::array{WeightedFile{"a", 3.0}, WeightedFile{"b", {}}}),
            (std::vector<double>{3, 1}));
}

}  // namespace
}  // namespace cola
