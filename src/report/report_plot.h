#pragma once
#include <span>
#include <string>
#include <vector>

#include "report/plot_script.h"
#include "report/report_data.h"

namespace cola {

/// Curves of one colour and one entry in the legend: a run, or a method's runs over the seeds.
struct CurveGroup {
  std::string label;
  std::vector<const RunReport*> runs;
};

/// Training loss, dev loss and dev score against the step, as far as the runs have them, with knots as
/// vertical lines. A group of several runs is its mean (seed_band()) with a band from the lowest to the
/// highest. At most `most_points` of a curve are drawn: more become means over equal stretches. `name` begins
/// the plots' names (letters, digits, dashes), `heading` their headings; at most most_groups_in_a_plot
/// groups.
[[nodiscard]] std::vector<ReportPlot> curve_plots(const std::string& name, const std::string& heading,
                                                  std::span<const CurveGroup> groups,
                                                  std::size_t most_points);

/// Score against chain length with the spread over seeds as error bars: a plot for each task that has two
/// chain lengths or more.
[[nodiscard]] std::vector<ReportPlot> chain_length_plots(const SweepReport& sweep);

inline constexpr std::size_t most_pairs_in_a_plot = 20;

/// The differences of the paired tests with their 95 % intervals, one line a pair, and where zero is: all
/// tasks in one plot, or a plot a task where there are more than most_pairs_in_a_plot. Of more than that in
/// a task those with the row that gains are over are drawn, and the note says how many are left out.
[[nodiscard]] std::vector<ReportPlot> difference_plots(const SweepReport& sweep);

/// Dev and test score against the learning rate, for each task with a row of several rates.
[[nodiscard]] std::vector<ReportPlot> rate_plots(const SweepReport& sweep);

}  // namespace cola
