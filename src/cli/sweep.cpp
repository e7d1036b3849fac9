// cola sweep
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <memory>
#include <optional>
#include <utility>

#include "cli/output.h"
#include "cli/verbs.h"
#include "core/error.h"
#include "core/progress.h"
#include "io/file_lock.h"
#include "io/files.h"
#include "sweep/emit.h"
#include "sweep/plan.h"
#include "sweep/plan_checks.h"
#include "sweep/plan_file.h"
#include "sweep/render.h"
#include "sweep/results.h"
#include "sweep/results_json.h"
#include "sweep/runner.h"
#include "sweep/trial.h"

namespace cola {
namespace {

struct SweepVerb {
  std::string plan, out;
  std::optional<std::string> trial, emit;
  std::vector<std::string> settings;
  int workers = 1;
  std::int64_t parent = 0;
  bool dry_run = false, collect = false, quiet = false, json = false;
};

constexpr std::size_t largest_plan = std::size_t{1} << 20;

struct OpenedPlan {
  SweepPlan plan;
  std::vector<std::int64_t> work;
};

/// From the plan file, or from the folder's own; with `check` all that is wrong with it is refused, and what
/// is odd is said.
OpenedPlan open_plan(const SweepVerb& verb, const SweepFolder& folder, bool check) {
  const std::filesystem::path file = verb.plan.empty() ? folder.plan() : std::filesystem::path(verb.plan);
  if (verb.plan.empty() && !std::filesystem::exists(file))
    throw UsageError(
        fmt::format("{} has no plan.toml: name a plan, cola sweep PLAN.toml --out DIR", verb.out));
  const std::string resolved = resolve_plan(read_text_file(file, largest_plan), file.string(), verb.settings);
  Problems problems;
  OpenedPlan opened{expand_plan(resolved, problems), {}};
  PlanOutlook outlook;
  if (check) outlook = check_plan_data(opened.plan, problems);
  problems.refuse(file.string());
  Progress progress(verb.quiet);
  for (const std::string& line : outlook.notes) progress.note("note: " + line);
  opened.work = std::move(outlook.work);
  return opened;
}

std::filesystem::path own_program() { return std::filesystem::read_symlink("/proc/self/exe"); }

void dry_run(const SweepVerb& verb, const SweepFolder& folder) {
  const SweepPlan plan = open_plan(verb, folder, true).plan;
  if (!verb.out.empty()) check_place(folder, plan.text);
  Json trials = Json::array();
  std::string text;
  std::size_t finished = 0;
  for (const SweepTrial& trial : plan.trials) {
    const bool done = !verb.out.empty() && folder.finished(trial.id);
    finished += done ? 1 : 0;
    trials.push_back({{"id", trial.id}, {"finished", done}});
    text += fmt::format("{}{}\n", trial.id, done ? "  finished" : "");
  }
  if (verb.json) {
    print_json({{"trials", trials}, {"count", plan.trials.size()}, {"finished", finished}});
    return;
  }
  print(text + fmt::format("{} trials: {} tasks, methods {}, {} seeds; {} finished\n", plan.trials.size(),
                           plan.tasks.size(), fmt::join(plan.methods, ", "), plan.seeds.size(), finished));
}

void run_one_trial(const SweepVerb& verb, const SweepFolder& folder) {
  if (verb.parent > 0) end_with_parent(verb.parent);
  const SweepPlan plan = open_plan(verb, folder, false).plan;
  for (const SweepTrial& trial : plan.trials) {
    if (trial.id == *verb.trial) return run_trial(folder, trial, verb.quiet || verb.parent > 0);
  }
  throw UsageError(fmt::format("--trial '{}': {} has no such trial (--dry-run lists them)", *verb.trial,
                               folder.plan().string()));
}

/// Throws Error after the tables are written where a trial has failed.
void print_results(const SweepVerb& verb, const SweepFolder& folder, const SweepPlan& plan) {
  const SweepTrials trials = read_trials(plan, folder);
  const SweepResults results = make_results(plan, trials);
  write_results(results, plan, trials, folder);
  if (verb.json) {
    print_json(results_json(results));
  } else {
    print(results_text(results) +
          fmt::format("\ntables: {}/results.{{txt,md,tex,csv,json}}, {{tests,rates,trials}}.csv\n",
                      folder.root.string()));
  }
  if (results.failed.empty()) return;
  const TrialNote& first = results.failed.front();
  throw Error(fmt::format("{} of {} trials failed; the first, {}:\n{}", results.failed.size(),
                          plan.trials.size(), folder.trial(first.trial).string(), first.text));
}

void run_sweep(const SweepVerb& verb, const SweepFolder& folder) {
  const auto [plan, work] = open_plan(verb, folder, true);
  check_place(folder, plan.text);
  const FileLock lock(
      folder.lock(),
      fmt::format("{} is in use by another sweep: wait for it, or choose another --out", verb.out), 0);
  place_plan(folder, plan.text);
  if (verb.emit) {
    print(*verb.emit == "slurm" ? emit_slurm(plan, folder, own_program())
                                : emit_commands(plan, folder, own_program()));
    return;
  }
  const RunnerOutcome outcome = run_trials(
      plan, folder, {.program = own_program(), .workers = verb.workers, .work = work, .quiet = verb.quiet});
  if (outcome.signal != 0)
    throw Error(fmt::format("stopped by a signal; go on with: cola sweep --out {}", folder.root.string()));
  print_results(verb, folder, plan);
}

void run_sweep_verb(const SweepVerb& verb) {
  const SweepFolder folder{verb.out.empty() ? std::filesystem::path()
                                            : std::filesystem::absolute(verb.out).lexically_normal()};
  if (verb.plan.empty() && verb.out.empty())
    throw UsageError("a plan is needed: cola sweep PLAN.toml --out DIR");
  if (verb.plan.empty() && !verb.settings.empty())
    throw UsageError("--set belongs to a plan file: a sweep's folder keeps the plan it was started with");
  if (verb.workers < 1) throw UsageError(fmt::format("--workers is {}: it must be 1 or more", verb.workers));
  if (verb.emit && *verb.emit != "slurm" && *verb.emit != "commands")
    throw UsageError(fmt::format("--emit '{}' is not one of: slurm, commands", *verb.emit));
  if (!verb.plan.empty() && (verb.trial || verb.collect))
    throw UsageError("--trial and --collect take the plan of --out: name no plan beside them");
  if (verb.dry_run) return dry_run(verb, folder);
  if (verb.out.empty()) throw UsageError("--out is needed: the sweep's folder");
  if (verb.trial) return run_one_trial(verb, folder);
  if (verb.collect) return print_results(verb, folder, open_plan(verb, folder, false).plan);
  run_sweep(verb, folder);
}

}  // namespace

void add_sweep(CLI::App& app) {
  CLI::App& verb = *app.add_subcommand("sweep", "run a plan of many trials and make its tables");
  const auto state = std::make_shared<SweepVerb>();
  verb.add_option("plan", state->plan, "plan, TOML (default: plan.toml of --out)")->type_name("PLAN");
  verb.add_option("--out", state->out, "the sweep's folder")->type_name("DIR");
  verb.add_option("--set", state->settings,
                  "values of the plan, several after one --set: model=DIR train.epochs=1")
      ->type_name("KEY=VALUE")
      ->expected(-1);
  verb.add_option("--workers", state->workers, "trials at a time; results do not depend on it")
      ->type_name("N")
      ->capture_default_str();
  CLI::Option* dry = verb.add_flag("--dry-run", state->dry_run, "check the plan and list its trials");
  CLI::Option* emit =
      verb.add_option("--emit", state->emit, "print what runs the trials elsewhere: slurm or commands")
          ->type_name("FORM");
  CLI::Option* collect = verb.add_flag("--collect", state->collect, "make the tables of what is finished");
  CLI::Option* trial =
      verb.add_option("--trial", state->trial, "run this trial of the folder's plan")->type_name("ID");
  emit->excludes(dry);
  collect->excludes(dry)->excludes(emit);
  trial->excludes(dry)->excludes(emit)->excludes(collect);
  verb.add_option("--parent", state->parent)->group("");  // end when that process does
  verb.add_flag("--quiet", state->quiet, "no progress on standard error");
  verb.add_flag("--json", state->json, "print the results as JSON");
  verb.callback([state] { run_sweep_verb(*state); });
}

}  // namespace cola
