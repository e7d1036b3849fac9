#pragma once
#include <cstdint>
#include <vector>

#include "sweep/plan.h"

namespace cola {

/// What needs model and data to be known: folders and files that are missing, malformed records, knots and
/// links that the run has no steps for. Returns an estimate of each trial's work, in arbitrary units above 0.
[[nodiscard]] std::vector<std::int64_t> check_plan_data(const SweepPlan& plan, Problems& problems);

}  // namespace cola
