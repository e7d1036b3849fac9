#pragma once
#include <chrono>
#include <functional>
#include <span>
#include <vector>

namespace cola {

/// Seconds that work() takes.
template <class Work>
[[nodiscard]] double seconds_of(const Work& work) {
  const auto start = std::chrono::steady_clock::now();
  work();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

/// What a figure's samples are summed up as: their median, and the quartiles, between which half of them lie.
struct Spread {
  double low = 0.0, median = 0.0, high = 0.0;

  /// Of `factor` times each sample.
  [[nodiscard]] Spread times(double factor) const { return {low * factor, median * factor, high * factor}; }
};

/// Of at least one sample; between two of them by linear interpolation.
[[nodiscard]] Spread spread_of(std::vector<double> samples);
[[nodiscard]] double median(std::vector<double> samples);

/// The spread of a[i] / b[i]: of pairs that were taken one after the other.
[[nodiscard]] Spread spread_of_ratios(std::span<const double> a, std::span<const double> b);

/// Seconds of each of `works`, a list for each, run in turn after one run of each that is not counted, so
/// that what slows the machine down slows all of them: three rounds or more, until `least_seconds` have been
/// measured.
[[nodiscard]] std::vector<std::vector<double>> seconds_in_turn(
    const std::vector<std::function<void()>>& works, double least_seconds);

}  // namespace cola
