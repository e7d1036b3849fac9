#include "report/seed_band.h"

#include <algorithm>
#include <limits>
#include <numeric>
#include <set>

namespace cola {
namespace {

/// The curve's value at each of the steps, which lie within it.
std::vector<CurvePoint> at_steps(const std::vector<CurvePoint>& curve, const std::vector<double>& steps) {
  std::vector<CurvePoint> points;
  std::size_t next = 0;  // first point at or after the step
  for (const double step : steps) {
    while (curve[next].step < step) ++next;
    const CurvePoint& after = curve[next];
    if (after.step == step) {
      points.push_back(after);
      continue;
    }
    const CurvePoint& before = curve[next - 1];
    const double share = (step - before.step) / (after.step - before.step);
    points.push_back({step, before.value + share * (after.value - before.value)});
  }
  return points;
}

/// The curves' steps that lie within all of them, ascending.
std::vector<double> common_steps(std::span<const std::vector<CurvePoint>* const> curves) {
  double first = std::numeric_limits<double>::lowest(), last = std::numeric_limits<double>::max();
  std::set<double> steps;
  for (const auto* curve : curves) {
    if (curve->empty()) return {};
    first = std::max(first, curve->front().step);
    last = std::min(last, curve->back().step);
    for (const CurvePoint& point : *curve) steps.insert(point.step);
  }
  std::erase_if(steps, [&](double step) { return step < first || step > last; });
  return {steps.begin(), steps.end()};
}

}  // namespace

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

std::vector<BandPoint> seed_band(std::span<const std::vector<CurvePoint>* const> curves, std::size_t most) {
  const std::vector<double> steps = common_steps(curves);
  std::vector<std::vector<CurvePoint>> seeds;
  for (const auto* curve : curves) seeds.push_back(thinned(at_steps(*curve, steps), most));
  std::vector<BandPoint> band;
  for (std::size_t i = 0; !seeds.empty() && i < seeds.front().size(); ++i) {
    std::vector<double> values;
    for (const auto& seed : seeds) values.push_back(seed[i].value);
    const auto [low, high] = std::ranges::minmax(values);
    const double sum = std::accumulate(values.begin(), values.end(), 0.0);
    band.push_back({seeds.front()[i].step, sum / static_cast<double>(values.size()), low, high});
  }
  return band;
}

}  // namespace cola
