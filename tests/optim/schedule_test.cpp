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

using Notes = std::vector<std::string>;

class WarmUpNotes : public testing::TestWithParam<ScheduleKind> {
 protected:
  [[nodiscard]] static Notes notes(std::int64_t warmup, std::int64_t total,
                                   std::vector<std::int64_t> knots = {}, bool restart = false,
                                   std::int64_t first_link = 1) {
    Schedule all = schedule(GetParam(), warmup, total);
    all.knots = std::move(knots);
    all.at_knot = restart ? LearningRateAtKnot::restart : LearningRateAtKnot::go_on;
    return warm_up_notes(all, first_link);
  }
};

TEST_P(WarmUpNotes, OfTheRun) {
  const Notes idle{"--warmup-steps 1: the run's only step has learning rate 0: nothing is trained"};
  EXPECT_EQ(notes(1, 1), idle);
  EXPECT_EQ(notes(1, 1, {}, true), idle);  // one link
  EXPECT_EQ(notes(10, 6), (Notes{"--warmup-steps 10 are not over within the 6 steps of the run: its learning "
                                 "rate reaches 0.001, not 0.002"}));
  EXPECT_EQ(notes(6, 6).size(), 1U);  // the step that has the whole rate does not come
  EXPECT_EQ(notes(5, 6), Notes());
  EXPECT_EQ(notes(0, 1), Notes());
}

TEST_P(WarmUpNotes, OfLinksWithTheirOwnWarmUp) {
  EXPECT_EQ(
      notes(3, 20, {1, 19}, true),
      (Notes{"--warmup-steps 3: learning rate 0 throughout link 1 (step 1), link 3 (step 20): nothing is "
             "trained there"}));
  EXPECT_EQ(notes(3, 20, {3, 4, 6}, true, 2),
            (Notes{"--warmup-steps 3: learning rate 0 throughout link 3 (step 4): nothing is trained there",
                   "--warmup-steps 3 are not over within link 2 (steps 1 to 3), link 4 (steps 5 to 6): the "
                   "learning rate there reaches 0.001333, not 0.002"}));
  EXPECT_EQ(
      notes(3, 7, {1, 2, 3, 4, 5, 6}, true),
      (Notes{"--warmup-steps 3: learning rate 0 throughout link 1 (step 1), link 2 (step 2), link 3 (step "
             "3), link 4 (step 4) and 3 more: nothing is trained there"}));
  EXPECT_EQ(notes(0, 20, {1, 19}, true), Notes());
  EXPECT_EQ(notes(3, 20, {4, 16}, true), Notes());
}

TEST_P(WarmUpNotes, OfLinksInTheRunsWarmUp) {
  EXPECT_EQ(
      notes(3, 20, {1, 19}),
      (Notes{"--warmup-steps 3: learning rate 0 throughout link 1 (step 1): nothing is trained there"}));
  EXPECT_EQ(notes(4, 20, {3, 10}), (Notes{"--warmup-steps 4 are not over within link 1 (steps 1 to 3): the "
                                          "learning rate there reaches 0.001, not 0.002"}));
  EXPECT_EQ(notes(3, 20, {4, 19}), Notes());
  EXPECT_EQ(notes(0, 20, {1, 19}), Notes());
  const Notes longer = notes(40, 20, {1, 19});
  ASSERT_EQ(longer.size(), 2U);
  EXPECT_NE(longer[0].find("20 steps of the run"), std::string::npos);
  EXPECT_NE(longer[1].find("throughout link 1 (step 1):"), std::string::npos);
}

INSTANTIATE_TEST_SUITE_P(Kinds, WarmUpNotes,
                         testing::Values(ScheduleKind::linear, ScheduleKind::cosine, ScheduleKind::constant),
                         [](const auto& info) { return std::string(name_of(info.param)); });

}  // namespace
}  // namespace cola
