#include "bench/timing.h"

#include <gtest/gtest.h>

#include "bench/machine_peak.h"

namespace cola {
namespace {

TEST(Timing, SpreadIsTheMedianAndTheQuartiles) {
  const Spread odd = spread_of({5.0, 1.0, 4.0, 2.0, 3.0});
  EXPECT_EQ(odd.low, 2.0);
  EXPECT_EQ(odd.median, 3.0);
  EXPECT_EQ(odd.high, 4.0);
  const Spread even = spread_of({4.0, 1.0, 2.0, 3.0});
  EXPECT_EQ(even.low, 1.75);
  EXPECT_EQ(even.median, 2.5);
  EXPECT_EQ(even.high, 3.25);
  const Spread one = spread_of({7.0});
  EXPECT_EQ(one.low, 7.0);
  EXPECT_EQ(one.high, 7.0);
  EXPECT_EQ(median({1.0, 3.0}), 2.0);
}

// What slows the machine down slows both of a pair: the ratio stays.
TEST(Timing, RatiosAreOfPairs) {
  const std::vector<double> slow_then_fast = {4.0, 8.0, 2.0};
  const std::vector<double> other = {2.0, 4.0, 1.0};
  const Spread ratios = spread_of_ratios(slow_then_fast, other);
  EXPECT_EQ(ratios.low, 2.0);
  EXPECT_EQ(ratios.high, 2.0);
}

TEST(Timing, EveryWorkRunsInTurn) {
  std::string order;
  const auto seconds = seconds_in_turn({[&] { order += 'a'; }, [&] { order += 'b'; }}, 0.0);
  EXPECT_EQ(order, "abababab");  // the first of each is not counted
  EXPECT_EQ(seconds.size(), 2U);
  EXPECT_EQ(seconds.front().size(), 3U);
}

TEST(PeakBetween, StandsAroundEachPiece) {
  double now = 0.0;
  PeakBetween peak([&] {
    now += 2.0;
    return MachinePeak{{now, "test"}, 10.0 * now};
  });
  EXPECT_EQ(peak.around([] {}).multiply.flops_per_second, 3.0);  // of 2 and 4
  EXPECT_EQ(peak.around([] {}).read_bytes_per_second, 50.0);     // of 40 and 60
  EXPECT_EQ(peak.around([] {}).multiply.instruction, "test");
  EXPECT_EQ(median_of(peak.peaks()).multiply.flops_per_second, 5.0);
}

}  // namespace
}  // namespace cola
