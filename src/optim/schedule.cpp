#include "optim/schedule.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numbers>

#include "core/error.h"

namespace cola {
namespace {

/// Hugging Face's lr_lambda for update number `step` of `total`.
double factor(ScheduleKind kind, std::int64_t step, std::int64_t warmup, std::int64_t total) {
  if (step < warmup)
    return static_cast<double>(step) / static_cast<double>(std::max<std::int64_t>(1, warmup));
  const double progress =
      static_cast<double>(step - warmup) / static_cast<double>(std::max<std::int64_t>(1, total - warmup));
  switch (kind) {
    case ScheduleKind::linear:
      return std::max(0.0, 1.0 - progress);
    case ScheduleKind::cosine:
      return 0.5 * (1.0 + std::cos(std::numbers::pi * std::min(1.0, progress)));
    case ScheduleKind::constant:
      return 1.0;
  }
  return 1.0;
}

}  // namespace

ScheduleKind parse_schedule(std::string_view name) {
  if (name == "linear") return ScheduleKind::linear;
  if (name == "cosine") return ScheduleKind::cosine;
  if (name == "constant") return ScheduleKind::constant;
  throw UsageError(fmt::format("unknown learning-rate schedule '{}': use linear, cosine or constant", name));
}

std::string_view name_of(ScheduleKind kind) {
  switch (kind) {
    case ScheduleKind::linear:
      return "linear";
    case ScheduleKind::cosine:
      return "cosine";
    case ScheduleKind::constant:
      return "constant";
  }
  return "unknown";
}

LearningRateAtKnot parse_learning_rate_at_knot(std::string_view name) {
  if (name == "continue") return LearningRateAtKnot::go_on;
  if (name == "restart") return LearningRateAtKnot::restart;
  throw UsageError(fmt::format("unknown --lr-at-knot '{}': use continue or restart", name));
}

std::string_view name_of(LearningRateAtKnot choice) {
  return choice == LearningRateAtKnot::restart ? "restart" : "continue";
}

double Schedule::at(std::int64_t step) const {
  std::int64_t begin = 0;
  std::int64_t end = total_steps;
  if (at_knot == LearningRateAtKnot::restart) {
    // A knot at n is tied after n steps: the step numbered n is the new link's first.
    const auto next = std::upper_bound(knots.begin(), knots.end(), step);
    if (next != knots.begin()) begin = *(next - 1);
    if (next != knots.end()) end = *next;
  }
  return learning_rate * factor(kind, step - begin, warmup_steps, end - begin);
}

std::int64_t Schedule::shortest_pass() const {
  if (at_knot == LearningRateAtKnot::go_on) return total_steps;
  std::int64_t shortest = total_steps;
  std::int64_t begin = 0;
  for (const std::int64_t knot : knots) {
    shortest = std::min(shortest, knot - begin);
    begin = knot;
  }
  return std::min(shortest, total_steps - begin);
}

}  // namespace cola
