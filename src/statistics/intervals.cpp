#include "statistics/intervals.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "core/error.h"
#include "core/parallel.h"
#include "core/random.h"
#include "statistics/distributions.h"

namespace cola {
namespace {

constexpr double normal_975 = 1.959963984540054;

/// Wilson's interval of a share p of n answers.
Interval wilson(double p, double n) {
  constexpr double z2 = normal_975 * normal_975;
  const double centre = (p + z2 / (2.0 * n)) / (1.0 + z2 / n);
  const double half = normal_975 / (1.0 + z2 / n) * std::sqrt(p * (1.0 - p) / n + z2 / (4.0 * n * n));
  // At the ends the formula is exactly 0 and 1, up to rounding.
  return {p == 0.0 ? 0.0 : centre - half, p == 1.0 ? 1.0 : centre + half};
}

/// Linear between order statistics: type 7 of Hyndman and Fan (1996), numpy's default. Reorders `values`.
double quantile(std::vector<double>& values, double probability) {
  const double position = probability * static_cast<double>(values.size() - 1);
  const auto below = static_cast<std::ptrdiff_t>(position);
  std::nth_element(values.begin(), values.begin() + below, values.end());
  const double low = values[static_cast<std::size_t>(below)];
  if (below + 1 == std::ssize(values)) return low;
  const double high = *std::min_element(values.begin() + below + 1, values.end());
  return low + (position - static_cast<double>(below)) * (high - low);
}

double dot(const std::vector<double>& a, const std::vector<double>& b) {
  return std::inner_product(a.begin(), a.end(), b.begin(), 0.0);
}
/// How often each question is drawn in resample `resample`.
void draw(std::uint64_t seed, std::size_t resample, std::vector<double>& times) {
  RandomStream stream(seed, RandomPurpose::bootstrap, resample);
  std::ranges::fill(times, 0.0);
  for (std::size_t i = 0; i < times.size(); ++i) times[stream.next_below(times.size())] += 1.0;
}

}  // namespace

Interval wilson_interval(std::int64_t successes, std::int64_t trials) {
  if (successes < 0 || successes > trials) {
    throw UsageError(fmt::format("{} successes of {} trials", successes, trials));
  }
  if (trials == 0) return {0.0, 1.0};
  const auto n = static_cast<double>(trials);
  return wilson(static_cast<double>(successes) / n, n);
}

double QuestionSums::mean() const {
  return std::accumulate(sums.begin(), sums.end(), 0.0) / std::accumulate(counts.begin(), counts.end(), 0.0);
}

std::vector<std::vector<double>> resampled_means(std::span<const QuestionSums> columns, std::uint64_t seed,
                                                 std::int64_t resamples) {
  if (resamples < 1) throw UsageError(fmt::format("{} bootstrap resamples: at least 1", resamples));
  if (columns.empty()) return {};
  const std::size_t questions = columns.front().questions();
  if (questions == 0) throw UsageError("a bootstrap interval of no values");
  std::vector<std::vector<double>> means(columns.size(),
                                         std::vector<double>(static_cast<std::size_t>(resamples)));
  parallel_for(resamples, 16, [&](std::int64_t begin, std::int64_t end) {
    std::vector<double> times(questions);
    for (std::int64_t i = begin; i < end; ++i) {
      const auto resample = static_cast<std::size_t>(i);
      draw(seed, resample, times);
      for (std::size_t c = 0; c < columns.size(); ++c)
        means[c][resample] = dot(times, columns[c].sums) / dot(times, columns[c].counts);
    }
  });
  return means;
}

Interval percentile_interval(std::vector<double> means, std::size_t questions) {
  if (questions < 2 || means.empty()) throw UsageError("a percentile interval of fewer than two questions");
  const auto n = static_cast<double>(questions);
  const double tail = normal_cdf(student_t_quantile(0.025, n - 1.0) * std::sqrt(n / (n - 1.0)));
  return {quantile(means, tail), quantile(means, 1.0 - tail)};
}

Interval bootstrap_interval(const QuestionSums& scores, const std::vector<double>& means) {
  const double mean = scores.mean();
  // Sums of the same scores in another order differ by rounding.
  const auto is_mean = [mean](double sum, double count) {
    return std::abs(sum - mean * count) <= 1e-9 * count;
  };
  const bool all_the_same = std::ranges::equal(scores.sums, scores.counts, is_mean);
  if (all_the_same || scores.questions() < 2) {
    const double near = std::round(mean);  // so that 0 and 1 are exactly that
    return wilson(std::abs(mean - near) < 1e-9 ? near : mean, static_cast<double>(scores.questions()));
  }
  return percentile_interval(means, scores.questions());
}

Interval accuracy_interval(const QuestionSums& scores, const std::vector<double>& means) {
  constexpr double enough = 10.0;
  const double p = scores.mean();
  const auto n = static_cast<double>(scores.questions());
  if (std::min(p, 1.0 - p) * n >= enough || scores.questions() < 2) return bootstrap_interval(scores, means);
  const double answers = std::accumulate(scores.counts.begin(), scores.counts.end(), 0.0);
  double squares = 0.0;
  for (std::size_t i = 0; i < scores.questions(); ++i) {
    const double residual = scores.sums[i] - p * scores.counts[i];
    squares += residual * residual;
  }
  const double variance = n / (n - 1.0) * squares / (answers * answers);  // of p, by question
  if (variance < 1e-24) return bootstrap_interval(scores, means);         // all the same
  // Few questions with wrong answers tell little of the variance: averaged with the largest that it can be.
  constexpr double prior = 2.0;  // in questions
  const double alike = p * (1.0 - p) / n;
  const double weighted = ((n - 1.0) * variance + prior * alike) / (n - 1.0 + prior);
  return wilson(p, std::clamp(p * (1.0 - p) / weighted, n, std::max(n, answers)));
}

Interval bootstrap_interval(const QuestionSums& scores, std::uint64_t seed, std::int64_t resamples) {
  return bootstrap_interval(scores, resampled_means({&scores, 1}, seed, resamples).front());
}

Interval bootstrap_interval(std::span<const double> scores, std::uint64_t seed, std::int64_t resamples) {
  return bootstrap_interval(
      QuestionSums{{scores.begin(), scores.end()}, std::vector<double>(scores.size(), 1.0)}, seed, resamples);
}

}  // namespace cola
