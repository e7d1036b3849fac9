#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "report/report_plot.h"
#include "report/report_text.h"

namespace cola {
namespace {

using Pairs = std::vector<const PairedTest*>;

constexpr int name_line = 17, interval_line = 20;
constexpr double names_width = (plot_width - 36.0) / plot_font_size;

/// Whether one of the two is the row that the task's gains are over.
bool has_base(const PairedTest& test, const SweepReport& sweep) {
  return std::ranges::any_of(sweep.rows, [&](const ScoreRow& row) {
    return row.task == test.task && !row.gain_over.empty() &&
           ((row.label == test.a && row.gain_over == test.b) ||
            (row.label == test.b && row.gain_over == test.a));
  });
}

/// "lora − cola: +1.20 (-0.40 to +2.80)" in lines; the numbers stay together.
std::vector<std::string> pair_lines(const PairedTest& test, bool name_task) {
  std::vector<std::string> lines =
      wrapped(fmt::format("{}{} − {}:", name_task ? test.task + ": " : "", test.a, test.b), names_width);
  const std::string numbers = fmt::format("{:+.2f} ({:+.2f} to {:+.2f})", 100.0 * *test.difference,
                                          100.0 * *test.low, 100.0 * *test.high);
  if (text_width(lines.back() + " " + numbers) > names_width) {
    lines.push_back(numbers);
  } else {
    lines.back() += " " + numbers;
  }
  return lines;
}

/// Reserves lines of height for the pair and draws it; `top` is the first free pixel from above.
void add_pair(const PairedTest& test, bool name_task, int& top, std::string& points, PlotScript& script) {
  for (std::string& line : pair_lines(test, name_task)) {
    top += name_line;
    script.set(fmt::format("set label {} at graph 0, first {} left font ',{}' front",
                           script.text(std::move(line)), top - name_line / 2, plot_font_size));
  }
  points += fmt::format("{:.6g} {} {:.6g} {:.6g}\n", 100.0 * *test.difference, top + interval_line / 2 - 2,
                        100.0 * *test.low, 100.0 * *test.high);
  top += interval_line;
}

ReportPlot pair_plot(const Pairs& pairs, bool name_task) {
  PlotScript script;
  std::string points;
  int top = 0;
  double low = 0.0, high = 0.0;  // zero is always in sight
  for (const PairedTest* test : pairs) {
    add_pair(*test, name_task, top, points, script);
    low = std::min(low, 100.0 * *test->low);
    high = std::max(high, 100.0 * *test->high);
  }
  const double margin = std::max(0.06 * (high - low), 0.1);
  script.set(
      fmt::format("set xrange [{:.6g}:{:.6g}]\nset yrange [{}:0]\n"
                  "set arrow from first 0, graph 0 to first 0, graph 1 nohead lw 1.5 lc rgb '#888888' back",
                  low - margin, high + margin, top));
  script.add(fmt::format("{} using 1:2:3:4 with xerrorbars pt 7 ps 0.6 lw 2 lc rgb '{}'", script.data(points),
                         plot_colours.front()));
  return script.finish_wide("difference A − B in points", top + 6);
}

/// Of the pairs as many as a plot holds; `note` says what is left out.
Pairs chosen_pairs(const Pairs& all, const SweepReport& sweep, std::string& note) {
  if (all.size() <= most_pairs_in_a_plot) return all;
  Pairs chosen;
  std::ranges::copy_if(all, std::back_inserter(chosen),
                       [&](const PairedTest* test) { return has_base(*test, sweep); });
  const bool by_base = !chosen.empty();
  if (!by_base) chosen = all;
  const bool cut = chosen.size() > most_pairs_in_a_plot;
  if (cut) chosen.resize(most_pairs_in_a_plot);
  note += fmt::format(" Of {} pairs {}{} are drawn; the table has all.", all.size(),
                      cut ? fmt::format("the first {}", chosen.size()) : fmt::format("the {}", chosen.size()),
                      by_base ? " with the row that gains are over" : "");
  return chosen;
}

ReportPlot difference_plot(const Pairs& all, const SweepReport& sweep, bool name_task, std::size_t without) {
  std::string note = "95 % intervals over questions, each for itself: not adjusted for their number.";
  if (without > 0)
    note += fmt::format(" Pairs that differ on no question, or on all by the same, have none: {}.", without);
  ReportPlot plot = pair_plot(chosen_pairs(all, sweep, note), name_task);
  plot.note = std::move(note);
  return plot;
}

/// Tests of the task, or of all tasks for null, that have an interval; `without` counts the paired ones that
/// do not.
Pairs drawable(const SweepReport& sweep, const std::string* task, std::size_t& without) {
  Pairs pairs;
  without = 0;
  for (const PairedTest& test : sweep.tests) {
    if (!test.reason.empty() || (task != nullptr && test.task != *task)) continue;
    if (test.difference && test.low) {
      pairs.push_back(&test);
    } else if (test.difference) {
      ++without;
    }
  }
  return pairs;
}

}  // namespace

std::vector<ReportPlot> difference_plots(const SweepReport& sweep) {
  std::vector<std::string> tasks;
  for (const PairedTest& test : sweep.tests)
    if (std::ranges::find(tasks, test.task) == tasks.end()) tasks.push_back(test.task);
  std::vector<ReportPlot> plots;
  std::size_t without = 0;
  const Pairs all = drawable(sweep, nullptr, without);
  if (all.empty()) return plots;
  if (all.size() <= most_pairs_in_a_plot) {
    plots.push_back(difference_plot(all, sweep, tasks.size() > 1, without));
    plots.back().name = "differences";
    plots.back().heading = "Differences between methods";
    return plots;
  }
  for (std::size_t i = 0; i < tasks.size(); ++i) {
    const Pairs pairs = drawable(sweep, &tasks[i], without);
    if (pairs.empty()) continue;
    plots.push_back(difference_plot(pairs, sweep, false, without));
    plots.back().name = fmt::format("differences-{}", i + 1);
    plots.back().heading = tasks[i] + ": differences between methods";
  }
  return plots;
}

}  // namespace cola
