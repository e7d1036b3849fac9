#pragma once
#include <cstdint>
#include <span>

namespace cola {

struct Interval {
  double low = 0.0, high = 0.0;
};

/// 95 % score interval of a proportion of `successes` in `trials` (Wilson, 1927); [0, 1] for no trials.
/// Throws UsageError unless 0 <= successes <= trials.
[[nodiscard]] Interval wilson_interval(std::int64_t successes, std::int64_t trials);

/// 95 % percentile bootstrap interval of the mean (Efron, 1979): the 2.5th and 97.5th percentiles of the
/// means of `resamples` samples drawn with replacement. A function of its arguments alone. Throws UsageError
/// for no values or resamples < 1.
[[nodiscard]] Interval bootstrap_interval(std::span<const double> values, std::uint64_t seed,
                                          std::int64_t resamples = 10000);

/// Two-sided exact p-value of McNemar's test (1947): the discordant pairs against Binomial(n, 1/2). first[i]
/// and second[i] say whether each of two models got example i right, nonzero for right. Throws UsageError for
/// lists of different lengths.
[[nodiscard]] double mcnemar_p_value(std::span<const std::uint8_t> first,
                                     std::span<const std::uint8_t> second);

/// Two-sided p-value of the hypothesis that two models' scores of the same examples have one mean: how often
/// the mean of resampled differences, centred to fit the hypothesis, is as far from 0 as the mean difference
/// (Efron and Tibshirani, 1993, chapter 16; counting the observed sample, Davison and Hinkley, 1997,
/// section 4.2.1, so that it is never 0). Throws UsageError for lists of different lengths, none, or
/// resamples < 1.
[[nodiscard]] double paired_bootstrap_p_value(std::span<const double> first, std::span<const double> second,
                                              std::uint64_t seed, std::int64_t resamples = 10000);

}  // namespace cola
