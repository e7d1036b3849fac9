#include "lora/peft_targets.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "core/error.h"
#include "lora/module_pattern.h"

namespace cola {
namespace {

/// What PEFT takes for Llama and OPT where target_modules is null.
const std::vector<std::string> default_names{"q_proj", "v_proj"};

bool is_named(const std::vector<std::string>& names, const std::string& module) {
  return std::ranges::any_of(
      names, [&](const auto& name) { return module == name || module.ends_with("." + name); });
}

bool matches(const Regex& pattern, const std::string& module) { return !pattern.find_all(module).empty(); }

Regex whole_name(const JsonReader& config, const char* field) {
  return python_regex(R"(\A)", config.string(field), R"(\z)", fmt::format("{}: {}", config.where(), field));
}

bool is_set(const JsonReader& config, const char* field) {
  return config.has(field) && !is_empty(config.at(field));
}

std::set<std::int64_t> layer_numbers(const JsonReader& config) {
  const Json& value = config.at("layers_to_transform");
  std::set<std::int64_t> layers;
  if (!value.is_array()) return {config.integer("layers_to_transform")};
  for (const Json& layer : value) {
    if (!layer.is_number_integer())
      throw Error(fmt::format("{}: 'layers_to_transform' must be layer numbers", config.where()));
    layers.insert(layer.get<std::int64_t>());
  }
  return layers;
}

/// The digits of `name` from `begin` on, where a '.' follows them.
std::optional<std::int64_t> layer_number(std::string_view name, std::size_t begin) {
  const std::size_t end = name.find_first_not_of("0123456789", begin);
  if (end == begin || end == std::string_view::npos || name[end] != '.') return std::nullopt;
  std::int64_t number = 0;
  const auto [stop, error] = std::from_chars(name.data() + begin, name.data() + end, number);
  return error == std::errc() ? std::optional(number) : std::nullopt;
}

/// PEFT's r".*?\.[^.]*\.(\d+)\.": the first number that is a part of the name, but for the first two parts.
std::optional<std::int64_t> first_layer_number(std::string_view name) {
  std::size_t parts = 0;
  for (std::size_t dot = name.find('.'); dot != std::string_view::npos; dot = name.find('.', dot + 1)) {
    if (++parts < 2) continue;
    if (const auto number = layer_number(name, dot + 1)) return number;
  }
  return std::nullopt;
}

}  // namespace

bool is_empty(const Json& value) {
  return value.is_null() || value == Json(false) || value == Json("") ||
         (value.is_structured() && value.empty());
}

std::vector<std::string> string_list(const JsonReader& config, const std::string& field) {
  std::vector<std::string> list;
  if (!config.has(field)) return list;
  const Json& value = config.at(field);
  if (is_empty(value)) return list;
  const bool sound =
      value.is_array() && std::ranges::all_of(value, [](const Json& entry) { return entry.is_string(); });
  if (!sound) throw Error(fmt::format("{}: '{}' must be a list of strings", config.where(), field));
  return value.get<std::vector<std::string>>();
}

PeftTargets::PeftTargets(const JsonReader& config) : parameters_(string_list(config, "target_parameters")) {
  const bool as_string = is_set(config, "target_modules") && config.at("target_modules").is_string();
  if (as_string) {
    std::string lower = config.string("target_modules");
    std::ranges::transform(lower, lower.begin(), [](char c) {
      return static_cast<char>(c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : c);
    });
    all_linear_ = lower == "all-linear";
    if (!all_linear_) pattern_ = whole_name(config, "target_modules");
  } else {
    names_ = string_list(config, "target_modules");
    if (names_.empty() && parameters_.empty()) names_ = default_names;
  }
  if (is_set(config, "exclude_modules") && config.at("exclude_modules").is_string()) {
    excluded_pattern_ = whole_name(config, "exclude_modules");
  } else {
    excluded_ = string_list(config, "exclude_modules");
  }
  for (const auto& name : string_list(config, "modules_to_save")) {
    saved_.push_back(
        python_regex(R"(\A(?:.*\.)?)", name, R"((?:\..*)?\z)", config.where() + ": modules_to_save"));
  }
  read_layers(config, as_string);
}

void PeftTargets::read_layers(const JsonReader& config, bool targets_are_a_string) {
  const bool has_pattern = is_set(config, "layers_pattern");
  // PEFT takes false for layer 0: here it is no number.
  if (!config.has("layers_to_transform") || config.at("layers_to_transform") == Json::array()) {
    if (has_pattern)
      throw Error(config.where() + ": 'layers_pattern' without 'layers_to_transform' means nothing");
    return;
  }
  if (targets_are_a_string)
    throw Error(config.where() + ": 'layers_to_transform' needs a list of names in 'target_modules'");
  layers_ = layer_numbers(config);
  if (!has_pattern) return;
  const auto patterns = config.at("layers_pattern").is_string()
                            ? std::vector<std::string>{config.string("layers_pattern")}
                            : string_list(config, "layers_pattern");
  for (const auto& pattern : patterns) {
    layer_patterns_.push_back(
        python_regex(R"(\A(?:.*?\.)?)", pattern, R"(\.(?=[0-9]+\.))", config.where() + ": layers_pattern"));
  }
}

bool PeftTargets::is_excluded(const std::string& module) const {
  return is_named(excluded_, module) || (excluded_pattern_ && matches(*excluded_pattern_, module));
}

bool PeftTargets::is_in_layers(const std::string& module) const {
  std::optional<std::int64_t> number;
  if (layer_patterns_.empty()) number = first_layer_number(module);
  for (const Regex& pattern : layer_patterns_) {
    if (const auto found = pattern.find_all(module); !found.empty()) {
      number = layer_number(module, found.front().end);
      break;
    }
  }
  return number && layers_->contains(*number);
}

std::string_view PeftTargets::left_out_by(const std::string& module, bool linear) const {
  if (is_excluded(module)) return "exclude_modules";
  if (std::ranges::any_of(saved_, [&](const Regex& saved) { return matches(saved, module); }))
    return "modules_to_save";
  if (is_named(parameters_, module + ".weight")) return "";
  if (all_linear_) return linear ? "" : "target_modules";
  if (pattern_) return matches(*pattern_, module) ? "" : "target_modules";
  if (!is_named(names_, module)) return "target_modules";
  const bool by_whole_name = std::ranges::find(names_, module) != names_.end();
  return !layers_ || by_whole_name || is_in_layers(module) ? "" : "layers_to_transform";
}

std::vector<std::string> PeftTargets::plain_names() const {
  const bool alone =
      excluded_.empty() && !excluded_pattern_ && saved_.empty() && !layers_ && parameters_.empty();
  return alone ? names_ : std::vector<std::string>();
}

}  // namespace cola
