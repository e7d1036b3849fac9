#include "sweep/results.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "sweep/answers.h"
#include "sweep/choice.h"
#include "sweep/comparison.h"

namespace cola {
namespace {

constexpr double nearly_always = 0.95;

/// Whether the trial's rate is the lowest or the highest of several.
bool is_at_grid_edge(const SweepTrial& trial, const RowCandidates& row) {
  bool lower = false, higher = false;
  for (const Candidate& other : row.candidates) {
    lower = lower || other.first->learning_rate < trial.learning_rate;
    higher = higher || other.first->learning_rate > trial.learning_rate;
  }
  return lower != higher;
}

std::map<std::string, std::vector<double>> official_scores(const Candidate& candidate) {
  std::map<std::string, std::vector<double>> scores;
  for (const TrialResult* trial : candidate.trials) {
    for (const auto& [name, score] : trial->official) {
      std::vector<double>& list = scores[name];
      if (score) list.push_back(*score);
    }
  }
  for (auto& [name, list] : scores)
    if (list.size() != candidate.trials.size()) list.clear();
  return scores;
}

void set_scores(const Candidate& candidate, ResultRow& row) {
  row.metric = candidate.trials.front()->metric;
  row.seeds = candidate.seeds;
  std::vector<double> hf_flos, hf_flos_saved, real_flops;
  for (const TrialResult* trial : candidate.trials) {
    row.trials.push_back(trial->id);
    row.scores.push_back(trial->score);
    row.total.push_back(trial->total);
    if (trial->correct) row.correct.push_back(*trial->correct);
    if (trial->dev_score) row.dev_scores.push_back(*trial->dev_score);
    row.links.push_back(trial->links);
    row.tested_links.push_back(trial->tested_links);
    hf_flos.push_back(trial->hf_flos);
    hf_flos_saved.push_back(trial->hf_flos_saved);
    real_flops.push_back(trial->real_flops);
  }
  if (row.correct.size() != row.total.size()) row.correct.clear();
  row.mean = mean_of(row.scores);
  row.spread = spread_of(row.scores);
  row.official = official_scores(candidate);
  row.hf_flos = mean_of(hf_flos);
  row.hf_flos_saved = mean_of(hf_flos_saved);
  row.real_flops = mean_of(real_flops);
}

/// Whether all trials of the row that have not finished have failed.
bool has_failed(const RowCandidates& row, const SweepTrials& trials) {
  return std::ranges::all_of(row.candidates, [&](const Candidate& candidate) {
    return candidate.diverged || std::ranges::all_of(candidate.planned, [&](const SweepTrial* trial) {
             return trials.failed.contains(trial->id);
           });
  });
}

ResultRow make_row(const RowCandidates& candidates, const Choice& choice) {
  const SweepTrial& first = *candidates.candidates.front().first;
  ResultRow row;
  row.task = first.task;
  row.method = first.method;
  row.setting = first.setting;
  row.tries = first.trains ? candidates.candidates.size() : 0;
  row.reason = choice.reason;
  if (choice.candidate == nullptr) return row;
  row.tuned = choice.candidate->first->tuned;
  row.learning_rate = choice.candidate->first->learning_rate;
  row.at_grid_edge = is_at_grid_edge(*choice.candidate->first, candidates);
  row.chosen_on_dev = choice.on_dev;
  row.provisional = choice.provisional;
  set_scores(*choice.candidate, row);
  return row;
}

void add_rates(const RowCandidates& row, const Choice& choice, SweepResults& results) {
  for (const Candidate& candidate : row.candidates) {
    const SweepTrial& first = *candidate.first;
    if (!first.trains) continue;
    RateScore rate{.task = first.task,
                   .method = first.method,
                   .setting = first.setting,
                   .tuned = first.tuned,
                   .learning_rate = *first.learning_rate,
                   .seeds = candidate.seeds,
                   .chosen = &candidate == choice.candidate,
                   .diverged = candidate.diverged};
    std::vector<double> scores;
    for (const TrialResult* trial : candidate.trials) scores.push_back(trial->score);
    if (!scores.empty()) rate.mean = mean_of(scores);
    rate.spread = spread_of(scores);
    rate.dev_score = mean_over(candidate, candidate.seeds, &TrialResult::dev_score);
    rate.dev_loss = mean_over(candidate, candidate.seeds, &TrialResult::dev_loss);
    results.rates.push_back(std::move(rate));
  }
}

/// Over the test examples of each seed, of whichever trial has them.
void add_majority(const SweepPlan& plan, const SweepTrials& trials, SweepResults& results) {
  for (const std::string& task : plan.tasks) {
    std::map<std::uint64_t, double> scores;
    for (const SweepTrial& trial : plan.trials) {
      if (trial.task != task) continue;
      const auto result = trials.finished.find(trial.id);
      if (result == trials.finished.end() || result->second.metric != "accuracy") continue;
      if (const auto& score = result->second.predictions.majority_score) scores.emplace(trial.seed, *score);
    }
    double sum = 0.0;
    for (const auto& [seed, score] : scores) sum += score;
    if (!scores.empty()) results.majority.push_back({task, sum / static_cast<double>(scores.size())});
  }
}

void add_warnings(const SweepTrials& trials, SweepResults& results) {
  for (const ResultRow& row : results.rows) {
    for (const std::string& id : row.trials) {
      const TrialResult& trial = trials.finished.at(id);
      const PredictionSummary& predictions = trial.predictions;
      if (predictions.most_common_share >= nearly_always && trial.total > 1)
        results.warnings.push_back({id, fmt::format("gives one answer to {:.0f} % of the questions",
                                                    100.0 * predictions.most_common_share)});
      if (predictions.tied > 0)
        results.warnings.push_back(
            {id, fmt::format("has {} of {} questions whose best candidates score the same: the first counts",
                             predictions.tied, trial.total)});
    }
  }
}

void sort_trials(const SweepPlan& plan, const SweepTrials& trials, SweepResults& results) {
  for (const SweepTrial& trial : plan.trials) {
    const auto finished = trials.finished.find(trial.id);
    if (finished != trials.finished.end()) {
      if (finished->second.diverged) {
        results.diverged.push_back(trial.id);
      } else {
        results.seconds[trial.id] = finished->second.seconds;
      }
    } else if (const auto failed = trials.failed.find(trial.id); failed != trials.failed.end()) {
      results.failed.push_back({trial.id, failed->second});
    } else {
      results.missing.push_back(trial.id);
    }
  }
}
}  // namespace

double mean_of(const std::vector<double>& values) {
  return std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(values.size());
}

std::optional<double> spread_of(const std::vector<double>& values) {
  if (values.size() < 2) return std::nullopt;
  const double mean = mean_of(values);
  double sum = 0.0;
  for (const double value : values) sum += (value - mean) * (value - mean);
  return std::sqrt(sum / static_cast<double>(values.size() - 1));
}

SweepResults make_results(const SweepPlan& plan, const SweepTrials& trials) {
  const auto model = plan.model.has_filename() ? plan.model : plan.model.parent_path();
  SweepResults results;
  results.name = plan.name;
  results.model = model.filename().string();
  results.tasks = plan.tasks;
  results.seeds = plan.seeds;
  results.gain_over = plan.gain_over;
  results.trial_count = plan.trials.size();
  sort_trials(plan, trials, results);
  for (const RowCandidates& row : candidates_of(plan, trials.finished)) {
    Choice choice = choose(row);
    if (choice.reason == not_finished && has_failed(row, trials)) choice.reason = "failed";
    results.rows.push_back(make_row(row, choice));
    add_rates(row, choice, results);
  }
  std::map<std::string, AnswerIndex> answers;
  for (const ResultRow& row : results.rows) {
    for (const std::string& trial : row.trials) answers[row.task].add(trials.finished.at(trial));
  }
  compare_rows(answers, results);
  add_majority(plan, trials, results);
  add_warnings(trials, results);
  return results;
}

}  // namespace cola
