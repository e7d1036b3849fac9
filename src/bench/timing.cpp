#include "bench/timing.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <utility>

namespace cola {
namespace {

/// Of sorted samples: between its neighbours at `part` of the way from the first to the last.
double quantile(const std::vector<double>& sorted, double part) {
  const double place = part * static_cast<double>(sorted.size() - 1);
  const auto below = static_cast<std::size_t>(place);
  const std::size_t above = std::min(below + 1, sorted.size() - 1);
  return std::lerp(sorted[below], sorted[above], place - std::floor(place));
}

}  // namespace

Spread spread_of(std::vector<double> samples) {
  std::ranges::sort(samples);
  return {quantile(samples, 0.25), quantile(samples, 0.5), quantile(samples, 0.75)};
}

double median(std::vector<double> samples) { return spread_of(std::move(samples)).median; }

Spread spread_of_ratios(std::span<const double> a, std::span<const double> b) {
  std::vector<double> ratios;
  for (std::size_t i = 0; i < a.size(); ++i) ratios.push_back(a[i] / b[i]);
  return spread_of(std::move(ratios));
}

std::vector<std::vector<double>> seconds_in_turn(const std::vector<std::function<void()>>& works,
                                                 double least_seconds) {
  constexpr int least_rounds = 3;
  for (const auto& work : works) work();
  std::vector<std::vector<double>> seconds(works.size());
  double measured = 0.0;
  for (int round = 0; round < least_rounds || measured < least_seconds; ++round) {
    for (std::size_t i = 0; i < works.size(); ++i) measured += seconds[i].emplace_back(seconds_of(works[i]));
  }
  return seconds;
}

}  // namespace cola
