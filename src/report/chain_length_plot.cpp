#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <map>
#include <numeric>
#include <set>

#include "report/report_plot.h"
#include "report/report_text.h"

namespace cola {
namespace {

/// The points of one line of a chain-length plot.
using ChainSeries = std::map<std::string, std::vector<const ScoreRow*>>;

double chain_length(const ScoreRow& row) {
  return std::accumulate(row.links.begin(), row.links.end(), 0.0) /
         static_cast<double>(std::max<std::size_t>(row.links.size(), 1));
}

bool shares_a_length(const std::vector<const ScoreRow*>& rows) {
  std::set<double> lengths;
  return !std::ranges::all_of(rows,
                              [&](const ScoreRow* row) { return lengths.insert(chain_length(*row)).second; });
}

/// Lines whose rows share a chain length, split by name.
void split_series(ChainSeries& all, const std::function<std::string(const ScoreRow&)>& name) {
  ChainSeries split;
  for (const auto& [label, rows] : all) {
    const bool whole = !shares_a_length(rows);
    for (const ScoreRow* row : rows) split[whole ? label : name(*row)].push_back(row);
  }
  all = std::move(split);
}

/// A line has one point for each length. Rows that differ in their chain alone are one line; where two of
/// them share a length they are lines by method, and where that is not enough each is its own.
ChainSeries chain_series(const std::vector<const ScoreRow*>& rows) {
  ChainSeries all;
  for (const ScoreRow* row : rows) all[row->chain_series].push_back(row);
  split_series(all, [](const ScoreRow& row) {
    return row.chain_series.empty() ? row.method : row.method + ", " + row.chain_series;
  });
  split_series(all, [](const ScoreRow& row) { return row.label; });
  for (auto& [label, line] : all)
    std::ranges::stable_sort(line, {}, [](const ScoreRow* row) { return chain_length(*row); });
  return all;
}

ReportPlot chain_plot(const ChainSeries& all, double scale, const std::string& y_label) {
  PlotScript script;
  std::size_t index = 0;
  double longest = 1.0;
  bool several = false;  // seeds
  const std::size_t shown = std::min(all.size(), most_groups_in_a_plot);
  for (const auto& [label, rows] : all) {
    if (index == shown) break;
    // Side by side, so that the error bars of two lines do not cover each other.
    const double shift = 0.06 * (static_cast<double>(index) - 0.5 * static_cast<double>(shown - 1));
    std::string lines;
    for (const ScoreRow* row : rows) {
      lines += fmt::format("{:.4g} {:.6g} {:.6g}\n", chain_length(*row) + shift, scale * row->mean,
                           scale * row->spread);
      longest = std::max(longest, chain_length(*row));
      several = several || row->scores.size() > 1;
    }
    const std::string colour = plot_colours.at(index);
    script.add(fmt::format("{} using 1:2:3 with yerrorlines lw 1.8 pt 7 ps 0.6 lc rgb '{}'",
                           script.data(lines), colour));
    script.add_to_legend(colour, true,
                         !label.empty()                    ? label
                         : rows.front()->scores.size() < 2 ? "score of one seed"
                                                           : "mean and spread over the seeds");
    ++index;
  }
  script.set(fmt::format("set xrange [0.5:{:.0f}.5]\nset xtics 1\nset offsets 0,0,graph 0.08,graph 0.08",
                         std::ceil(longest)));
  ReportPlot plot = script.finish("links of the chain", y_label);
  if (several) plot.note = "Bars: the sample standard deviation over the seeds.";
  if (all.size() > shown) plot.note += fmt::format(" {} more lines are left out.", all.size() - shown);
  return plot;
}

}  // namespace

std::vector<ReportPlot> chain_length_plots(const SweepReport& sweep) {
  std::map<std::string, std::vector<const ScoreRow*>> tasks;
  std::vector<std::string> order;
  for (const ScoreRow& row : sweep.rows) {
    if (!row.scored()) continue;
    const double length = chain_length(row);
    if (length < 1.0 || length > 1000.0) continue;
    if (!tasks.contains(row.task)) order.push_back(row.task);
    tasks[row.task].push_back(&row);
  }
  std::vector<ReportPlot> plots;
  for (std::size_t i = 0; i < order.size(); ++i) {
    std::set<double> lengths;
    for (const ScoreRow* row : tasks[order[i]]) lengths.insert(chain_length(*row));
    if (lengths.size() < 2) continue;
    const ChainSeries all = chain_series(tasks[order[i]]);
    const ScoreRow& first = *all.begin()->second.front();
    const bool percent = is_share(first.metric);
    ReportPlot plot = chain_plot(all, percent ? 100.0 : 1.0, percent ? "score in %" : "score");
    plot.name = fmt::format("chain-length-{}", i + 1);
    plot.heading = order[i] + ": score against chain length";
    plots.push_back(std::move(plot));
  }
  return plots;
}

}  // namespace cola
