#pragma once
#include <cstdint>
#include <span>
#include <vector>

namespace cola {

struct Interval {
  double low = 0.0, high = 0.0;
};

/// 95 % score interval of a proportion of `successes` in `trials` (Wilson, 1927); [0, 1] for no trials.
/// Throws UsageError unless 0 <= successes <= trials.
[[nodiscard]] Interval wilson_interval(std::int64_t successes, std::int64_t trials);

/// Scores in [0, 1] by question: question i was answered counts[i] times (once a seed), and the scores of
/// these answers sum to sums[i].
struct QuestionSums {
  std::vector<double> sums, counts;  ///< [questions]

  [[nodiscard]] std::size_t questions() const { return sums.size(); }
  [[nodiscard]] double mean() const;  ///< over all answers
};

/// Means of `resamples` samples of the questions, drawn with replacement (Efron, 1979), each question with
/// all its answers: [columns][resamples]. All columns must have the same questions; resample r has the same
/// questions in each of them, so that differences of columns are those of paired samples. A function of its
/// arguments alone, whatever the number of threads.
[[nodiscard]] std::vector<std::vector<double>> resampled_means(std::span<const QuestionSums> columns,
                                                               std::uint64_t seed,
                                                               std::int64_t resamples = 10000);

/// 95 % percentile interval of resampled means of n = `questions` questions, expanded for small n
/// (Hesterberg, 2015, The American Statistician 69, section 3.3): the percentiles are those of Student's t
/// with n - 1 degrees of freedom and its factor sqrt(n / (n - 1)), without which an interval of 20 questions
/// is a tenth too narrow. Throws UsageError for fewer than two questions or no means.
[[nodiscard]] Interval percentile_interval(std::vector<double> means, std::size_t questions);

/// 95 % interval of the mean of `scores`, of which `means` are resampled, by percentile_interval. Where a
/// bootstrap can say nothing, because all questions have one mean score (0 of 56, all of 56) or there is but
/// one question, Wilson's interval for as many answers as there are questions: wider than needed where scores
/// are not 0 or 1. Throws UsageError for no questions.
[[nodiscard]] Interval bootstrap_interval(const QuestionSums& scores, const std::vector<double>& means);

/// As bootstrap_interval, of right and wrong answers. Where fewer than ten questions' worth of them are
/// right, or wrong, percentiles are too narrow (they hold in nine tenths): then it is Wilson's interval of as
/// many answers as have the variance that p has by question, at least the questions and at most the answers.
/// This variance, with the weight of n - 1 questions, is averaged with p (1 - p) / n, that of answers which
/// are alike in all seeds, with the weight of two: few questions with wrong answers tell little of it.
[[nodiscard]] Interval accuracy_interval(const QuestionSums& scores, const std::vector<double>& means);

/// bootstrap_interval of means that are resampled here.
[[nodiscard]] Interval bootstrap_interval(const QuestionSums& scores, std::uint64_t seed,
                                          std::int64_t resamples = 10000);
/// As above, of scores with one answer a question.
[[nodiscard]] Interval bootstrap_interval(std::span<const double> scores, std::uint64_t seed,
                                          std::int64_t resamples = 10000);
}  // namespace cola
