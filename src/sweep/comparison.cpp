#include "sweep/comparison.h"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>

#include "core/parallel.h"
#include "statistics/paired_tests.h"

namespace cola {
namespace {

constexpr std::uint64_t resampling_seed = 42;  // so that tables of the same trials are the same

/// Trials of two rows that are compared with each other, in pairs.
struct Pairing {
  std::vector<std::string> a, b;
  std::string reason;  ///< why there is none
};

bool is_trained(const ResultRow& row) { return row.tries > 0; }

Pairing pair_trials(const ResultRow& a, const ResultRow& b, const AnswerIndex& answers) {
  Pairing pairing{.a = {}, .b = {}, .reason = "no seed that both have finished"};
  const auto add = [&](const std::string& first, const std::string& second) {
    if (!answers.same_questions(first, second)) {
      pairing.reason = "tested on other questions";
      return;
    }
    pairing.a.push_back(first);
    pairing.b.push_back(second);
  };
  if (!is_trained(a) && is_trained(b)) {
    for (const std::string& trial : b.trials) add(a.trials.front(), trial);
  } else if (is_trained(a) && !is_trained(b)) {
    for (const std::string& trial : a.trials) add(trial, b.trials.front());
  } else {
    for (std::size_t i = 0; i < a.seeds.size(); ++i) {
      const auto seed = std::ranges::find(b.seeds, a.seeds[i]);
      if (seed != b.seeds.end()) add(a.trials[i], b.trials[static_cast<std::size_t>(seed - b.seeds.begin())]);
    }
  }
  if (!pairing.a.empty()) pairing.reason.clear();
  return pairing;
}

/// Sums and resampled means of lists of trials. All lists are named first, so that those with the same
/// questions are resampled together.
class Resamples {
 public:
  struct Column {
    AnswerSums answers;
    std::vector<double> means;
  };

  void name(const AnswerIndex& answers, const std::vector<std::string>& trials) {
    const auto [entry, is_new] = columns_.try_emplace(trials);
    if (is_new) entry->second.answers = answers.sum(trials);
  }

  void draw() {
    std::map<std::vector<std::size_t>, std::vector<Column*>> groups;
    for (auto& [trials, column] : columns_) groups[column.answers.questions].push_back(&column);
    for (auto& [questions, columns] : groups) {
      std::vector<QuestionSums> scores;
      for (const Column* column : columns) scores.push_back(column->answers.scores);
      auto means = resampled_means(scores, resampling_seed);
      for (std::size_t i = 0; i < columns.size(); ++i) columns[i]->means = std::move(means[i]);
    }
  }

  [[nodiscard]] const Column& of(const std::vector<std::string>& trials) const { return columns_.at(trials); }

 private:
  std::map<std::vector<std::string>, Column> columns_;
};

/// Whether no option has one value in a and another in b.
bool settings_agree(const SweepSetting& a, const SweepSetting& b) {
  return std::ranges::all_of(a, [&](const auto& entry) {
    return std::ranges::none_of(
        b, [&](const auto& other) { return other.first == entry.first && other.second != entry.second; });
  });
}

double score_of(const std::string& trial, const AnswerIndex& answers) {
  const std::vector<double>&sums = answers.of(trial).sums, &counts = answers.counts(trial);
  return std::accumulate(sums.begin(), sums.end(), 0.0) / std::accumulate(counts.begin(), counts.end(), 0.0);
}

double mean_score(const std::vector<std::string>& trials, const AnswerIndex& answers) {
  std::vector<double> scores;
  for (const std::string& trial : trials) scores.push_back(score_of(trial, answers));
  return mean_of(scores);
}

void set_interval(const Resamples& resamples, ResultRow& row) {
  const auto& column = resamples.of(row.trials);
  row.questions = std::ssize(column.answers.questions);
  if (row.trials.size() == 1 && !row.correct.empty()) {
    row.interval = wilson_interval(row.correct.front(), row.total.front());
  } else if (!row.correct.empty()) {
    row.interval = accuracy_interval(column.answers.scores, column.means);
  } else {
    row.interval = bootstrap_interval(column.answers.scores, column.means);
  }
}

/// The row that a row's gain is over; none for the base itself.
const ResultRow* base_of(const ResultRow& row, const SweepResults& results) {
  if (row.method == results.gain_over) return nullptr;
  const auto base = std::ranges::find_if(results.rows, [&](const ResultRow& other) {
    return other.scored() && other.task == row.task && other.method == results.gain_over &&
           settings_agree(other.setting, row.setting);
  });
  return base == results.rows.end() ? nullptr : &*base;
}

void set_gain(const AnswerIndex& answers, const SweepResults& results, ResultRow& row) {
  const ResultRow* base = base_of(row, results);
  if (base == nullptr) return;
  const Pairing pairing = pair_trials(row, *base, answers);
  if (!pairing.reason.empty()) return;
  const double mean = mean_score(pairing.a, answers), base_mean = mean_score(pairing.b, answers);
  if (base_mean == 0.0) return;
  row.relative_gain = (mean - base_mean) / base_mean;
  row.gain_base = static_cast<std::size_t>(base - results.rows.data());
}

/// By question: a's sum of scores less b's.
std::vector<double> question_differences(const QuestionSums& a, const QuestionSums& b) {
  std::vector<double> differences(a.questions());
  for (std::size_t i = 0; i < differences.size(); ++i) {
    differences[i] = a.sums[i] - b.sums[i];
    if (std::abs(differences[i]) < 1e-12 * a.counts[i]) differences[i] = 0.0;  // equal but for rounding
  }
  return differences;
}

void compare_by_question(const Pairing& pairing, const Resamples& resamples, bool accuracy,
                         ResultTest& test) {
  const auto& a = resamples.of(pairing.a);
  const auto& b = resamples.of(pairing.b);
  std::vector<double> differences = question_differences(a.answers.scores, b.answers.scores);
  test.questions = differences.size();
  for (const double difference : differences) {
    test.a_higher += difference > 0.0 ? 1 : 0;
    test.b_higher += difference < 0.0 ? 1 : 0;
  }
  test.test = accuracy && pairing.a.size() == 1 ? "mcnemar" : "sign-flip";
  const PValues values = test.test == "mcnemar" ? mcnemar_p_values(static_cast<std::int64_t>(test.a_higher),
                                                                   static_cast<std::int64_t>(test.b_higher))
                                                : sign_flip_p_values(differences, resampling_seed);
  test.p = values.p;
  test.mid_p = values.mid_p;
  test.difference = a.answers.scores.mean() - b.answers.scores.mean();
  // In units of the score: a question's share of the difference, times the number of questions.
  const std::vector<double>& counts = a.answers.scores.counts;
  const double answers = std::accumulate(counts.begin(), counts.end(), 0.0);
  for (double& difference : differences) difference *= static_cast<double>(differences.size()) / answers;
  test.smallest = smallest_difference(differences);
  if (!test.smallest) return;  // all questions differ by the same: nothing to resample
  std::vector<double> means(a.means.size());
  for (std::size_t i = 0; i < means.size(); ++i) means[i] = a.means[i] - b.means[i];
  test.interval = percentile_interval(std::move(means), test.questions);
}

void compare_by_seed(const Pairing& pairing, const AnswerIndex& answers, ResultTest& test) {
  std::vector<double> differences;
  for (std::size_t i = 0; i < pairing.a.size(); ++i)
    differences.push_back(score_of(pairing.a[i], answers) - score_of(pairing.b[i], answers));
  test.seeds = differences.size();
  test.p_seeds = paired_t_p_value(differences);
}

void adjust(std::vector<ResultTest>& tests) {
  std::vector<ResultTest*> by_question, by_seed;
  std::vector<double> p, p_seeds;
  for (ResultTest& test : tests) {
    if (!test.reason.empty()) continue;
    by_question.push_back(&test);
    p.push_back(test.p);
    if (!test.p_seeds) continue;
    by_seed.push_back(&test);
    p_seeds.push_back(*test.p_seeds);
  }
  p = holm_adjusted(p);
  p_seeds = holm_adjusted(p_seeds);
  for (std::size_t i = 0; i < p.size(); ++i) by_question[i]->p_holm = p[i];
  for (std::size_t i = 0; i < p_seeds.size(); ++i) by_seed[i]->p_seeds_holm = p_seeds[i];
}

/// The pairs of rows that are compared, with the trials of each.
std::vector<Pairing> name_tests(const std::map<std::string, AnswerIndex>& answers, SweepResults& results) {
  std::vector<Pairing> pairings;
  for (std::size_t a = 0; a < results.rows.size(); ++a) {
    for (std::size_t b = a + 1; b < results.rows.size(); ++b) {
      const ResultRow& first = results.rows[a];
      const ResultRow& second = results.rows[b];
      if (!first.scored() || !second.scored() || first.task != second.task) continue;
      if (first.method != second.method && !settings_agree(first.setting, second.setting)) continue;
      pairings.push_back(pair_trials(first, second, answers.at(first.task)));
      ResultTest& test = results.tests.emplace_back();
      test.task = first.task;
      test.a = a;
      test.b = b;
      test.reason = pairings.back().reason;
    }
  }
  return pairings;
}

}  // namespace

void compare_rows(const std::map<std::string, AnswerIndex>& answers, SweepResults& results) {
  const std::vector<Pairing> pairings = name_tests(answers, results);
  Resamples resamples;
  for (const ResultRow& row : results.rows)
    if (row.scored()) resamples.name(answers.at(row.task), row.trials);
  for (std::size_t i = 0; i < pairings.size(); ++i) {
    if (!pairings[i].reason.empty()) continue;
    resamples.name(answers.at(results.tests[i].task), pairings[i].a);
    resamples.name(answers.at(results.tests[i].task), pairings[i].b);
  }
  resamples.draw();
  for (ResultRow& row : results.rows) {
    if (!row.scored()) continue;
    set_interval(resamples, row);
    set_gain(answers.at(row.task), results, row);
  }
  parallel_for(std::ssize(pairings), 1, [&](std::int64_t begin, std::int64_t end) {
    for (auto i = static_cast<std::size_t>(begin); i < static_cast<std::size_t>(end); ++i) {
      if (!pairings[i].reason.empty()) continue;
      ResultTest& test = results.tests[i];
      compare_by_question(pairings[i], resamples, results.rows[test.a].metric == "accuracy", test);
      compare_by_seed(pairings[i], answers.at(test.task), test);
    }
  });
  adjust(results.tests);
}

}  // namespace cola
