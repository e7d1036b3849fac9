#pragma once
#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "sweep/plan.h"
#include "sweep/sweep_folder.h"

namespace cola {

struct RunnerOptions {
  std::filesystem::path program;   ///< this one, by name: PROGRAM sweep --out DIR --trial ID
  int workers = 1;                 ///< trials at a time
  std::vector<std::int64_t> work;  ///< of each trial, for the ETA (sweep/plan_checks.h)
  bool quiet = false;
};

struct RunnerOutcome {
  std::int64_t already_finished = 0, run = 0;
  std::vector<std::string> failed;  ///< ids
  int signal = 0;                   ///< that stopped it, or 0
};

/// Runs the trials that are not finished, each in a process of its own, which dies with this one. A trial
/// that fails leaves its messages in error.txt; the others go on. At SIGINT or SIGTERM the running ones are
/// told, saved and waited for. Only under the sweep's lock.
[[nodiscard]] RunnerOutcome run_trials(const SweepPlan& plan, const SweepFolder& folder,
                                       const RunnerOptions& options);

/// Ends this process when its parent, which must be process `parent`, ends.
void end_with_parent(std::int64_t parent);

}  // namespace cola
