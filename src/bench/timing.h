#pragma once
#include <chrono>
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

}  // namespace cola
