#pragma once
#include <toml++/toml.h>

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "sweep/problems.h"

namespace cola {

/// A task of a plan with its [task.NAME].
struct PlanTask {
  std::string name;       ///< what tables call it
  std::string reference;  ///< for find_task
  std::filesystem::path folder;
  toml::table options;
};

/// A [[method]] of a plan.
struct PlanMethod {
  std::string name;
  std::string method;  ///< lora, cola, full, zero-shot or icl
  bool known = true;   ///< whether it is one of these
  std::string where;   ///< "method 'NAME'", which begins its problems
  bool trains = true;
  std::int64_t demonstrations = 0;
  toml::table options;
};

/// A plan as it is written, before its grids are expanded.
struct PlanSections {
  std::string name, model, data;
  int threads = 1;
  std::optional<std::int64_t> num_test;
  std::string gain_over;
  std::string vary;                 ///< data-seed, seed or both
  std::vector<std::string> choose;  ///< options that are chosen on dev, as the learning rate always is
  std::vector<std::uint64_t> seeds;
  toml::table train;
  std::vector<PlanTask> tasks;
  std::vector<PlanMethod> methods;
};

/// Reads a resolved plan (sweep/plan_file.h); what is wrong goes to `problems`.
[[nodiscard]] PlanSections read_plan_sections(const std::string& resolved, Problems& problems);

/// Whether an option of `cola train` means something where nothing is trained.
[[nodiscard]] bool is_evaluation_option(std::string_view name);

/// With "-" for every character that a trial's id may not have.
[[nodiscard]] std::string folder_text(std::string text);

}  // namespace cola
