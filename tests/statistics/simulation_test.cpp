// How often the intervals hold the truth and the tests find a difference where there is none. Answers are
// drawn from a model of a benchmark: a question has a difficulty, a method is better at some questions than
// at others, and training it once more (a seed) answers each question anew.
//
// COLA_SIMULATIONS=2000 runs every setting of docs/statistics.md, prints its table and takes some minutes.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>

#include "core/random.h"
#include "statistics/intervals.h"
#include "statistics/paired_tests.h"

namespace cola {
namespace {

struct Setting {
  std::size_t questions = 0, seeds = 0;
  double mean_logit = 0.0;       ///< of a right answer
  double question_logits = 1.5;  ///< standard deviation of the questions' effect
  double method_logits = 1.0;    ///< of the effect of a method on a question
};

/// Shares of the simulations.
struct Rates {
  double score_held = 0.0,
         difference_held = 0.0;  ///< the interval holds the true score, the true difference 0
  double rejected = 0.0;         ///< by question, p < 0.05
  double rejected_by_mid_p = 0.0;
  double rejected_by_seed = 0.0;  ///< likewise, without an effect of method by question
};

double logistic(double x) { return 1.0 / (1.0 + std::exp(-x)); }

/// The mean of logistic(mean + deviation z) over a normal z.
double true_score(double mean, double deviation) {
  constexpr int steps = 4000;
  double sum = 0.0, weights = 0.0;
  for (int i = 0; i <= steps; ++i) {
    const double z = -8.0 + 16.0 * i / steps;
    const double weight = std::exp(-0.5 * z * z);
    sum += weight * logistic(mean + deviation * z);
    weights += weight;
  }
  return sum / weights;
}

/// Two methods that are equally good: the right answers by question, and by seed.
struct Answers {
  QuestionSums first, second;
  std::vector<double> seed_differences;
};

Answers draw_answers(const Setting& setting, double method_logits, RandomStream& stream) {
  Answers answers;
  answers.first.counts.assign(setting.questions, static_cast<double>(setting.seeds));
  answers.second.counts = answers.first.counts;
  answers.seed_differences.assign(setting.seeds, 0.0);
  for (std::size_t i = 0; i < setting.questions; ++i) {
    const double question = setting.mean_logit + setting.question_logits * stream.next_normal();
    const double p = logistic(question + method_logits * stream.next_normal());
    const double q = logistic(question + method_logits * stream.next_normal());
    double first = 0.0, second = 0.0;
    for (double& difference : answers.seed_differences) {
      const double a = stream.next_uniform() < p ? 1.0 : 0.0, b = stream.next_uniform() < q ? 1.0 : 0.0;
      first += a;
      second += b;
      difference += (a - b) / static_cast<double>(setting.questions);
    }
    answers.first.sums.push_back(first);
    answers.second.sums.push_back(second);
  }
  return answers;
}

bool holds(const Interval& interval, double value) { return interval.low <= value && value <= interval.high; }

PValues test_by_question(const Answers& answers, std::size_t seeds, std::uint64_t seed) {
  std::vector<double> differences;
  std::int64_t only_first = 0, only_second = 0;
  for (std::size_t i = 0; i < answers.first.questions(); ++i) {
    differences.push_back(answers.first.sums[i] - answers.second.sums[i]);
    only_first += differences.back() > 0.0 ? 1 : 0;
    only_second += differences.back() < 0.0 ? 1 : 0;
  }
  return seeds == 1 ? mcnemar_p_values(only_first, only_second) : sign_flip_p_values(differences, seed);
}

Rates simulate(const Setting& setting, int simulations) {
  constexpr std::int64_t resamples = 500;
  const double truth =
      true_score(setting.mean_logit, std::hypot(setting.question_logits, setting.method_logits));
  Rates rates;
  const double share = 1.0 / simulations;
  for (int i = 0; i < simulations; ++i) {
    const auto seed = static_cast<std::uint64_t>(i);
    RandomStream stream(1000 * setting.questions + setting.seeds, RandomPurpose::benchmark, seed);
    const Answers answers = draw_answers(setting, setting.method_logits, stream);
    const std::vector<QuestionSums> columns{answers.first, answers.second};
    const auto means = resampled_means(columns, seed, resamples);
    const Interval score =
        setting.seeds == 1
            ? wilson_interval(std::llround(answers.first.mean() * static_cast<double>(setting.questions)),
                              static_cast<std::int64_t>(setting.questions))
            : accuracy_interval(answers.first, means[0]);
    std::vector<double> differences(means[0].size());
    for (std::size_t r = 0; r < differences.size(); ++r) differences[r] = means[0][r] - means[1][r];
    rates.score_held += holds(score, truth) ? share : 0.0;
    rates.difference_held +=
        holds(percentile_interval(std::move(differences), setting.questions), 0.0) ? share : 0.0;
    const PValues by_question = test_by_question(answers, setting.seeds, seed);
    rates.rejected += by_question.p < 0.05 ? share : 0.0;
    rates.rejected_by_mid_p += by_question.mid_p < 0.05 ? share : 0.0;
    const Answers plain = draw_answers(setting, 0.0, stream);
    rates.rejected_by_seed += paired_t_p_value(plain.seed_differences).value_or(1.0) < 0.05 ? share : 0.0;
  }
  return rates;
}

int simulations_asked() {
  const char* text = std::getenv("COLA_SIMULATIONS");
  return text == nullptr ? 0 : std::atoi(text);
}

// 1000 simulations: a share of 0.95 has a standard error of 0.007, one of 0.05 too.
TEST(Simulation, IntervalsHoldAndTestsRejectAsOftenAsTheySay) {
  for (const Setting& setting :
       {Setting{.questions = 56, .seeds = 5}, Setting{.questions = 20, .seeds = 3},
        Setting{.questions = 100, .seeds = 10, .mean_logit = 1.0, .method_logits = 2.0}}) {
    const Rates rates = simulate(setting, 1000);
    SCOPED_TRACE(fmt::format("{} questions, {} seeds", setting.questions, setting.seeds));
    EXPECT_NEAR(rates.score_held, 0.95, 0.025);
    EXPECT_NEAR(rates.difference_held, 0.95, 0.025);
    EXPECT_NEAR(rates.rejected, 0.05, 0.025);
    EXPECT_NEAR(rates.rejected_by_mid_p, 0.05, 0.02);
    EXPECT_NEAR(rates.rejected_by_seed, 0.05, 0.025);
  }
}

TEST(Simulation, WholeTable) {
  const int simulations = simulations_asked();
  if (simulations <= 0) GTEST_SKIP() << "COLA_SIMULATIONS is not set";
  fmt::print(
      "| Questions | Seeds | Score | Method by question | Holds score | Holds difference | Rejects by "
      "question | mid-p | by seed |\n|---:|---:|---:|---:|---:|---:|---:|---:|---:|\n");
  for (const auto& [mean, method] : {std::pair{0.0, 1.0}, std::pair{0.0, 2.0}, std::pair{3.0, 1.0}}) {
    for (const std::size_t questions : {20U, 56U, 150U, 500U}) {
      for (const std::size_t seeds : {1U, 2U, 5U, 10U}) {
        const Setting setting{
            .questions = questions, .seeds = seeds, .mean_logit = mean, .method_logits = method};
        const Rates rates = simulate(setting, simulations);
        fmt::print("| {} | {} | {:.2f} | {:.0f} | {:.3f} | {:.3f} | {:.3f} | {:.3f} | {:.3f} |\n", questions,
                   seeds, true_score(mean, std::hypot(1.5, method)), method, rates.score_held,
                   rates.difference_held, rates.rejected, rates.rejected_by_mid_p, rates.rejected_by_seed);
        std::fflush(stdout);
      }
    }
  }
}

}  // namespace
}  // namespace cola
