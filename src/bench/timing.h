#pragma once
#include <chrono>
#include <functional>
#include <vector>

namespace cola {

/// Seconds that work() takes.
template <class Work>
[[nodiscard]] double seconds_of(const Work& work) {
  const auto start = std::chrono::steady_clock::now();
  work();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

/// Of at least one value; the mean of the two in the middle of an even number.
[[nodiscard]] double median(std::vector<double> values);

/// Median seconds of each of `works`, run in turn after one run of each that is not counted, so that what
/// slows the machine down slows all of them: three rounds or more, until `least_seconds` have been measured.
[[nodiscard]] std::vector<double> median_seconds(const std::vector<std::function<void()>>& works,
                                                 double least_seconds);

}  // namespace cola
