#include "optim/schedule.h"

#include <gtest/gtest.h>

#include <cmath>
#include <numbers>

#include "core/error.h"

namespace cola {
namespace {

// Factors are short double expressions of numbers near 1: 1e-12 is far above their rounding.
constexpr double tolerance = 1e-12;

void expect_table(const Schedule& schedule, const std::vector<double>& factors) {
  for (std::size_t step = 0; step < factors.size(); ++step) {
    EXPECT_NEAR(schedule.at(static_cast<std::int64_t>(step)), schedule.learning_rate * factors[step],
                tolerance * schedule.learning_rate)
        << "step " << step;
  }
}

Schedule schedule(ScheduleKind kind, std::int64_t warmup, std::int64_t total) {
  return {.kind = kind, .learning_rate = 2e-3, .warmup_steps = warmup, .total_steps = total, .knots = {}};
}

TEST(Schedule, Linear) {
  expect_table(schedule(ScheduleKind::linear, 0, 5), {1.0, 0.8, 0.6, 0.4, 0.2, 0.0, 0.0});
  expect_table(schedule(ScheduleKind::linear, 2, 6), {0.0, 0.5, 1.0, 0.75, 0.5, 0.25, 0.0});
}

TEST(Schedule, Cosine) {
  const double half = std::numbers::sqrt2 / 2;
  expect_table(schedule(ScheduleKind::cosine, 0, 4),
               {1.0, 0.5 * (1 + half), 0.5, 0.5 * (1 - half), 0.0, 0.0});
  expect_table(schedule(ScheduleKind::cosine, 2, 6),
               {0.0, 0.5, 1.0, 0.5 * (1 + half), 0.5, 0.5 * (1 - half)});
}

TEST(Schedule, Constant) {
  expect_table(schedule(ScheduleKind::constant, 0, 3), {1.0, 1.0, 1.0, 1.0});
  expect_table(schedule(ScheduleKind::constant, 4, 8), {0.0, 0.25, 0.5, 0.75, 1.0, 1.0, 1.0, 1.0});
}

TEST(Schedule, KnotsLeaveAContinuedScheduleAlone) {
  Schedule with_knots = schedule(ScheduleKind::linear, 1, 10);
  with_knots.knots = {4, 8};
  for (std::int64_t step = 0; step < 10; ++step) {
    EXPECT_EQ(with_knots.at(step), schedule(ScheduleKind::linear, 1, 10).at(step));
  }
}

TEST(Schedule, RestartsWithItsWarmUpInEveryLink) {
  Schedule restarted = schedule(ScheduleKind::linear, 1, 9);
  restarted.at_knot = LearningRateAtKnot::restart;
  restarted.knots = {5, 7};
  expect_table(restarted, {0.0, 1.0, 0.75, 0.5, 0.25, 0.0, 1.0, 0.0, 1.0});
  restarted.kind = ScheduleKind::constant;
  expect_table(restarted, {0.0, 1.0, 1.0, 1.0, 1.0, 0.0, 1.0, 0.0, 1.0});
}

TEST(Schedule, WarmUpLongerThanTheRun) {
  expect_table(schedule(ScheduleKind::linear, 10, 4), {0.0, 0.1, 0.2, 0.3});
}

TEST(Schedule, Names) {
  for (const ScheduleKind kind : {ScheduleKind::linear, ScheduleKind::cosine, ScheduleKind::constant}) {
    EXPECT_EQ(parse_schedule(name_of(kind)), kind);
  }
  EXPECT_EQ(name_of(parse_learning_rate_at_knot("continue")), "continue");
  EXPECT_EQ(name_of(parse_learning_rate_at_knot("restart")), "restart");
  EXPECT_THROW((void)parse_schedule("step"), UsageError);
  EXPECT_THROW((void)parse_learning_rate_at_knot("go_on"), UsageError);
}

TEST(Schedule, AWarmUpHasTheRunOrTheShortestLink) {
  Schedule schedule{.warmup_steps = 2, .total_steps = 10, .knots = {3, 8}};
  EXPECT_EQ(schedule.shortest_pass(), 10);
  schedule.at_knot = LearningRateAtKnot::restart;
  EXPECT_EQ(schedule.shortest_pass(), 2);
  schedule.knots = {3, 5};
  EXPECT_EQ(schedule.shortest_pass(), 2);
  schedule.knots.clear();
  EXPECT_EQ(schedule.shortest_pass(), 10);
}

}  // namespace
}  // namespace cola
