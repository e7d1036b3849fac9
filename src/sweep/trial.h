#pragma once
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "cola/language_model.h"
#include "cola/train.h"
#include "sweep/plan.h"
#include "sweep/prediction_summary.h"
#include "sweep/sweep_folder.h"

namespace cola {

/// What a finished trial measured: test.json and predictions.jsonl.
struct TrialResult {
  std::string id;
  bool diverged = false;  ///< in training: nothing was tested, and nothing below is set
  std::string metric;
  double score = 0.0;
  std::optional<std::int64_t> correct;
  std::int64_t total = 0;
  std::map<std::string, std::optional<double>> official;
  std::int64_t links = 0;         ///< trained
  std::int64_t tested_links = 0;  ///< of the state that was tested: fewer where an earlier epoch was the best
  std::optional<double> dev_score, dev_loss;  ///< at the best dev loss
  double hf_flos = 0.0, hf_flos_saved = 0.0, real_flops = 0.0, seconds = 0.0;
  std::vector<std::string> items;   ///< ids of the test examples, in order
  std::vector<double> item_scores;  ///< in [0, 1]
  PredictionSummary predictions;
};

/// Writes predictions.jsonl, then test.json, which says that the trial is finished. `trained` is null where
/// nothing is trained.
void write_trial_result(const SweepFolder& folder, const SweepTrial& trial, const TaskResult& tested,
                        const TrainResult* trained);

/// Writes a test.json that says that training diverged, and how.
void write_diverged_trial(const SweepFolder& folder, const SweepTrial& trial, const std::string& message);

/// Throws Error naming file and key where it is malformed.
[[nodiscard]] TrialResult read_trial_result(const SweepFolder& folder, const std::string& id);

/// Trains (or goes on with) a trial, then tests its best state; does nothing where it is finished. A trial
/// that diverges is finished. Throws Error, also where another process runs it; what a trial failed of is
/// written to its error.txt as well.
void run_trial(const SweepFolder& folder, const SweepTrial& trial, bool quiet);

}  // namespace cola
