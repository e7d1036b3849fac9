#include "chain/stall_detector.h"

#include <gtest/gtest.h>

namespace cola {
namespace {

constexpr StallRule rule{4, 3, 0.01};  // windows of two steps

TEST(StallDetector, NeedsTheShortestLink) {
  EXPECT_FALSE(has_stalled(rule, {2.0, 2.0, 2.0}));
  EXPECT_TRUE(has_stalled(rule, {2.0, 2.0, 2.0, 2.0}));
}

TEST(StallDetector, ComparesTheLastTwoWindows) {
  EXPECT_FALSE(has_stalled(rule, {9.0, 9.0, 2.0, 2.0, 1.9, 1.9}));   // 5 % better
  EXPECT_TRUE(has_stalled(rule, {9.0, 9.0, 2.0, 2.0, 1.99, 1.99}));  // 0.5 %
  EXPECT_TRUE(has_stalled(rule, {1.0, 1.0, 3.0, 3.0}));
}

TEST(StallDetector, OneBadStepInAGoodWindowDoesNotCount) {
  EXPECT_FALSE(has_stalled(rule, {2.0, 2.0, 0.5, 2.5}));
}

}  // namespace
}  // namespace cola
