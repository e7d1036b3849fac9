#pragma once
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "sweep/plan.h"
#include "sweep/trial.h"

namespace cola {

/// One method (at one setting) on one task, at the learning rate that was chosen on dev.
struct ResultRow {
  std::string task, method;
  SweepSetting setting;
  std::optional<double> learning_rate;
  bool at_grid_edge = false;  ///< the lowest or highest rate of several: the grid may be too narrow
  std::string metric;
  std::vector<std::uint64_t> seeds;  ///< of what follows
  std::vector<double> scores;        ///< on test, in [0, 1], one a seed
  double mean = 0.0;
  std::optional<double> spread;       ///< sample standard deviation over seeds; none for one seed
  std::vector<std::int64_t> correct;  ///< one a seed; empty with F1
  std::vector<std::int64_t> total;    ///< test examples, one a seed
  double interval_low = 0.0, interval_high = 0.0;  ///< 95 % of the score over all seeds' examples together
  /// Official scores by name, one a seed; empty where one of the seeds has none.
  std::map<std::string, std::vector<double>> official;
  std::optional<double> relative_gain;  ///< (mean - b) / b, b the mean of the method that gains are over
  std::vector<double> dev_scores;
  std::vector<std::int64_t> links, tested_links;  ///< trained, and of the tested state; one a seed
  double hf_flos = 0.0, hf_flos_saved = 0.0, real_flops = 0.0;  ///< means over seeds
  std::vector<std::string> trials;
};

/// Two rows of one task over the test examples and seeds that both have.
struct ResultTest {
  std::string task;
  std::size_t a = 0, b = 0;  ///< rows
  std::string test;          ///< "mcnemar" or "paired-bootstrap"
  double p = 1.0;
  std::int64_t a_better = 0,
               b_better = 0;  ///< examples: with accuracy, where one is right and the other wrong
};

[[nodiscard]] double mean_of(const std::vector<double>& values);

/// Sample standard deviation; none of fewer than two.
[[nodiscard]] std::optional<double> spread_of(const std::vector<double>& values);

struct SweepResults {
  std::string name, model;
  std::vector<std::string> tasks;
  std::vector<std::uint64_t> seeds;
  std::string gain_over;
  std::vector<ResultRow> rows;  ///< by task, method, setting, in the plan's order
  std::vector<ResultTest> tests;
  std::size_t trial_count = 0;
  std::vector<std::string> missing;       ///< trials that are not finished
  std::vector<std::string> diverged;      ///< trials whose training did
  std::map<std::string, double> seconds;  ///< wall clock of the finished trials
};

/// Tables of `finished`, by trial id. Of the learning rates of a row those with the most finished seeds
/// count, and of these the one with the highest mean dev score is chosen, ties by the lower mean dev loss,
/// then by the plan's order. A rate that diverged with any seed is never chosen. Throws Error where two
/// trials of a seed have other test examples.
[[nodiscard]] SweepResults make_results(const SweepPlan& plan,
                                        const std::map<std::string, TrialResult>& finished);

/// Reads the finished trials of a sweep's folder.
[[nodiscard]] std::map<std::string, TrialResult> read_finished(const SweepPlan& plan,
                                                               const SweepFolder& folder);

}  // namespace cola
