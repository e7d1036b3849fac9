#include "sweep/results.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "core/error.h"
#include "eval/statistics.h"

namespace cola {
namespace {

constexpr std::uint64_t bootstrap_seed = 42;  // so that tables of the same trials are the same

/// Trials that differ in nothing but their seed.
struct SeedGroup {
  const SweepTrial* first = nullptr;
  std::vector<std::uint64_t> seeds;
  std::vector<const TrialResult*> trials;
  bool diverged = false;  ///< with any seed
};

/// Whether two trials differ in learning rate and seed at most.
bool same_row(const SweepTrial& a, const SweepTrial& b) {
  return a.task == b.task && a.method == b.method && a.setting == b.setting;
}

/// Whether the trial's rate is the lowest or the highest of several.
bool is_at_grid_edge(const SweepTrial& trial, const SweepPlan& plan) {
  bool lower = false, higher = false;
  for (const SweepTrial& other : plan.trials) {
    if (!same_row(other, trial)) continue;
    lower = lower || other.learning_rate < trial.learning_rate;
    higher = higher || other.learning_rate > trial.learning_rate;
  }
  return lower != higher;
}

double mean_dev(const SeedGroup& group, std::optional<double> TrialResult::* field, double missing) {
  std::vector<double> values;
  for (const TrialResult* trial : group.trials) values.push_back((trial->*field).value_or(missing));
  return mean_of(values);
}

/// Whether `group` is chosen over `best`.
bool is_better(const SeedGroup& group, const SeedGroup& best) {
  if (group.diverged != best.diverged) return best.diverged;
  if (group.trials.size() != best.trials.size()) return group.trials.size() > best.trials.size();
  if (group.trials.empty()) return false;
  const double score = mean_dev(group, &TrialResult::dev_score, -1.0);
  const double best_score = mean_dev(best, &TrialResult::dev_score, -1.0);
  if (score != best_score) return score > best_score;
  constexpr double none = std::numeric_limits<double>::max();
  return mean_dev(group, &TrialResult::dev_loss, none) < mean_dev(best, &TrialResult::dev_loss, none);
}

std::map<std::string, std::vector<double>> official_scores(const SeedGroup& group) {
  std::map<std::string, std::vector<double>> scores;
  for (const TrialResult* trial : group.trials) {
    for (const auto& [name, score] : trial->official) {
      std::vector<double>& list = scores[name];
      if (score) list.push_back(*score);
    }
  }
  for (auto& [name, list] : scores)
    if (list.size() != group.trials.size()) list.clear();
  return scores;
}

ResultRow make_row(const SeedGroup& group) {
  ResultRow row;
  row.task = group.first->task;
  row.method = group.first->method;
  row.setting = group.first->setting;
  row.learning_rate = group.first->learning_rate;
  row.metric = group.trials.front()->metric;
  row.seeds = group.seeds;
  std::vector<double> items, hf_flos, hf_flos_saved, real_flops;
  for (const TrialResult* trial : group.trials) {
    row.trials.push_back(trial->id);
    row.scores.push_back(trial->score);
    row.total.push_back(trial->total);
    if (trial->correct) row.correct.push_back(*trial->correct);
    if (trial->dev_score) row.dev_scores.push_back(*trial->dev_score);
    items.insert(items.end(), trial->item_scores.begin(), trial->item_scores.end());
    row.links.push_back(trial->links);
    row.tested_links.push_back(trial->tested_links);
    hf_flos.push_back(trial->hf_flos);
    hf_flos_saved.push_back(trial->hf_flos_saved);
    real_flops.push_back(trial->real_flops);
  }
  row.mean = mean_of(row.scores);
  row.spread = spread_of(row.scores);
  row.official = official_scores(group);
  row.hf_flos = mean_of(hf_flos);
  row.hf_flos_saved = mean_of(hf_flos_saved);
  row.real_flops = mean_of(real_flops);
  const bool counts = row.correct.size() == row.total.size();
  if (!counts) row.correct.clear();
  if (counts || !items.empty()) {
    const Interval interval =
        counts ? wilson_interval(std::accumulate(row.correct.begin(), row.correct.end(), std::int64_t{0}),
                                 std::accumulate(row.total.begin(), row.total.end(), std::int64_t{0}))
               : bootstrap_interval(items, bootstrap_seed);
    row.interval_low = interval.low;
    row.interval_high = interval.high;
  }
  return row;
}

/// Whether no option has one value in a and another in b.
bool settings_agree(const SweepSetting& a, const SweepSetting& b) {
  return std::ranges::all_of(a, [&](const auto& entry) {
    return std::ranges::none_of(
        b, [&](const auto& other) { return other.first == entry.first && other.second != entry.second; });
  });
}

/// The row that a row's gain is over: of the same task, of the setting that agrees.
const ResultRow* base_of(const ResultRow& row, const SweepResults& results) {
  if (row.method == results.gain_over) return nullptr;
  for (const ResultRow& base : results.rows) {
    if (base.task == row.task && base.method == results.gain_over &&
        settings_agree(base.setting, row.setting))
      return &base;
  }
  return nullptr;
}

void add_gains(SweepResults& results) {
  for (ResultRow& row : results.rows) {
    const ResultRow* base = base_of(row, results);
    if (base != nullptr && base->mean != 0.0) row.relative_gain = (row.mean - base->mean) / base->mean;
  }
}

/// The scores of two rows on the same examples, seed by seed.
struct PairedScores {
  std::vector<double> a, b;
};

PairedScores pair_scores(const ResultRow& a, const ResultRow& b,
                         const std::map<std::string, TrialResult>& finished) {
  PairedScores scores;
  for (std::size_t i = 0; i < a.seeds.size(); ++i) {
    const auto seed = std::ranges::find(b.seeds, a.seeds[i]);
    if (seed == b.seeds.end()) continue;
    const TrialResult& first = finished.at(a.trials[i]);
    const TrialResult& second = finished.at(b.trials[static_cast<std::size_t>(seed - b.seeds.begin())]);
    if (first.items != second.items) {
      throw Error(
          fmt::format("{} and {} were tested on other examples: were the data files changed between them?",
                      first.id, second.id));
    }
    scores.a.insert(scores.a.end(), first.item_scores.begin(), first.item_scores.end());
    scores.b.insert(scores.b.end(), second.item_scores.begin(), second.item_scores.end());
  }
  return scores;
}

std::vector<std::uint8_t> right(const std::vector<double>& scores) {
  std::vector<std::uint8_t> list;
  for (const double score : scores) list.push_back(score > 0.5 ? 1 : 0);
  return list;
}

void add_test(std::size_t a, std::size_t b, const std::map<std::string, TrialResult>& finished,
              SweepResults& results) {
  const ResultRow& first = results.rows[a];
  const PairedScores scores = pair_scores(first, results.rows[b], finished);
  if (scores.a.empty()) return;
  ResultTest test;
  test.task = first.task;
  test.a = a;
  test.b = b;
  test.test = "mcnemar";
  for (std::size_t i = 0; i < scores.a.size(); ++i) {
    test.a_better += scores.a[i] > scores.b[i] ? 1 : 0;
    test.b_better += scores.b[i] > scores.a[i] ? 1 : 0;
  }
  if (first.metric == "accuracy") {
    test.p = mcnemar_p_value(right(scores.a), right(scores.b));
  } else {
    test.test = "paired-bootstrap";
    test.p = paired_bootstrap_p_value(scores.a, scores.b, bootstrap_seed);
  }
  results.tests.push_back(test);
}

void add_tests(const std::map<std::string, TrialResult>& finished, SweepResults& results) {
  for (std::size_t a = 0; a < results.rows.size(); ++a) {
    for (std::size_t b = a + 1; b < results.rows.size(); ++b) {
      const ResultRow& first = results.rows[a];
      const ResultRow& second = results.rows[b];
      if (first.task == second.task &&
          (first.method == second.method || settings_agree(first.setting, second.setting)))
        add_test(a, b, finished, results);
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

SweepResults make_results(const SweepPlan& plan, const std::map<std::string, TrialResult>& finished) {
  const auto model = plan.model.has_filename() ? plan.model : plan.model.parent_path();
  SweepResults results;
  results.name = plan.name;
  results.model = model.filename().string();
  results.tasks = plan.tasks;
  results.seeds = plan.seeds;
  results.gain_over = plan.gain_over;
  results.trial_count = plan.trials.size();
  std::vector<SeedGroup> chosen;
  for (std::size_t i = 0; i < plan.trials.size();) {
    SeedGroup group;
    group.first = &plan.trials[i];
    for (; i < plan.trials.size() && same_row(plan.trials[i], *group.first) &&
           plan.trials[i].learning_rate == group.first->learning_rate;
         ++i) {
      const auto result = finished.find(plan.trials[i].id);
      if (result == finished.end()) {
        results.missing.push_back(plan.trials[i].id);
        continue;
      }
      if (result->second.diverged) {
        results.diverged.push_back(plan.trials[i].id);
        group.diverged = true;
        continue;
      }
      results.seconds[result->first] = result->second.seconds;
      group.seeds.push_back(plan.trials[i].seed);
      group.trials.push_back(&result->second);
    }
    if (!chosen.empty() && same_row(*chosen.back().first, *group.first)) {
      if (is_better(group, chosen.back())) chosen.back() = group;
    } else {
      chosen.push_back(group);
    }
  }
  for (const SeedGroup& group : chosen) {
    if (group.trials.empty() || group.diverged) continue;
    results.rows.push_back(make_row(group));
    results.rows.back().at_grid_edge = is_at_grid_edge(*group.first, plan);
  }
  add_gains(results);
  add_tests(finished, results);
  return results;
}

std::map<std::string, TrialResult> read_finished(const SweepPlan& plan, const SweepFolder& folder) {
  std::map<std::string, TrialResult> finished;
  for (const SweepTrial& trial : plan.trials) {
    if (folder.finished(trial.id)) finished.emplace(trial.id, read_trial_result(folder, trial.id));
  }
  return finished;
}

}  // namespace cola
