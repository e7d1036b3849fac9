#include "sweep/emit.h"

#include <fmt/format.h>

#include "core/error.h"

namespace cola {
namespace {

constexpr std::int64_t most_array_tasks = 1000;  // Slurm's default MaxArraySize is 1001

std::string command(const SweepFolder& folder, const std::filesystem::path& program) {
  return fmt::format("{} sweep --out {} --trial", shell_quoted(program.string()),
                     shell_quoted(folder.root.string()));
}

std::string one_trial(const std::string& command) {
  return fmt::format("exec {} \"${{trials[${{SLURM_ARRAY_TASK_ID:?is set by sbatch}}]}}\"\n", command);
}

/// One after another. A signal comes to the shell, which passes it on and starts no more.
std::string several_trials(const std::string& command, std::int64_t each) {
  return fmt::format(
      "first=$((${{SLURM_ARRAY_TASK_ID:?is set by sbatch}} * {0}))\n"
      "status=0 stopped=\n"
      "trap 'stopped=1; kill -TERM \"$child\"' TERM\n"
      "for trial in \"${{trials[@]:first:{0}}}\"; do\n"
      "  {1} \"$trial\" &\n"
      "  child=$!\n"
      "  wait \"$child\" || status=1\n"
      "  [ -z \"$stopped\" ] || {{ wait \"$child\"; exit 1; }}\n"
      "done\n"
      "exit $status\n",
      each, command);
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
  const std::int64_t each = (count + most_array_tasks - 1) / most_array_tasks;
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
      "trials=(\n{})\n{}",
      plan.name, (count + each - 1) / each - 1, plan.threads, trials,
      each == 1 ? one_trial(command(folder, program)) : several_trials(command(folder, program), each));
}

}  // namespace cola
