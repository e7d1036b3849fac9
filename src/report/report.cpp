#include "report/report.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>

#include "core/error.h"
#include "io/durable_file.h"
#include "io/files.h"
#include "io/gnuplot.h"
#include "report/report_page.h"
#include "report/report_plot.h"
#include "report/report_tables.h"
#include "report/report_text.h"

namespace cola {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t largest_page = 2'000'000;
constexpr std::size_t most_runs = 64;
constexpr std::size_t most_curve_points = 1000, most_points_of_page = 60'000;  // some 15 bytes each

bool is_sweep(const fs::path& folder) { return fs::exists(folder / sweep_results_name); }

void check_inputs(const std::vector<fs::path>& inputs) {
  if (inputs.empty()) throw UsageError("no run folder given");
  if (inputs.size() > most_runs)
    throw UsageError(fmt::format("{} run folders: a report shows at most {}", inputs.size(), most_runs));
  for (const fs::path& input : inputs) {
    if (!fs::is_directory(input)) throw UsageError(input.string() + ": no such folder");
    if (is_sweep(input) && inputs.size() > 1)
      throw UsageError(input.string() + " is a sweep: a report is about one sweep alone, or about runs");
    if (!is_sweep(input) && fs::is_directory(input / "trials")) {
      throw UsageError(fmt::format("{}: a sweep without {}: make it with cola sweep --collect",
                                   input.string(), sweep_results_name));
    }
  }
}

fs::path plots_folder(const fs::path& page) { return parent_of(page) / (page.stem().string() + "_files"); }

void check_output(const fs::path& page) {
  if (page.filename().empty() || fs::is_directory(page))
    throw UsageError(page.string() + ": --out names a folder");
  if (page.extension() != ".html") throw UsageError(page.string() + ": --out must end in .html");
  require_writable_folder(parent_of(page));
  const fs::path plots = plots_folder(page);
  if (!fs::exists(plots)) return;
  if (!fs::is_directory(plots)) throw UsageError(plots.string() + " is in the way: not a folder");
  for (const auto& entry : fs::directory_iterator(plots)) {
    if (entry.path().extension() != ".svg") {
      throw UsageError(fmt::format("{}: not a plot, in the folder that the plots go to: choose another --out",
                                   entry.path().string()));
    }
  }
}

fs::path whole_path(const RunReport& run) {
  const fs::path path = fs::absolute(run.folder).lexically_normal();
  return path.has_filename() ? path : path.parent_path();
}

/// The last components of the paths, as many as tell them apart; a folder given twice gets a number.
void name_runs(std::vector<RunReport>& runs) {
  std::set<fs::path> paths;
  for (const RunReport& run : runs) paths.insert(whole_path(run));
  std::set<std::string> names;
  bool longer = true;  // whether some name can have another component
  for (int parts = 1; longer && names.size() < paths.size(); ++parts) {
    names.clear();
    longer = false;
    for (RunReport& run : runs) {
      fs::path name, rest = whole_path(run);
      for (int i = 0; i < parts && rest.has_filename(); ++i, rest = rest.parent_path())
        name = name.empty() ? rest.filename() : rest.filename() / name;
      run.name = shown_text(name.string());
      longer = longer || rest.has_filename();
      names.insert(run.name);
    }
  }
  std::map<std::string, int> used;
  for (RunReport& run : runs) {
    const int number = ++used[run.name];
    if (number > 1) run.name += fmt::format(" ({})", number);
  }
}

std::size_t points_a_curve(std::size_t curves) {
  return std::clamp(most_points_of_page / std::max<std::size_t>(curves, 1), std::size_t{50},
                    most_curve_points);
}

/// Plots of groups, as many to a plot as have colours.
void add_curve_plots(std::vector<ReportPlot>& plots, const std::string& name, const std::string& heading,
                     std::span<const CurveGroup> groups, std::size_t most_points) {
  const std::size_t parts = (groups.size() + most_groups_in_a_plot - 1) / most_groups_in_a_plot;
  for (std::size_t part = 0; part < parts; ++part) {
    const std::size_t first = part * most_groups_in_a_plot;
    const auto some = groups.subspan(first, std::min(most_groups_in_a_plot, groups.size() - first));
    const std::string of = parts > 1 ? fmt::format("part {} of {}", part + 1, parts) : "";
    auto made = curve_plots(fmt::format("{}-{}", name, part + 1),
                            fmt::format("{}{}{}", heading, heading.empty() || of.empty() ? "" : ", ", of),
                            some, most_points);
    std::ranges::move(made, std::back_inserter(plots));
  }
}

struct Report {
  ReportPage page;
  std::vector<RunReport> runs;
  std::vector<ReportPlot> plots;
};

Report report_of_runs(const std::vector<fs::path>& inputs) {
  Report report;
  for (const fs::path& input : inputs) report.runs.push_back(read_run_report(input));
  name_runs(report.runs);
  std::vector<CurveGroup> groups;
  for (const RunReport& run : report.runs) groups.push_back({run.name, {&run}});
  add_curve_plots(report.plots, "runs", "", groups, points_a_curve(3 * groups.size()));
  report.page.title = "cola report";
  report.page.subtitle = fmt::format("{} run{}", report.runs.size(), report.runs.size() == 1 ? "" : "s");
  report.page.tables = runs_table(report.runs);
  return report;
}

/// The chosen trials that are run folders; zero-shot and in-context rows have none.
void read_chosen_trials(const fs::path& folder, const SweepReport& sweep, Report& report) {
  std::set<std::string> chosen;
  for (const ScoreRow& row : sweep.rows) chosen.insert(row.trials.begin(), row.trials.end());
  std::size_t left_out = 0;
  for (const std::string& trial : chosen) {
    const fs::path path = folder / "trials" / trial;
    if (!fs::exists(path / "log.jsonl")) continue;
    if (report.runs.size() == most_runs * 4) {
      ++left_out;
      continue;
    }
    report.runs.push_back(read_run_report(path));
    report.runs.back().name = shown_text(trial);
  }
  if (left_out > 0)
    report.page.notes.push_back(
        fmt::format("Curves and configurations of {} more trials are left out.", left_out));
}

void add_task_plots(const SweepReport& sweep, Report& report) {
  std::vector<std::string> tasks;
  for (const ScoreRow& row : sweep.rows) {
    if (std::ranges::find(tasks, row.task) == tasks.end()) tasks.push_back(row.task);
  }
  const std::size_t most_points = points_a_curve(9 * sweep.rows.size());  // three kinds of mean, low and high
  for (std::size_t i = 0; i < tasks.size(); ++i) {
    std::vector<CurveGroup> groups;
    for (const ScoreRow& row : sweep.rows) {
      if (row.task != tasks[i]) continue;
      CurveGroup group{row.label, {}};
      for (const RunReport& run : report.runs) {
        if (std::ranges::find(row.trials, run.folder.filename().string()) != row.trials.end())
          group.runs.push_back(&run);
      }
      if (!group.runs.empty()) groups.push_back(std::move(group));
    }
    add_curve_plots(report.plots, fmt::format("task-{}", i + 1), tasks[i], groups, most_points);
  }
}

/// How many trials are not in the page, or not to be trusted blindly; the table of trials names them.
void add_trial_notes(const SweepReport& sweep, std::vector<std::string>& notes) {
  const auto add = [&](std::size_t count, const char* what) {
    if (count > 0) notes.push_back(fmt::format("{} trial{} {}.", count, count == 1 ? "" : "s", what));
  };
  add(sweep.failed.size(), "failed");
  add(sweep.missing.size(), sweep.tells_failed ? "not finished" : "not finished, or failed");
  add(sweep.diverged.size(), "diverged in training, whose rates are never chosen");
  if (!sweep.warnings.empty())
    notes.push_back(fmt::format("Warnings on the rows' trials: {}.", sweep.warnings.size()));
}

Report report_of_sweep(const fs::path& folder) {
  const SweepReport sweep = read_sweep_report(folder);
  Report report;
  read_chosen_trials(folder, sweep, report);
  report.plots = difference_plots(sweep);
  std::ranges::move(rate_plots(sweep), std::back_inserter(report.plots));
  std::ranges::move(chain_length_plots(sweep), std::back_inserter(report.plots));
  add_task_plots(sweep, report);
  report.page.title = sweep.name.empty() ? "cola sweep" : sweep.name;
  report.page.subtitle =
      fmt::format("A sweep of {}; {} seed{}. Curves are those of the chosen learning rates.",
                  sweep.model.empty() ? "one model" : sweep.model, sweep.seeds, sweep.seeds == 1 ? "" : "s");
  add_trial_notes(sweep, report.page.notes);
  report.page.tables = overview_table(sweep) + differences_table(sweep) + tests_table(sweep) +
                       scores_table(sweep) + official_table(sweep) + rates_table(sweep) + costs_table(sweep) +
                       trials_table(sweep);
  return report;
}

}  // namespace

ReportResult write_report(const std::vector<fs::path>& inputs, const fs::path& page) {
  check_inputs(inputs);
  check_output(page);
  require_gnuplot();
  Report report = is_sweep(inputs.front()) ? report_of_sweep(inputs.front()) : report_of_runs(inputs);
  for (const RunReport& run : report.runs) report.page.configurations.push_back(&run);
  std::string html;
  write_folder(plots_folder(page), [&](const fs::path& folder) {
    for (const ReportPlot& plot : report.plots) {
      const std::string svg = with_texts(svg_plot(plot.script, plot.name), plot.texts);
      write_text_file(folder / (plot.name + ".svg"), standalone_svg(svg));
      report.page.plots.push_back({plot.name, plot.heading, plot.note, svg});
    }
    html = html_page(report.page);
    if (html.size() > largest_page) {
      throw Error(fmt::format("{}: the page would have {} bytes, more than {}: give fewer runs",
                              page.string(), html.size(), largest_page));
    }
  });
  write_text_file(page, html);
  return {page, plots_folder(page), static_cast<std::int64_t>(report.plots.size()),
          static_cast<std::int64_t>(report.runs.size()), html.size()};
}

}  // namespace cola
