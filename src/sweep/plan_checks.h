#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "sweep/plan.h"

namespace cola {

struct PlanOutlook {
  std::vector<std::int64_t> work;  ///< of each trial, estimated, in arbitrary units above 0
  std::vector<std::string> notes;  ///< warm-ups that a trial or a link never leaves: once a task and method
};

/// What needs model and data to be known: folders and files that are missing, malformed records, knots and
/// links that the run has no steps for.
[[nodiscard]] PlanOutlook check_plan_data(const SweepPlan& plan, Problems& problems);

}  // namespace cola
