#pragma once
#include <filesystem>
#include <string>

#include "sweep/plan.h"
#include "sweep/sweep_folder.h"

namespace cola {

/// One command a line for each trial that is not finished: for xargs, GNU parallel or any scheduler.
[[nodiscard]] std::string emit_commands(const SweepPlan& plan, const SweepFolder& folder,
                                        const std::filesystem::path& program);

/// A job array script for Slurm over the trials that are not finished: a task each, several where there are
/// more trials than an array may have tasks. Throws Error where all are.
[[nodiscard]] std::string emit_slurm(const SweepPlan& plan, const SweepFolder& folder,
                                     const std::filesystem::path& program);

/// In single quotes, as one word of a POSIX shell.
[[nodiscard]] std::string shell_quoted(const std::string& text);

}  // namespace cola
