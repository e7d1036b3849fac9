#pragma once
#include <cstdint>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "io/json.h"
#include "lora/module_pattern.h"
#include "lora/peft_targets.h"

namespace cola {

/// A field of PEFT's LoraConfig.
struct PeftField {
  std::string_view name;
  std::string_view
      refused;  ///< why it is refused where it is not empty; nothing where it is read or harmless
};

/// Every field that the LoraConfig of PEFT 0.21.2 saves, by name. A field that is not among them and not
/// empty is refused: it may mean anything.
[[nodiscard]] std::span<const PeftField> peft_fields();

/// What adapter_config.json of a PEFT LoRA means for its tensors.
struct PeftConfig {
  std::string file;
  PeftTargets targets;
  std::int64_t r = 0;  ///< 0: not said
  double lora_alpha = 0.0;
  bool use_rslora = false;
  std::vector<std::pair<ModulePattern, std::int64_t>> rank_pattern;  ///< in the order of the file
  std::vector<std::pair<ModulePattern, double>> alpha_pattern;
  std::string bias;                          ///< none, lora_only or all
  std::vector<std::string> modules_to_save;  ///< whole modules that the file holds
  bool ensure_weight_tying = false;
  std::vector<std::string> ignored_tensors;  ///< parts of names of tensors that act in training only

  /// The ranks that the configuration may mean for a module: r, or those of every key of rank_pattern that
  /// matches it (PEFT trains with the first of them, and saves them in another order). Empty: not said.
  [[nodiscard]] std::set<std::int64_t> ranks_of(const std::string& module) const;

  struct Alpha {
    double value = 0.0;
    std::string key;    ///< of alpha_pattern; "" for lora_alpha
    std::string other;  ///< another key that matches too, and has another value; "" if none
  };
  /// lora_alpha, or the value of the first key of alpha_pattern that matches, in the order of the file.
  [[nodiscard]] Alpha alpha_of(const std::string& module) const;
  /// alpha / r, or alpha / sqrt(r) with rsLoRA.
  [[nodiscard]] double scale_of(double alpha, std::int64_t rank) const;
};

/// Reads and checks adapter_config.json, given as its text. Throws Error naming file and field for what is
/// not LoRA, what changes the function in a way that is not computed here, and what is not sound.
[[nodiscard]] PeftConfig parse_peft_config(std::string_view text, const std::string& file);

}  // namespace cola
