#include "report/report_plot.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <functional>
#include <map>
#include <numeric>
#include <set>

#include "report/report_text.h"

namespace cola {
namespace {

// Middle tones: legible on white and on black.
constexpr std::array<const char*, most_groups_in_a_plot> colours = {
    "#3a86d6", "#d9722b", "#2b9d66", "#c24d8f", "#8a6fe0", "#a08a1c", "#1f9aa8", "#d64545"};
constexpr std::size_t longest_label = 40;
constexpr int plot_width = 480, plot_height = 320, legend_line = 18;

/// Text of files in a script, which is a program: nothing but these characters, in single quotes.
std::string quoted(const std::string& text) {
  std::string safe;
  for (const char c : text.substr(0, longest_label)) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
    safe += plain || std::string_view(" ._-+=/:,()").find(c) != std::string_view::npos ? c : '?';
  }
  return "'" + safe + "'";
}

/// Points as a gnuplot data block.
std::string data_block(std::size_t index, const std::string& lines) {
  return fmt::format("$data{} << EOD\n{}EOD\n", index, lines);
}

std::string preamble(std::size_t legend_entries, const std::string& x_label, const std::string& y_label) {
  const int height = plot_height + legend_line * static_cast<int>(legend_entries);
  return fmt::format(
      "set terminal svg size {},{} font 'sans-serif,14'\nset encoding utf8\nset grid lc rgb '#888888' lw "
      "0.5\n"
      "set key outside bottom center Left reverse maxcols 1 samplen 2 noenhanced\n"
      "set lmargin 10\nset rmargin 2\nset tmargin 1\nset bmargin {:.1f}\n"
      "set xlabel '{}'\nset ylabel '{}'\nset tics nomirror\nset border 3\n",
      plot_width, height, 3.5 + 1.1 * static_cast<double>(legend_entries), x_label, y_label);
}

/// Means over equal stretches of the curve.
std::vector<CurvePoint> thinned(const std::vector<CurvePoint>& curve, std::size_t most) {
  if (curve.size() <= most) return curve;
  std::vector<CurvePoint> points;
  for (std::size_t i = 0; i < most; ++i) {
    const std::size_t first = i * curve.size() / most, last = (i + 1) * curve.size() / most;
    CurvePoint mean;
    for (std::size_t j = first; j < last; ++j) {
      mean.step += curve[j].step;
      mean.value += curve[j].value;
    }
    const auto count = static_cast<double>(last - first);
    points.push_back({mean.step / count, mean.value / count});
  }
  return points;
}

struct CurveKind {
  const char* name = nullptr;
  const char* heading = nullptr;
  const char* y_label = nullptr;
  const char* style = nullptr;
  std::vector<CurvePoint> RunReport::* curve = nullptr;
  double scale = 1.0;
};

/// Groups from the most knots to none: up to its first knot a chain is LoRA to the bit, and LoRA, which has
/// none, is drawn over it.
std::vector<std::size_t> drawing_order(std::span<const CurveGroup> groups) {
  std::vector<std::size_t> order(groups.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::ranges::stable_sort(order, std::ranges::greater(), [&](std::size_t i) {
    return groups[i].runs.empty() ? 0 : groups[i].runs.front()->knots.size();
  });
  return order;
}

std::string knot_lines(std::span<const CurveGroup> groups) {
  std::map<std::int64_t, std::string> colour_of;  // grey where several groups have the knot
  for (std::size_t i = 0; i < groups.size(); ++i) {
    for (const RunReport* run : groups[i].runs) {
      for (const std::int64_t knot : run->knots) {
        const auto [entry, is_new] = colour_of.try_emplace(knot, colours.at(i));
        if (!is_new && entry->second != colours.at(i)) entry->second = "#888888";
      }
    }
  }
  std::string text;
  for (const auto& [knot, colour] : colour_of) {
    text += fmt::format(
        "set arrow from first {0}, graph 0 to first {0}, graph 1 nohead dt 2 lw 1.2 lc rgb '{1}'\n", knot,
        colour);
  }
  return text;
}

std::string curve_script(std::span<const CurveGroup> groups, const CurveKind& kind, std::size_t most_points) {
  std::string data, plots;
  std::size_t block = 0, entries = 0;
  for (const std::size_t i : drawing_order(groups)) {
    bool in_legend = false;
    for (const RunReport* run : groups[i].runs) {
      const auto& curve = run->*kind.curve;
      if (curve.empty()) continue;
      std::string lines;
      for (const CurvePoint& point : thinned(curve, most_points))
        lines += fmt::format("{:.7g} {:.6g}\n", point.step, kind.scale * point.value);
      data += data_block(block, lines);
      plots +=
          fmt::format("{}$data{} using 1:2 with {} lc rgb '{}' {}", plots.empty() ? "plot " : ", ", block,
                      kind.style, colours.at(i), in_legend ? "notitle" : "title " + quoted(groups[i].label));
      entries += in_legend ? 0 : 1;
      in_legend = true;
      ++block;
    }
  }
  if (plots.empty()) return {};
  return preamble(entries, "optimizer step", kind.y_label) + knot_lines(groups) + data + plots + "\n";
}

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

std::string chain_script(const ChainSeries& all, double scale, const std::string& metric) {
  std::string data, plots;
  std::size_t index = 0;
  double longest = 1.0;
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
    }
    data += data_block(index, lines);
    plots += fmt::format("{}$data{} using 1:2:3 with yerrorlines lw 1.8 pt 7 ps 0.6 lc rgb '{}' title {}",
                         plots.empty() ? "plot " : ", ", index, colours.at(index),
                         quoted(!label.empty()                    ? label
                                : rows.front()->scores.size() < 2 ? "score of one seed"
                                                                  : "mean and spread over the seeds"));
    ++index;
  }
  return preamble(shown, "links of the chain", metric) +
         fmt::format("set xrange [0.5:{:.0f}.5]\nset xtics 1\nset offsets 0,0,graph 0.08,graph 0.08\n",
                     std::ceil(longest)) +
         data + plots + "\n";
}

}  // namespace

std::vector<ReportPlot> curve_plots(const std::string& name, const std::string& heading,
                                    std::span<const CurveGroup> groups, std::size_t most_points) {
  const std::array<CurveKind, 3> kinds = {
      CurveKind{"loss", "training loss", "loss", "lines lw 1.5", &RunReport::loss},
      CurveKind{"dev-loss", "dev loss", "loss", "linespoints lw 1.5 pt 7 ps 0.4", &RunReport::dev_loss},
      CurveKind{"dev-score", "dev score", "score in %", "linespoints lw 1.5 pt 7 ps 0.4",
                &RunReport::dev_score, 100.0}};
  std::vector<ReportPlot> plots;
  for (const CurveKind& kind : kinds) {
    const std::string script = curve_script(groups, kind, most_points);
    if (script.empty()) continue;
    plots.push_back(
        {name + "-" + kind.name, heading.empty() ? kind.heading : heading + ": " + kind.heading, script});
  }
  return plots;
}

std::vector<ReportPlot> chain_length_plots(const SweepReport& sweep) {
  std::map<std::string, std::vector<const ScoreRow*>> tasks;
  std::vector<std::string> order;
  for (const ScoreRow& row : sweep.rows) {
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
    plots.push_back({fmt::format("chain-length-{}", i + 1), order[i] + ": score against chain length",
                     chain_script(all, percent ? 100.0 : 1.0, percent ? "score in %" : "score")});
  }
  return plots;
}

}  // namespace cola
