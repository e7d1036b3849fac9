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
  bool at_grid_edge = false;
  std::optional<double> learning_rate, relative_gain;
  double mean = 0.0, spread = 0.0;
  std::optional<std::int64_t> correct;  ///< pooled over the seeds, where the metric counts answers
  std::int64_t total = 0;
  double low = 0.0, high = 0.0;         ///< 95 % interval of the pooled score
  std::vector<OfficialScore> official;  ///< where the paper's metric is another
  std::vector<double> scores, dev_scores;
  std::vector<double> links, tested_links;  ///< one a seed
  double hf_flos = 0.0, hf_flos_saved = 0.0, real_flops = 0.0;
  std::vector<std::string> trials;  ///< names of folders below trials/
};

struct PairedTest {
  std::string task, a, b, test;
  double p = 1.0;
  std::optional<std::int64_t> a_only, b_only;  ///< items that only one of them has right
};

struct SweepReport {
  std::string name, model;
  std::size_t seeds = 0;
  std::string gain_over;
  std::size_t missing = 0;   ///< trials that have not ended
  std::size_t diverged = 0;  ///< trials whose training did
  std::vector<ScoreRow> rows;
  std::vector<PairedTest> tests;
};

/// The file that makes a folder a sweep's.
inline constexpr const char* sweep_results_name = "results.json";

/// Reads config.toml and log.jsonl of a run folder. Throws Error naming the file, and what is wrong with it.
[[nodiscard]] RunReport read_run_report(const std::filesystem::path& folder);

/// Reads results.json of a sweep. Throws Error likewise.
[[nodiscard]] SweepReport read_sweep_report(const std::filesystem::path& folder);

}  // namespace cola
