#include "optim/schedule.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <numbers>
#include <span>

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

std::string note_of_run(const Schedule& schedule) {
  if (schedule.total_steps == 1) {
    return fmt::format("--warmup-steps {}: the run's only step has learning rate 0: nothing is trained",
                       schedule.warmup_steps);
  }
  return fmt::format(
      "--warmup-steps {} are not over within the {} steps of the run: its learning rate reaches {:.4g}, not "
      "{}",
      schedule.warmup_steps, schedule.total_steps, schedule.at(schedule.total_steps - 1),
      schedule.learning_rate);
}

/// Links that end within their warm-up.
struct LinksInWarmUp {
  std::vector<std::string> names;
  double highest_rate = 0.0;

  /// A link of the updates from `begin` on, before `end`.
  void add(std::int64_t number, std::int64_t begin, std::int64_t end, double rate) {
    const std::string steps =
        end - begin == 1 ? fmt::format("step {}", end) : fmt::format("steps {} to {}", begin + 1, end);
    names.push_back(fmt::format("link {} ({})", number, steps));
    highest_rate = std::max(highest_rate, rate);
  }
  /// "link 1 (step 1), link 3 (steps 5 to 7)", of many the first four.
  [[nodiscard]] std::string text() const {
    const auto shown = std::span(names).first(std::min<std::size_t>(names.size(), 4));
    const std::string more =
        shown.size() < names.size() ? fmt::format(" and {} more", names.size() - shown.size()) : "";
    return fmt::format("{}{}", fmt::join(shown, ", "), more);
  }
};

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

std::vector<std::string> warm_up_notes(const Schedule& schedule, std::int64_t first_link) {
  const bool restarts = schedule.at_knot == LearningRateAtKnot::restart && !schedule.knots.empty();
  const bool whole_run = !restarts && schedule.total_steps <= schedule.warmup_steps;
  std::vector<std::string> notes;
  if (whole_run) notes.push_back(note_of_run(schedule));
  if (schedule.knots.empty()) return notes;
  LinksInWarmUp idle;
  LinksInWarmUp slow;
  std::int64_t begin = 0;
  for (std::size_t i = 0; i <= schedule.knots.size(); ++i) {
    const std::int64_t end = i < schedule.knots.size() ? schedule.knots[i] : schedule.total_steps;
    if ((restarts ? end - begin : end) <= schedule.warmup_steps) {
      const double rate = schedule.at(end - 1);
      (rate == 0.0 ? idle : slow).add(first_link + static_cast<std::int64_t>(i), begin, end, rate);
    }
    begin = end;
  }
  if (!idle.names.empty()) {
    notes.push_back(fmt::format("--warmup-steps {}: learning rate 0 throughout {}: nothing is trained there",
                                schedule.warmup_steps, idle.text()));
  }
  if (!slow.names.empty() && !whole_run) {
    notes.push_back(fmt::format(
        "--warmup-steps {} are not over within {}: the learning rate there reaches {:.4g}, not {}",
        schedule.warmup_steps, slow.text(), slow.highest_rate, schedule.learning_rate));
  }
  return notes;
}

}  // namespace cola
