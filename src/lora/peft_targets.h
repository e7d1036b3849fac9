#pragma once
#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "io/json.h"
#include "text/regex.h"

namespace cola {

/// Which modules adapter_config.json gives a LoRA, as PEFT decides it (check_target_module_exists).
class PeftTargets {
 public:
  PeftTargets() = default;
  /// Throws Error naming file and field for values that PEFT refuses too, and for patterns that are not
  /// supported.
  explicit PeftTargets(const JsonReader& config);

  /// The field that keeps a module without a LoRA, "" if it gets one. `linear`: whether "all-linear" takes
  /// it.
  [[nodiscard]] std::string_view left_out_by(const std::string& module, bool linear) const;
  /// The names of target_modules where they alone decide; none where it is a pattern, or other fields have a
  /// say.
  [[nodiscard]] std::vector<std::string> plain_names() const;
  /// Entries of target_modules.
  [[nodiscard]] const std::vector<std::string>& names() const { return names_; }

 private:
  void read_layers(const JsonReader& config, bool targets_are_a_string);
  [[nodiscard]] bool is_excluded(const std::string& module) const;
  [[nodiscard]] bool is_in_layers(const std::string& module) const;

  std::vector<std::string> names_;  ///< target_modules as a list
  std::optional<Regex> pattern_;    ///< as a regular expression
  bool all_linear_ = false;
  std::vector<std::string> parameters_;  ///< target_parameters
  std::vector<std::string> excluded_;
  std::optional<Regex> excluded_pattern_;
  std::vector<Regex> saved_;                      ///< modules_to_save
  std::optional<std::set<std::int64_t>> layers_;  ///< layers_to_transform
  std::vector<Regex> layer_patterns_;             ///< layers_pattern, each up to the layer's number
};

/// Whether a field says nothing: null, false, {}, [] or "".
[[nodiscard]] bool is_empty(const Json& value);

/// A list of strings, or none where the field is missing, null or empty. Throws Error for anything else.
[[nodiscard]] std::vector<std::string> string_list(const JsonReader& config, const std::string& field);

}  // namespace cola
