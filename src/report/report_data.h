#pragma once
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace cola {

struct CurvePoint {
  double step = 0.0, value = 0.0;
};

/// What a report shows of one run folder. A run that has not ended has what its last lines say.
struct RunReport {
  std::filesystem::path folder;
  std::string name;    ///< in tables and legends
  std::string method;  ///< as the log's start says
  std::string config;  ///< config.toml
  std::vector<CurvePoint> loss, dev_loss, dev_score;
  std::vector<CurvePoint> margin, reward_accuracy, dev_margin, dev_reward_accuracy;  ///< of preference pairs
  std::vector<CurvePoint> reward_chosen, reward_rejected;
  std::vector<std::int64_t> knots;  ///< steps after which a link was tied
  bool ended = false;
  std::int64_t steps = 0, links = 0, tokens = 0;
  double seconds = 0.0, hf_flos = 0.0, real_flops = 0.0;
};

/// A score of the data set's own metric, over the seeds; none where the test examples do not suffice.
struct OfficialScore {
  std::string name;
  std::optional<double> mean, spread;
};

/// One line of a sweep's table: a method in one setting on one task, over the seeds.
struct ScoreRow {
  std::string task, method, metric;
  std::string label;         ///< method and setting, as the sweep's own tables call them
  std::string chain_series;  ///< what rows that differ in their chain length alone have in common
  std::string reason;        ///< why it has no score: then nothing below is set but tries
  std::int64_t tries = 0;    ///< that it was chosen from; 0 where nothing is trained, or the file has none
  std::string chosen;        ///< the options that were chosen on dev beside the rate, as in labels
  std::string gain_over;     ///< label of the row that its gain is over
  bool at_grid_edge = false, chosen_on_dev = false, provisional = false;
  std::optional<double> learning_rate, relative_gain;
  double mean = 0.0, spread = 0.0;
  std::optional<std::int64_t> correct;    ///< pooled over the seeds, where the metric counts answers
  std::optional<std::int64_t> questions;  ///< different test examples; none in files of before
  std::int64_t total = 0;
  double low = 0.0, high = 0.0;         ///< 95 % interval
  std::vector<OfficialScore> official;  ///< where the paper's metric is another
  std::vector<double> scores, dev_scores;
  std::vector<double> links, tested_links;  ///< one a seed
  double hf_flos = 0.0, hf_flos_saved = 0.0, real_flops = 0.0;
  std::vector<std::string> trials;  ///< names of folders below trials/

  [[nodiscard]] bool scored() const { return reason.empty(); }
};

/// Two rows of a task. Files of before have counts and p alone.
struct PairedTest {
  std::string task, a, b;
  std::string reason;  ///< why the two cannot be paired: then nothing below is set
  std::string test;
  std::optional<double> difference, low, high;  ///< a - b with its 95 % interval
  std::optional<double> smallest;               ///< that would have been shown with a power of 0.8
  std::optional<std::int64_t> questions, seeds;
  std::optional<std::int64_t> a_higher, b_higher;  ///< questions on which it has the higher score
  std::optional<double> p, p_holm, p_seeds, p_seeds_holm;
};

/// One of the learning rates that a row was chosen from.
struct RateRow {
  std::string task, label;
  std::string tuned;  ///< the options that are chosen on dev beside the rate, as in labels
  double learning_rate = 0.0;
  std::int64_t seeds = 0;
  std::optional<double> dev_score, dev_loss;  ///< means over the seeds
  std::optional<double> mean, spread;         ///< on test
  bool chosen = false, diverged = false;
};

/// A trial and what a reader must know of it.
struct ReportedTrial {
  std::string trial, text;
};

/// What always giving a task's most common right answer would score.
struct MajorityRow {
  std::string task;
  double score = 0.0;
};

struct SweepReport {
  std::string name, model;
  std::size_t seeds = 0;
  std::string gain_over;
  std::vector<std::string> missing;   ///< trials that have not ended
  std::vector<std::string> diverged;  ///< trials whose training did
  std::vector<ReportedTrial> failed, warnings;
  bool tells_failed = false;  ///< files of before count a trial that failed as missing
  std::vector<ScoreRow> rows;
  std::vector<PairedTest> tests;
  std::vector<RateRow> rates;
  std::vector<MajorityRow> majority;
};

/// The file that makes a folder a sweep's.
inline constexpr const char* sweep_results_name = "results.json";

/// Reads config.toml and log.jsonl of a run folder. Throws Error naming the file, and what is wrong with it.
[[nodiscard]] RunReport read_run_report(const std::filesystem::path& folder);

/// Reads results.json of a sweep, of this release or of one before. Throws Error likewise.
[[nodiscard]] SweepReport read_sweep_report(const std::filesystem::path& folder);

}  // namespace cola
