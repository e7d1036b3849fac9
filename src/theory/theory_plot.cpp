#include "theory/theory_plot.h"

#include <fmt/format.h>

#include <cmath>

namespace cola::theory {
namespace {

constexpr int panel_width = 330, panel_height = 260;

/// Divergence has no point in the plot.
std::string number(double value) { return std::isfinite(value) ? fmt::format("{:.6g}", value) : "NaN"; }

std::string data_of(const TheoryResult& result, std::size_t index) {
  std::string text = fmt::format("$runs{} << EOD\n", index);
  for (const TheoryRow& row : result.runs) {
    text += fmt::format("{} {} {} {} {} {} {}\n", row.iterations, number(row.average_gap),
                        number(row.bound()), number(row.epsilon), number(row.fixed_batch_gap),
                        number(row.bound_without_epsilon), number(row.fixed_batch_epsilon));
  }
  text += fmt::format("EOD\n$kinship{} << EOD\n", index);
  const Kinship& kinship = result.kinship;
  for (std::size_t i = 0; i < kinship.idealised.size(); ++i) {
    text += fmt::format("{} {} {} {}\n", kinship.options.loss_every * static_cast<std::int64_t>(i + 1),
                        number(kinship.idealised[i]), number(kinship.chain.losses[i]),
                        number(kinship.single.losses[i]));
  }
  return text + "EOD\n";
}

std::string panels_of(const TheoryResult& result, std::size_t index) {
  const std::string runs = fmt::format("$runs{}", index);
  const std::string kinship = fmt::format("$kinship{}", index);
  std::string text = "set logscale xy\nset key bottom left\nset format '10^{%L}'\nset xlabel 'T'\n";
  text += fmt::format("set title '{}: batch in proportion to T'\n", result.problem);
  text += fmt::format(
      "plot {0} u 1:3 w l ls 1 t 'bound with ε', {0} u 1:2 w l ls 2 t 'average gap', "
      "{0} u 1:4 w l ls 3 t 'mean ε'\n",
      runs);
  text += fmt::format("set title '{}: batch {}'\n", result.problem, result.fixed_batch);
  text += fmt::format(
      "plot {0} u 1:6 w l ls 1 t 'bound without ε', {0} u 1:5 w l ls 2 t 'average gap', "
      "{0} u 1:7 w l ls 3 t 'mean ε'\n",
      runs);
  text += fmt::format(
      "unset logscale x\nset key top right\nset format x '%g'\nset xlabel 'gradient steps'\nset title '{}: "
      "loss'\n",
      result.problem);
  text += fmt::format(
      "plot {0} u 1:2 w l ls 1 t 'idealised COLA', {0} u 1:3 w l ls 2 t 'chain of {1} links', "
      "{0} u 1:4 w l ls 3 t 'one link'\n",
      kinship, result.kinship.options.links);
  return text;
}

}  // namespace

std::string theory_plot_script(std::span<const TheoryResult> results) {
  std::string text = fmt::format("set terminal svg size {},{} font 'sans-serif,10' background '#ffffff'\n",
                                 3 * panel_width, panel_height * static_cast<int>(results.size()));
  text +=
      "set encoding utf8\n"
      "set style line 1 lc rgb '#777777' lw 2 dt 2\n"
      "set style line 2 lc rgb '#0b5fa5' lw 2\n"
      "set style line 3 lc rgb '#c8641e' lw 2\n"
      "set key samplen 1.5 spacing 0.9\nset mxtics 1\nset mytics 1\nset grid lc rgb '#dddddd'\n";
  for (std::size_t i = 0; i < results.size(); ++i) text += data_of(results[i], i);
  text += fmt::format("set multiplot layout {},3\n", results.size());
  for (std::size_t i = 0; i < results.size(); ++i) text += panels_of(results[i], i);
  return text + "unset multiplot\n";
}

}  // namespace cola::theory
