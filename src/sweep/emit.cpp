#include "sweep/emit.h"

#include <fmt/format.h>

#include "core/error.h"

namespace cola {
namespace {

std::string command(const SweepFolder& folder, const std::filesystem::path& program) {
  return fmt::format("{} sweep --out {} --trial", shell_quoted(program.string()),
                     shell_quoted(folder.root.string()));
}

}  // namespace

std::string shell_quoted(const std::string& text) {
  std::string quoted = "'";
  for (const char letter : text) {
    if (letter == '\'') {
      quoted += "'\\''";
    } else {
      quoted += letter;
    }
  }
  return quoted + "'";
}

std::string emit_commands(const SweepPlan& plan, const SweepFolder& folder,
                          const std::filesystem::path& program) {
  std::string text;
  for (const SweepTrial& trial : plan.trials) {
    if (!folder.finished(trial.id))
      text += fmt::format("{} {}\n", command(folder, program), shell_quoted(trial.id));
  }
  return text;
}

std::string emit_slurm(const SweepPlan& plan, const SweepFolder& folder,
                       const std::filesystem::path& program) {
  std::string trials;
  std::int64_t count = 0;
  for (const SweepTrial& trial : plan.trials) {
    if (folder.finished(trial.id)) continue;
    trials += fmt::format("  {}\n", shell_quoted(trial.id));
    ++count;
  }
  if (count == 0) {
    throw Error(
        fmt::format("every trial is finished, so there is nothing to submit; the tables: cola sweep --out {} "
                    "--collect",
                    folder.root.string()));
  }
  return fmt::format(
      "#!/bin/bash\n"
      "#SBATCH --job-name=cola-{}\n"
      "#SBATCH --array=0-{}\n"
      "#SBATCH --cpus-per-task={}\n"
      "#SBATCH --signal=B:TERM@60\n"
      "# Memory and time are the cluster's defaults: sbatch --mem=8G --time=4:00:00 FILE sets them. A trial "
      "saves\n"
      "# where it is 60 s before its time ends; what is unfinished then: cola sweep --out DIR --emit slurm "
      "again.\n"
      "# When all have ended, cola sweep --out DIR --collect makes the tables.\n"
      "trials=(\n{})\n"
      "exec {} \"${{trials[${{SLURM_ARRAY_TASK_ID:?is set by sbatch}}]}}\"\n",
      plan.name, count - 1, plan.threads, trials, command(folder, program));
}

}  // namespace cola
