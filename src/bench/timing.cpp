#include "bench/timing.h"

#include <algorithm>
#include <cstddef>
#include <utility>

namespace cola {

double median(std::vector<double> values) {
  std::ranges::sort(values);
  const std::size_t middle = values.size() / 2;
  return values.size() % 2 == 1 ? values[middle] : (values[middle - 1] + values[middle]) / 2.0;
}

std::vector<double> median_seconds(const std::vector<std::function<void()>>& works, double least_seconds) {
  constexpr int least_rounds = 3;
  for (const auto& work : works) work();
  std::vector<std::vector<double>> seconds(works.size());
  double measured = 0.0;
  for (int round = 0; round < least_rounds || measured < least_seconds; ++round) {
    for (std::size_t i = 0; i < works.size(); ++i) measured += seconds[i].emplace_back(seconds_of(works[i]));
  }
  std::vector<double> medians;
  for (auto& list : seconds) medians.push_back(median(std::move(list)));
  return medians;
}

}  // namespace cola
