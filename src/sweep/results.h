#pragma once
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "statistics/intervals.h"
#include "sweep/plan.h"
#include "sweep/trial.h"

namespace cola {

/// One method (at one setting) on one task, at the learning rate (and the options of the plan's 'choose')
/// that were chosen on dev.
struct ResultRow {
  std::string task, method;
  SweepSetting setting;
  std::string reason;  ///< why it has no score: then nothing below is set but tries
  SweepSetting tuned;  ///< as chosen
  std::optional<double> learning_rate;
  bool at_grid_edge = false;   ///< the lowest or highest rate of several: the grid may be too narrow
  std::size_t tries = 0;       ///< rates, and settings that are chosen on dev; 0 where nothing is trained
  bool chosen_on_dev = false;  ///< among several: dev_scores are of the best of them, so too high
  bool provisional = false;    ///< it was chosen before all tries had finished with all seeds
  std::string metric;
  std::vector<std::uint64_t> seeds;  ///< of what follows
  std::vector<double> scores;        ///< on test, in [0, 1], one a seed
  double mean = 0.0;
  std::optional<double> spread;       ///< sample standard deviation over seeds; none for one seed
  std::vector<std::int64_t> correct;  ///< one a seed; empty with F1
  std::vector<std::int64_t> total;    ///< test examples, one a seed
  std::int64_t questions = 0;         ///< different ones among them
  Interval interval;                  ///< 95 %, over questions
  /// Official scores by name, one a seed; empty where one of the seeds has none.
  std::map<std::string, std::vector<double>> official;
  std::optional<std::size_t> gain_base;  ///< the row that its gain is over
  std::optional<double> relative_gain;   ///< (a - b) / b, means over the seeds that both rows have
  std::vector<double> dev_scores;
  std::vector<std::int64_t> links, tested_links;  ///< trained, and of the tested state; one a seed
  double hf_flos = 0.0, hf_flos_saved = 0.0, real_flops = 0.0;  ///< means over seeds
  std::vector<std::string> trials;

  [[nodiscard]] bool scored() const { return reason.empty(); }
};

/// Two rows of one task over the questions and seeds that both have.
struct ResultTest {
  std::string task;
  std::size_t a = 0, b = 0;          ///< rows
  std::string reason;                ///< why they cannot be paired: then nothing below is set
  double difference = 0.0;           ///< a's mean score less b's
  std::optional<Interval> interval;  ///< 95 %, over questions; none where all differ by the same
  std::string test;                  ///< by question: "mcnemar" (one seed, accuracy) or "sign-flip"
  std::size_t questions = 0;
  std::size_t a_higher = 0, b_higher = 0;       ///< questions with the higher score, over all seeds together
  double p = 1.0, mid_p = 0.5, p_holm = 1.0;    ///< by question; Holm's of p over all tests of the sweep
  std::size_t seeds = 0;                        ///< pairs of trials
  std::optional<double> p_seeds, p_seeds_holm;  ///< paired t test over the seeds
  std::optional<double> smallest;  ///< difference that this many questions could have shown (power 0.8)
};

/// What always giving a task's most common right answer would score.
struct MajorityScore {
  std::string task;
  double score = 0.0;
};

/// One of the tries that a row was chosen from.
struct RateScore {
  std::string task, method;
  SweepSetting setting, tuned;
  double learning_rate = 0.0;
  std::vector<std::uint64_t> seeds;
  std::optional<double> dev_score{}, dev_loss{};  ///< means over seeds
  std::optional<double> mean{}, spread{};         ///< on test
  bool chosen = false, diverged = false;
};

/// A trial and what a reader must know of it.
struct TrialNote {
  std::string trial, text;
};

struct SweepResults {
  std::string name, model;
  std::vector<std::string> tasks;
  std::vector<std::uint64_t> seeds;
  std::string gain_over;
  std::vector<ResultRow> rows;  ///< by task, method, setting, in the plan's order
  std::vector<ResultTest> tests;
  std::vector<MajorityScore> majority;  ///< of tasks whose answers are classes
  std::vector<RateScore> rates;         ///< of rows that are trained
  std::size_t trial_count = 0;
  std::vector<std::string> missing;       ///< trials that have not run, or are under way
  std::vector<TrialNote> failed;          ///< and their first line of error
  std::vector<std::string> diverged;      ///< trials whose training did
  std::vector<TrialNote> warnings;        ///< on the rows' trials: one answer nearly always, tied scores
  std::map<std::string, double> seconds;  ///< wall clock of the finished trials
};

[[nodiscard]] double mean_of(const std::vector<double>& values);

/// Sample standard deviation; none of fewer than two.
[[nodiscard]] std::optional<double> spread_of(const std::vector<double>& values);

/// Trials of a sweep's folder.
struct SweepTrials {
  std::map<std::string, TrialResult> finished;  ///< by id
  std::map<std::string, std::string> failed;    ///< the first line of the error, by id
};

/// Tables of the finished trials. Rows are chosen by choose() (sweep/choice.h); rows are compared by
/// compare_rows() (sweep/comparison.h). What cannot be said of a row or of two is left out of it, with the
/// reason.
[[nodiscard]] SweepResults make_results(const SweepPlan& plan, const SweepTrials& trials);

/// Reads the trials of a sweep's folder. A trial whose files cannot be read counts as failed.
[[nodiscard]] SweepTrials read_trials(const SweepPlan& plan, const SweepFolder& folder);

}  // namespace cola
