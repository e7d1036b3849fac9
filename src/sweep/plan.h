#pragma once
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "cola/train.h"
#include "sweep/problems.h"

namespace cola {

/// Option and value, both as text, in the order of the options' documentation.
using SweepSetting = std::vector<std::pair<std::string, std::string>>;

/// One training run with its test, or one test without training.
struct SweepTrial {
  std::string id;        ///< of its folder: "cb-lora-lr1e-3-seed0"; letters, digits and .,+-_ only
  std::string task;      ///< name; empty in a plan whose tasks are all unknown
  std::string method;    ///< the plan's name for it
  bool trains = true;    ///< not with zero-shot and icl
  SweepSetting setting;  ///< where it stands on the grid, what is chosen on dev apart
  SweepSetting tuned;  ///< the options of the plan's 'choose', which are chosen on dev with the learning rate
  std::optional<double> learning_rate;
  std::uint64_t seed = 0;  ///< of the plan's seeds
  TrainOptions options;    ///< without `out`
  std::int64_t demonstrations = 0;
  std::optional<std::int64_t> num_test;
};

struct SweepPlan {
  std::string name;
  std::filesystem::path model, data;
  std::vector<std::string> tasks;    ///< names
  std::vector<std::string> methods;  ///< names
  std::vector<std::uint64_t> seeds;
  int threads = 1;                 ///< of every trial
  std::string gain_over;           ///< the method that others are compared with
  std::vector<SweepTrial> trials;  ///< by task, method, setting, tuned options, learning rate, seed
  std::string text;                ///< resolved TOML
};

/// Trials of a resolved plan (sweep/plan_file.h). What can be known to be wrong without looking at model and
/// data goes to `problems`; where there is any, the trials are only good for check_plan_data to find more.
[[nodiscard]] SweepPlan expand_plan(const std::string& resolved, Problems& problems);

/// 1e-3, 8e-4, 2.5e-5: the shortest text of the number.
[[nodiscard]] std::string rate_text(double rate);

}  // namespace cola
