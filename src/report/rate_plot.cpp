#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <set>

#include "report/report_plot.h"
#include "report/report_text.h"

namespace cola {
namespace {

constexpr std::size_t most_lines = 4;  // of a plot: each is two, on dev and on test

/// The tries of one row with the same options but for the rate, by rate.
struct RateLine {
  std::string label;
  std::vector<const RateRow*> tries;
};

/// Whether the rate can stand on a logarithmic axis; files of strangers may have any.
bool is_drawable(double rate) { return rate > 1e-30 && rate < 1e30; }

/// Of the task's rows that have several rates.
std::vector<RateLine> rate_lines(const SweepReport& sweep, const std::string& task) {
  std::map<std::string, std::set<double>> rates;
  for (const RateRow& rate : sweep.rates)
    if (rate.task == task && is_drawable(rate.learning_rate)) rates[rate.label].insert(rate.learning_rate);
  std::vector<RateLine> lines;
  for (const RateRow& rate : sweep.rates) {
    if (rate.task != task || rates[rate.label].size() < 2 || !is_drawable(rate.learning_rate)) continue;
    const std::string label = rate.label + rate.tuned;
    auto line = std::ranges::find(lines, label, &RateLine::label);
    if (line == lines.end()) line = lines.insert(lines.end(), RateLine{label, {}});
    line->tries.push_back(&rate);
  }
  std::erase_if(lines, [](const RateLine& line) {  // nothing has finished: nothing to draw
    return std::ranges::none_of(line.tries,
                                [](const RateRow* rate) { return rate->mean || rate->dev_score; });
  });
  for (RateLine& line : lines) std::ranges::stable_sort(line.tries, {}, &RateRow::learning_rate);
  return lines;
}

/// Scores are in percent where a scored row of the task says that they are shares, or none says anything.
double scale_of(const SweepReport& sweep, const std::string& task) {
  for (const ScoreRow& row : sweep.rows)
    if (row.task == task && row.scored()) return is_share(row.metric) ? 100.0 : 1.0;
  return 100.0;
}

/// The axis from the lowest to the highest rate with a margin, and a tic at each rate as far as they fit.
void set_rate_axis(std::span<const RateLine> lines, PlotScript& script) {
  std::set<double> rates;
  for (const RateLine& line : lines)
    for (const RateRow* rate : line.tries) rates.insert(rate->learning_rate);
  const double low = *rates.begin(), high = *rates.rbegin(), margin = std::pow(high / low, 0.08);
  script.set(fmt::format("set logscale x\nset xrange [{:.6g}:{:.6g}]\nset offsets 0,0,graph 0.06,graph 0.2",
                         low / margin, high * margin));
  if (rates.size() > 6) {
    script.set("set format x '%.0e'");
    return;
  }
  std::string tics;
  for (const double rate : rates)
    tics += fmt::format("{}'{:.3g}' {:.6g}", tics.empty() ? "" : ", ", rate, rate);
  script.set("set xtics (" + tics + ")");
}

/// Draws one line's test scores with bars, its dev scores, the chosen one's ring and the crosses of what
/// diverged. `shift` is a factor near one, so that the bars of two lines do not cover each other.
void add_line(const RateLine& line, std::size_t index, double shift, double scale, PlotScript& script) {
  std::string test, dev, chosen;
  const std::string colour = plot_colours.at(index);
  for (const RateRow* rate : line.tries) {
    const double x = shift * rate->learning_rate;
    if (rate->mean)
      test +=
          fmt::format("{:.6g} {:.6g} {:.6g}\n", x, scale * *rate->mean, scale * rate->spread.value_or(0.0));
    if (rate->dev_score) dev += fmt::format("{:.6g} {:.6g}\n", x, scale * *rate->dev_score);
    const std::optional<double> height = rate->mean ? rate->mean : rate->dev_score;
    if (rate->chosen && height) chosen += fmt::format("{:.6g} {:.6g}\n", x, scale * *height);
    if (rate->diverged)
      script.set(fmt::format("set label '' at first {:.6g}, graph {:.2f} point pt 2 ps 0.8 lw 2 lc rgb '{}'",
                             x, 0.04 + 0.05 * static_cast<double>(index), colour));
  }
  if (!dev.empty())
    script.add(fmt::format("{} using 1:2 with linespoints dt 2 lw 1.2 pt 6 ps 0.5 lc rgb '{}'",
                           script.data(dev), colour));
  if (!test.empty())
    script.add(fmt::format("{} using 1:2:3 with yerrorlines lw 1.8 pt 7 ps 0.6 lc rgb '{}'",
                           script.data(test), colour));
  if (!chosen.empty())
    script.add(
        fmt::format("{} using 1:2 with points pt 6 ps 1.5 lw 2 lc rgb '{}'", script.data(chosen), colour));
  script.add_to_legend(colour, true, line.label);
}

ReportPlot rate_plot(std::span<const RateLine> lines, double scale) {
  PlotScript script;
  set_rate_axis(lines, script);
  bool diverged = false, several = false;
  for (std::size_t i = 0; i < lines.size(); ++i) {
    const double shift = 1.0 + 0.03 * (static_cast<double>(i) - 0.5 * static_cast<double>(lines.size() - 1));
    add_line(lines[i], i, shift, scale, script);
    for (const RateRow* rate : lines[i].tries) {
      diverged = diverged || rate->diverged;
      several = several || rate->spread;
    }
  }
  ReportPlot plot = script.finish("learning rate", scale == 1.0 ? "score" : "score in %");
  plot.note =
      "Solid: on test, which took no part in the choice. Dashed: on dev. Ring: the rate that was chosen.";
  if (several) plot.note += " Means over the seeds; bars: the sample standard deviation.";
  if (diverged) plot.note += " Crosses at the foot: rates whose training diverged.";
  return plot;
}

}  // namespace

std::vector<ReportPlot> rate_plots(const SweepReport& sweep) {
  std::vector<std::string> tasks;
  for (const RateRow& rate : sweep.rates)
    if (std::ranges::find(tasks, rate.task) == tasks.end()) tasks.push_back(rate.task);
  std::vector<ReportPlot> plots;
  for (std::size_t i = 0; i < tasks.size(); ++i) {
    const std::vector<RateLine> lines = rate_lines(sweep, tasks[i]);
    const std::size_t parts = (lines.size() + most_lines - 1) / most_lines;
    for (std::size_t part = 0; part < parts; ++part) {
      const std::size_t first = part * most_lines;
      plots.push_back(rate_plot(std::span(lines).subspan(first, std::min(most_lines, lines.size() - first)),
                                scale_of(sweep, tasks[i])));
      plots.back().name = fmt::format("rates-{}-{}", i + 1, part + 1);
      plots.back().heading = tasks[i] + ": score against learning rate";
      if (parts > 1) plots.back().heading += fmt::format(", part {} of {}", part + 1, parts);
    }
  }
  return plots;
}

}  // namespace cola
