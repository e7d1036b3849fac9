#include "eval/statistics.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numbers>
#include <numeric>
#include <vector>

#include "core/error.h"
#include "core/random.h"

namespace cola {
namespace {

constexpr double normal_quantile = 1.959963984540054;  // of 0.975

double mean(std::span<const double> values) {
  return std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(values.size());
}

/// Means of samples as large as `values`, drawn from it with replacement.
std::vector<double> resampled_means(std::span<const double> values, std::uint64_t seed,
                                    std::int64_t resamples) {
  if (resamples < 1) throw UsageError(fmt::format("{} bootstrap resamples: at least 1", resamples));
  std::vector<double> means(static_cast<std::size_t>(resamples));
  for (std::size_t r = 0; r < means.size(); ++r) {
    RandomStream stream(seed, RandomPurpose::bootstrap, r);
    double sum = 0.0;
    for (std::size_t i = 0; i < values.size(); ++i) sum += values[stream.next_below(values.size())];
    means[r] = sum / static_cast<double>(values.size());
  }
  return means;
}

/// Linear between order statistics: type 7 of Hyndman and Fan (1996), numpy's default. `sorted` ascends.
double quantile(const std::vector<double>& sorted, double probability) {
  const double position = probability * static_cast<double>(sorted.size() - 1);
  const auto below = static_cast<std::size_t>(position);
  const std::size_t above = std::min(below + 1, sorted.size() - 1);
  return sorted[below] + (position - static_cast<double>(below)) * (sorted[above] - sorted[below]);
}

}  // namespace

Interval wilson_interval(std::int64_t successes, std::int64_t trials) {
  if (successes < 0 || successes > trials) {
    throw UsageError(fmt::format("{} successes of {} trials", successes, trials));
  }
  if (trials == 0) return {0.0, 1.0};
  const auto n = static_cast<double>(trials);
  const double p = static_cast<double>(successes) / n;
  const double z2 = normal_quantile * normal_quantile;
  const double centre = (p + z2 / (2.0 * n)) / (1.0 + z2 / n);
  const double half = normal_quantile / (1.0 + z2 / n) * std::sqrt(p * (1.0 - p) / n + z2 / (4.0 * n * n));
  // At the ends the formula is exactly 0 and 1, up to rounding.
  return {successes == 0 ? 0.0 : centre - half, successes == trials ? 1.0 : centre + half};
}

Interval bootstrap_interval(std::span<const double> values, std::uint64_t seed, std::int64_t resamples) {
  if (values.empty()) throw UsageError("a bootstrap interval of no values");
  std::vector<double> means = resampled_means(values, seed, resamples);
  std::sort(means.begin(), means.end());
  return {quantile(means, 0.025), quantile(means, 0.975)};
}

double mcnemar_p_value(std::span<const std::uint8_t> first, std::span<const std::uint8_t> second) {
  if (first.size() != second.size()) {
    throw UsageError(fmt::format("McNemar's test of {} and {} examples", first.size(), second.size()));
  }
  std::int64_t only_first = 0;
  std::int64_t only_second = 0;
  for (std::size_t i = 0; i < first.size(); ++i) {
    if (first[i] != 0 && second[i] == 0) ++only_first;
    if (first[i] == 0 && second[i] != 0) ++only_second;
  }
  const auto n = static_cast<double>(only_first + only_second);
  double tail = 0.0;
  for (std::int64_t k = 0; k <= std::min(only_first, only_second); ++k) {
    const auto i = static_cast<double>(k);
    tail += std::exp(std::lgamma(n + 1.0) - std::lgamma(i + 1.0) - std::lgamma(n - i + 1.0) -
                     n * std::numbers::ln2);
  }
  return std::min(1.0, 2.0 * tail);
}

double paired_bootstrap_p_value(std::span<const double> first, std::span<const double> second,
                                std::uint64_t seed, std::int64_t resamples) {
  if (first.size() != second.size() || first.empty()) {
    throw UsageError(fmt::format("a paired test of {} and {} examples", first.size(), second.size()));
  }
  std::vector<double> differences(first.size());
  for (std::size_t i = 0; i < first.size(); ++i) differences[i] = first[i] - second[i];
  const double observed = mean(differences);
  for (double& difference : differences) difference -= observed;
  const std::vector<double> means = resampled_means(differences, seed, resamples);
  // Means that are equal but for the order of their sums count as equal.
  const double bound = std::abs(observed) * (1.0 - 1e-9);
  const auto extreme =
      std::count_if(means.begin(), means.end(), [bound](double m) { return std::abs(m) >= bound; });
  return (1.0 + static_cast<double>(extreme)) / (1.0 + static_cast<double>(resamples));
}

}  // namespace cola
