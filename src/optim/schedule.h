#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace cola {

enum class ScheduleKind : std::uint8_t { linear, cosine, constant };
[[nodiscard]] ScheduleKind parse_schedule(std::string_view name);  ///< throws UsageError
[[nodiscard]] std::string_view name_of(ScheduleKind kind);

/// What happens to the learning rate at a knot: the run's one schedule goes on, or each link has its own
/// (with its own warm-up of `warmup_steps`).
enum class LearningRateAtKnot : std::uint8_t { go_on, restart };
[[nodiscard]] LearningRateAtKnot parse_learning_rate_at_knot(
    std::string_view name);  ///< "continue", "restart"
[[nodiscard]] std::string_view name_of(LearningRateAtKnot choice);

/// Hugging Face's get_{linear,cosine,constant}_schedule_with_warmup: the factor for the update number `step`
/// (from 0) is (step / warmup) during warm-up, then linear to zero, half a cosine to zero, or one. `constant`
/// is their constant_with_warmup: their "constant" has no warm-up whatever warmup_steps says.
struct Schedule {
  ScheduleKind kind = ScheduleKind::linear;
  double learning_rate = 1e-4;
  std::int64_t warmup_steps = 0;
  std::int64_t total_steps = 0;
  LearningRateAtKnot at_knot = LearningRateAtKnot::go_on;
  std::vector<std::int64_t> knots;  ///< optimizer steps done when each knot is tied, increasing

  [[nodiscard]] double at(std::int64_t step) const;
};

/// What a user should be told of a warm-up that the run, or a link of it, never leaves, a line each: which
/// steps, and the highest learning rate they have; where that is 0, that nothing is trained. Links are those
/// between `schedule.knots`, numbered from `first_link`: with --knots auto, whose knots are not known, and
/// for one link, the run alone is told of.
[[nodiscard]] std::vector<std::string> warm_up_notes(const Schedule& schedule, std::int64_t first_link = 1);

}  // namespace cola
