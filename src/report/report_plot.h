#pragma once
#include <span>
#include <string>
#include <vector>

#include "report/report_data.h"

namespace cola {

/// A plot of the page: gnuplot draws `script`.
struct ReportPlot {
  std::string name;     ///< of its file, without .svg
  std::string heading;  ///< not yet escaped
  std::string script;
};

/// Curves of one colour and one entry in the legend: a run, or a method's runs over the seeds.
struct CurveGroup {
  std::string label;
  std::vector<const RunReport*> runs;
};

inline constexpr std::size_t most_groups_in_a_plot = 8;  ///< as many colours as can be told apart

/// Training loss, dev loss and dev score against the step, as far as the runs have them, with knots as
/// vertical lines. At most `most_points` of a curve are drawn: more become means over equal stretches.
/// `name` begins the plots' names (letters, digits, dashes), `heading` their headings; at most
/// most_groups_in_a_plot groups.
[[nodiscard]] std::vector<ReportPlot> curve_plots(const std::string& name, const std::string& heading,
                                                  std::span<const CurveGroup> groups,
                                                  std::size_t most_points);

/// Score against chain length with the spread over seeds as error bars: a plot for each task that has two
/// chain lengths or more.
[[nodiscard]] std::vector<ReportPlot> chain_length_plots(const SweepReport& sweep);

}  // namespace cola
