#include "data/batch_plan.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <limits>
#include <numeric>

#include "core/error.h"

namespace cola {
namespace {

using Indices = std::vector<std::int64_t>;

Indices joined(const std::vector<Indices>& batches) {
  Indices all;
  for (const Indices& batch : batches) all.insert(all.end(), batch.begin(), batch.end());
  return all;
}

Indices epoch_order(const BatchPlan& plan, std::int64_t epoch) {
  Indices all;
  for (std::int64_t step = 0; step < plan.steps_per_epoch(); ++step) {
    const Indices part = joined(plan.micro_batches(epoch * plan.steps_per_epoch() + step));
    all.insert(all.end(), part.begin(), part.end());
  }
  return all;
}

Indices identity(std::int64_t count) {
  Indices all(static_cast<std::size_t>(count));
  std::iota(all.begin(), all.end(), 0);
  return all;
}

TEST(BatchPlan, EveryExampleOnceAnEpoch) {
  for (const std::int64_t examples : {1, 7, 24, 25}) {
    const BatchPlan plan(examples, 4, 3, true, 42);
    EXPECT_EQ(plan.steps_per_epoch(), (examples + 11) / 12);
    for (const std::int64_t epoch : {0, 1, 2}) {
      Indices order = epoch_order(plan, epoch);
      std::sort(order.begin(), order.end());
      EXPECT_EQ(order, identity(examples));
    }
  }
}

TEST(BatchPlan, EpochsAndSeedsDiffer) {
  const BatchPlan plan(50, 8, 1, true, 42);
  EXPECT_NE(epoch_order(plan, 0), epoch_order(plan, 1));
  EXPECT_NE(epoch_order(plan, 0), identity(50));
  EXPECT_NE(epoch_order(plan, 0), epoch_order(BatchPlan(50, 8, 1, true, 43), 0));
}

TEST(BatchPlan, AccumulationSplitsTheSameStep) {
  const BatchPlan whole(53, 8, 1, true, 1);
  const BatchPlan split(53, 2, 4, true, 1);
  EXPECT_EQ(whole.steps_per_epoch(), split.steps_per_epoch());
  for (std::int64_t step = 0; step < 2 * whole.steps_per_epoch(); ++step) {
    const std::vector<Indices> micro = split.micro_batches(step);
    EXPECT_EQ(joined(micro), joined(whole.micro_batches(step)));
    EXPECT_LE(micro.size(), 4U);
    for (const Indices& batch : micro) {
      EXPECT_GE(batch.size(), 1U);
      EXPECT_LE(batch.size(), 2U);
    }
  }
  EXPECT_EQ(split.micro_batches(6).size(), 3U);  // 53 = 6 * 8 + 5: lists of 2, 2 and 1
}

TEST(BatchPlan, WithoutShufflingFileOrder) {
  const BatchPlan plan(10, 4, 1, false, 1);
  EXPECT_EQ(plan.micro_batches(0), (std::vector<Indices>{{0, 1, 2, 3}}));
  EXPECT_EQ(plan.micro_batches(2), (std::vector<Indices>{{8, 9}}));
  EXPECT_EQ(plan.micro_batches(3), (std::vector<Indices>{{0, 1, 2, 3}}));
}

TEST(BatchPlan, ResumedIsUninterrupted) {
  const BatchPlan uninterrupted(30, 4, 2, true, 9);
  std::vector<std::vector<Indices>> steps;
  for (std::int64_t step = 0; step < 12; ++step) steps.push_back(uninterrupted.micro_batches(step));
  for (std::size_t step = 12; step-- > 0;) {
    const BatchPlan resumed(30, 4, 2, true, 9);
    EXPECT_EQ(resumed.micro_batches(static_cast<std::int64_t>(step)), steps[step]);
    EXPECT_EQ(uninterrupted.micro_batches(static_cast<std::int64_t>(step)), steps[step]);  // backwards too
  }
}

TEST(BatchPlan, RefusesImpossibleSizes) {
  EXPECT_THROW(BatchPlan(0, 1, 1, true, 1), UsageError);
  EXPECT_THROW(BatchPlan(1, 0, 1, true, 1), UsageError);
  EXPECT_THROW(BatchPlan(1, 1, 0, true, 1), UsageError);
  constexpr std::int64_t huge = std::numeric_limits<std::int64_t>::max();
  EXPECT_THROW(BatchPlan(1, huge, 2, true, 1), UsageError);
  EXPECT_EQ(BatchPlan(5, huge, 1, false, 1).micro_batches(3), (std::vector<Indices>{{0, 1, 2, 3, 4}}));
}

}  // namespace
}  // namespace cola
