#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <functional>
#include <map>
#include <numeric>

#include "report/report_plot.h"
#include "report/seed_band.h"

namespace cola {
namespace {

using Curve = std::vector<CurvePoint>;

struct CurveKind {
  const char* name = nullptr;
  const char* heading = nullptr;
  const char* y_label = nullptr;
  bool dots = false;
  Curve RunReport::* curve = nullptr;
  double scale = 1.0;
};

/// The runs of the group that have such a curve.
std::vector<const RunReport*> runs_with(const CurveGroup& group, const CurveKind& kind) {
  std::vector<const RunReport*> runs;
  std::ranges::copy_if(group.runs, std::back_inserter(runs),
                       [&](const RunReport* run) { return !(run->*kind.curve).empty(); });
  return runs;
}

/// Groups from the most knots to none: LoRA, which has none, is drawn over the chains that lie on it up to
/// their first knots.
std::vector<std::size_t> drawing_order(std::span<const CurveGroup> groups) {
  std::vector<std::size_t> order(groups.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::ranges::stable_sort(order, std::ranges::greater(), [&](std::size_t i) {
    return groups[i].runs.empty() ? 0 : groups[i].runs.front()->knots.size();
  });
  return order;
}

/// Whether there were knots.
bool set_knots(std::span<const CurveGroup> groups, const CurveKind& kind, PlotScript& script) {
  std::map<std::int64_t, std::string> colour_of;  // grey where several groups have the knot
  for (std::size_t i = 0; i < groups.size(); ++i) {
    for (const RunReport* run : runs_with(groups[i], kind)) {
      for (const std::int64_t knot : run->knots) {
        const auto [entry, is_new] = colour_of.try_emplace(knot, plot_colours.at(i));
        if (!is_new && entry->second != plot_colours.at(i)) entry->second = "#888888";
      }
    }
  }
  for (const auto& [knot, colour] : colour_of) {
    script.set(
        fmt::format("set arrow from first {0}, graph 0 to first {0}, graph 1 nohead dt 2 lw 1.2 lc rgb '{1}'",
                    knot, colour));
  }
  return !colour_of.empty();
}

/// Whether the chain's curve is LoRA's up to its first knot: the same values at the same steps. One point
/// shows nothing, since all runs of a model begin alike.
bool lies_on(const RunReport& chain, const RunReport& lora, const CurveKind& kind) {
  if (chain.knots.empty() || !lora.knots.empty() || lora.method != "lora") return false;
  const auto knot = static_cast<double>(std::ranges::min(chain.knots));
  const auto before_knot = [&](const Curve& curve) {
    Curve points;
    std::ranges::copy_if(curve, std::back_inserter(points),
                         [&](const CurvePoint& point) { return point.step <= knot; });
    return points;
  };
  return std::ranges::equal(before_knot(chain.*kind.curve), before_knot(lora.*kind.curve),
                            [](const CurvePoint& a, const CurvePoint& b) {
                              return a.step == b.step && a.value == b.value;
                            }) &&
         before_knot(chain.*kind.curve).size() >= 2;
}

/// Whether each seed of the chain lies on one of LoRA's, and LoRA has no others: then their means do too.
bool lies_on(const CurveGroup& chain, const CurveGroup& lora, const CurveKind& kind) {
  const auto chains = runs_with(chain, kind), loras = runs_with(lora, kind);
  return !chains.empty() && chains.size() == loras.size() &&
         std::ranges::all_of(chains, [&](const RunReport* run) {
           return std::ranges::any_of(loras,
                                      [&](const RunReport* other) { return lies_on(*run, *other, kind); });
         });
}

/// One for each LoRA that chains lie on.
std::vector<std::string> lora_sentences(std::span<const CurveGroup> groups, const CurveKind& kind) {
  std::vector<std::string> sentences;
  for (const CurveGroup& lora : groups) {
    std::vector<std::string> chains;
    for (const CurveGroup& chain : groups) {
      if (lies_on(chain, lora, kind)) chains.push_back(chain.label);
    }
    if (!chains.empty())
      sentences.push_back(fmt::format("Up to the first knot {} {} LoRA: the curve of {} is drawn over {}.",
                                      fmt::join(chains, ", "), chains.size() == 1 ? "is" : "are", lora.label,
                                      chains.size() == 1 ? "it" : "them"));
  }
  return sentences;
}

void add_line(const RunReport& run, const CurveKind& kind, std::size_t most_points, const std::string& style,
              PlotScript& script) {
  std::string lines;
  for (const CurvePoint& point : thinned(run.*kind.curve, most_points))
    lines += fmt::format("{:.7g} {:.6g}\n", point.step, kind.scale * point.value);
  script.add(fmt::format("{} using 1:2 with {}", script.data(lines), style));
}

/// The data block of a group's mean; without a name where it has one run, or seeds without a common step.
struct Band {
  std::string data;
  std::size_t points = 0;
};

Band band_of(const std::vector<const RunReport*>& runs, const CurveKind& kind, std::size_t most_points,
             PlotScript& script) {
  if (runs.size() < 2) return {};
  std::vector<const Curve*> curves;
  for (const RunReport* run : runs) curves.push_back(&(run->*kind.curve));
  const std::vector<BandPoint> points = seed_band(curves, most_points);
  std::string lines;
  for (const BandPoint& point : points)
    lines += fmt::format("{:.7g} {:.6g} {:.6g} {:.6g}\n", point.step, kind.scale * point.mean,
                         kind.scale * point.low, kind.scale * point.high);
  if (points.empty()) return {};
  return {script.data(lines), points.size()};
}

void add_bands(std::span<const Band> bands, std::span<const std::size_t> order, PlotScript& script) {
  for (const std::size_t i : order) {
    if (bands[i].points > 1) {
      script.add(fmt::format("{} using 1:3:4 with filledcurves fc rgb '{}' fs transparent solid 0.2 noborder",
                             bands[i].data, plot_colours.at(i)));
    } else if (bands[i].points == 1) {
      script.add(fmt::format("{} using 1:2:3:4 with yerrorbars pt 7 ps 0.4 lc rgb '{}'", bands[i].data,
                             plot_colours.at(i)));
    }
  }
}

std::string style_of(const CurveKind& kind, std::size_t group) {
  return fmt::format("{} lw 1.5 lc rgb '{}'", kind.dots ? "linespoints pt 7 ps 0.4" : "lines",
                     plot_colours.at(group));
}

void add_legend(std::span<const CurveGroup> groups, std::span<const Band> bands, const CurveKind& kind,
                PlotScript& script) {
  for (std::size_t i = 0; i < groups.size(); ++i) {
    const std::size_t runs = runs_with(groups[i], kind).size();
    if (runs == 0) continue;
    std::string name = groups[i].label;
    if (runs > 1) name += fmt::format(", {}{} seeds", bands[i].points > 0 ? "mean of " : "", runs);
    script.add_to_legend(plot_colours.at(i), kind.dots, name);
  }
}

std::string note_of(std::span<const CurveGroup> groups, std::span<const Band> bands, bool knots,
                    const CurveKind& kind) {
  std::vector<std::string> sentences;
  if (std::ranges::any_of(bands, [](const Band& band) { return band.points > 0; }))
    sentences.emplace_back("Bands: from the lowest to the highest seed.");
  if (knots) sentences.emplace_back("Dashed lines: knots.");
  std::ranges::move(lora_sentences(groups, kind), std::back_inserter(sentences));
  return fmt::format("{}", fmt::join(sentences, " "));
}

ReportPlot curve_plot(std::span<const CurveGroup> groups, const CurveKind& kind, std::size_t most_points) {
  PlotScript script;
  const std::vector<std::size_t> order = drawing_order(groups);
  std::vector<Band> bands;
  for (const CurveGroup& group : groups)
    bands.push_back(band_of(runs_with(group, kind), kind, most_points, script));
  add_bands(bands, order, script);
  for (const std::size_t i : order) {
    if (bands[i].points > 0) {
      script.add(fmt::format("{} using 1:2 with {}", bands[i].data, style_of(kind, i)));
    } else {
      for (const RunReport* run : runs_with(groups[i], kind))
        add_line(*run, kind, most_points, style_of(kind, i), script);
    }
  }
  if (script.empty()) return {};
  add_legend(groups, bands, kind, script);
  const bool knots = set_knots(groups, kind, script);
  ReportPlot plot = script.finish("optimizer step", kind.y_label);
  plot.note = note_of(groups, bands, knots, kind);
  return plot;
}

}  // namespace

std::vector<ReportPlot> curve_plots(const std::string& name, const std::string& heading,
                                    std::span<const CurveGroup> groups, std::size_t most_points) {
  const std::array<CurveKind, 9> kinds = {
      CurveKind{"loss", "training loss", "loss", false, &RunReport::loss},
      CurveKind{"dev-loss", "dev loss", "loss", true, &RunReport::dev_loss},
      CurveKind{"dev-score", "dev score", "score in %", true, &RunReport::dev_score, 100.0},
      CurveKind{"margin", "margin of rewards", "margin", false, &RunReport::margin},
      CurveKind{"reward-accuracy", "accuracy of rewards", "pairs in %", false, &RunReport::reward_accuracy,
                100.0},
      CurveKind{"reward-chosen", "reward of chosen answers", "reward", false, &RunReport::reward_chosen},
      CurveKind{"reward-rejected", "reward of rejected answers", "reward", false,
                &RunReport::reward_rejected},
      CurveKind{"dev-margin", "dev margin of rewards", "margin", true, &RunReport::dev_margin},
      CurveKind{"dev-reward-accuracy", "dev accuracy of rewards", "pairs in %", true,
                &RunReport::dev_reward_accuracy, 100.0}};
  std::vector<ReportPlot> plots;
  for (const CurveKind& kind : kinds) {
    ReportPlot plot = curve_plot(groups, kind, most_points);
    if (plot.script.empty()) continue;
    plot.name = name + "-" + kind.name;
    plot.heading = heading.empty() ? kind.heading : heading + ": " + kind.heading;
    plots.push_back(std::move(plot));
  }
  return plots;
}

}  // namespace cola
