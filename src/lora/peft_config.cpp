#include "lora/peft_config.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <optional>
#include <utility>

#include "core/error.h"
#include "io/printable.h"

namespace cola {
namespace {

/// As LoraConfig of PEFT 0.21.2 saves them.
constexpr std::array<PeftField, 42> fields{{
    {"alora_invocation_tokens", "activated LoRA acts behind certain tokens only"},
    {"alpha_pattern", ""},
    {"arrow_config", "Arrow routes between several adapters"},
    {"auto_mapping", ""},
    {"base_model_name_or_path", ""},
    {"bias", ""},
    {"corda_config", ""},  // of the initialisation, as eva_config, loftq_config, lora_ga_config
    {"ensure_weight_tying", ""},
    {"eva_config", ""},
    {"exclude_modules", ""},
    {"fan_in_fan_out", ""},  // PEFT sets it back for every nn.Linear
    {"inference_mode", ""},
    {"init_lora_weights", ""},
    {"kasa_config", "KaSA truncates the base model's weights and puts a diagonal between A and B"},
    {"layer_replication", "it makes another model of the base model's layers"},
    {"layers_pattern", ""},
    {"layers_to_transform", ""},
    {"loftq_config", ""},
    {"lora_alpha", ""},
    {"lora_bias", "lora_B has a bias"},
    {"lora_dropout", ""},
    {"lora_ga_config", ""},
    {"megatron_config", "it is for layers of Megatron"},
    {"megatron_core", ""},
    {"modules_to_save", ""},
    {"monteclora_config", ""},  // noise in training only, as velora_config acts backward only
    {"peft_type", ""},
    {"peft_version", ""},
    {"qalora_group_size", ""},
    {"r", ""},
    {"rank_pattern", ""},
    {"revision", ""},
    {"runtime_config", ""},  // never saved, and ignored
    {"target_modules", ""},
    {"target_parameters", ""},
    {"task_type", ""},
    {"trainable_token_indices", "rows of the token table were trained"},
    {"use_bdlora", ""},
    {"use_dora", "DoRA scales the rows of the sum"},
    {"use_qalora", "QA-LoRA adds up groups of inputs of a quantised layer"},
    {"use_rslora", ""},
    {"velora_config", ""},
}};

[[noreturn]] void refuse(const JsonReader& config, std::string_view field, std::string_view why) {
  throw Error(fmt::format("{}: '{}' is not supported{}{}", config.where(), printable(field),
                          why.empty() ? "" : ": ", why));
}

void refuse_fields(const JsonReader& config) {
  for (const auto& [name, value] : config.object().items()) {
    const auto* const field = std::ranges::find(fields, std::string_view(name), &PeftField::name);
    if (field == fields.end()) {
      if (!is_empty(value)) refuse(config, name, "no version of PEFT up to 0.21.2 has it");
      continue;
    }
    // PEFT makes a KaSA adapter of every dictionary, also of an empty one.
    const bool is_set = !is_empty(value) || (name == "kasa_config" && value.is_object());
    if (is_set && !field->refused.empty()) refuse(config, name, field->refused);
  }
}

void check_kind(const JsonReader& config) {
  const std::string type = config.string("peft_type", "LORA");
  if (type != "LORA")
    throw Error(
        fmt::format("{}: peft_type '{}' is not supported: only LORA is", config.where(), printable(type)));
  if (!config.has("use_bdlora") || is_empty(config.at("use_bdlora"))) return;
  const JsonReader blocks(config.at("use_bdlora"), config.where() + ": use_bdlora");
  if (blocks.integer("nblocks", 1) != 1) refuse(config, "use_bdlora", "A or B is block-diagonal");
}

/// Of these the base model stays as it is. The others take the first product out of its weights, in ways that
/// the file does not hold.
void check_initialisation(const JsonReader& config) {
  constexpr std::array<std::string_view, 4> harmless{"gaussian", "eva", "orthogonal", "mica"};
  if (!config.has("init_lora_weights")) return;
  const Json& value = config.at("init_lora_weights");
  if (value.is_boolean()) return;
  std::string name = value.is_string() ? value.get<std::string>() : value.dump();
  const std::string as_written = printable(name);
  std::ranges::transform(name, name.begin(),
                         [](char c) { return static_cast<char>(c >= 'A' && c <= 'Z' ? c + 32 : c); });
  if (name.empty() || std::ranges::find(harmless, name) != harmless.end()) return;
  throw Error(fmt::format(
      "{}: 'init_lora_weights' is '{}': such an adapter belongs to base weights that it changed itself, and "
      "is "
      "not plain LoRA; PEFT's save_pretrained converts it with path_initial_model_for_weight_conversion",
      config.where(), as_written));
}

void check_alpha(double alpha, const std::string& what) {
  constexpr auto smallest = static_cast<double>(std::numeric_limits<float>::min());
  constexpr auto largest = static_cast<double>(std::numeric_limits<float>::max());
  if (alpha >= smallest && alpha <= largest) return;
  throw Error(fmt::format("{} is {}: it must be a positive number, and a normal one in f32", what, alpha));
}

std::int64_t checked_rank(std::int64_t rank, const std::string& what) {
  if (rank < 1) throw Error(fmt::format("{} is {}: a rank is 1 or more", what, rank));
  return rank;
}

/// The keys of the object that is a member of the outermost one, in the order of the text, each once: what
/// PEFT goes through, and Json does not keep.
std::vector<std::string> keys_in_order(std::string_view text, const std::string& member) {
  std::vector<std::string> keys;
  std::set<std::string> seen;
  bool inside = false;
  [[maybe_unused]] const Json whole =
      Json::parse(text, [&](int depth, Json::parse_event_t event, Json& parsed) {
        if (event != Json::parse_event_t::key || depth > 2) return true;
        const auto& key = parsed.get_ref<const std::string&>();
        if (depth == 1) {
          inside = key == member;
          if (inside) keys.clear();  // of a member that occurs twice the last counts
          if (inside) seen.clear();
        } else if (inside && seen.insert(key).second) {
          keys.push_back(key);
        }
        return true;
      });
  return keys;
}

/// Calls `add(where, pattern, reader)` for each key of a pattern field, in the order of the file; `reader`
/// holds the value under that key.
template <class Add>
void for_each_pattern(const JsonReader& config, std::string_view text, const std::string& field,
                      const Add& add) {
  if (!config.has(field) || is_empty(config.at(field))) return;
  const std::string where = fmt::format("{}: {}", config.where(), field);
  const JsonReader values(config.at(field), where);
  for (const auto& key : keys_in_order(text, field))
    add(fmt::format("{}: {} '{}'", config.where(), field, printable(key)), ModulePattern(key, where), values,
        key);
}

void read_patterns(const JsonReader& config, std::string_view text, PeftConfig& read) {
  for_each_pattern(
      config, text, "rank_pattern",
      [&](const std::string& where, ModulePattern pattern, const JsonReader& values, const std::string& key) {
        read.rank_pattern.emplace_back(std::move(pattern), checked_rank(values.integer(key), where));
      });
  for_each_pattern(
      config, text, "alpha_pattern",
      [&](const std::string& where, ModulePattern pattern, const JsonReader& values, const std::string& key) {
        const double alpha = values.number(key);
        check_alpha(alpha, where);
        read.alpha_pattern.emplace_back(std::move(pattern), alpha);
      });
}

}  // namespace

std::span<const PeftField> peft_fields() { return fields; }

std::set<std::int64_t> PeftConfig::ranks_of(const std::string& module) const {
  std::set<std::int64_t> ranks;
  for (const auto& [pattern, rank] : rank_pattern) {
    if (pattern.matches(module)) ranks.insert(rank);
  }
  if (ranks.empty() && r > 0) ranks.insert(r);
  return ranks;
}

PeftConfig::Alpha PeftConfig::alpha_of(const std::string& module) const {
  std::optional<Alpha> first;
  for (const auto& [pattern, alpha] : alpha_pattern) {
    if (!pattern.matches(module)) continue;
    if (!first) {
      first = Alpha{alpha, pattern.key(), ""};
    } else if (alpha != first->value) {
      first->other = pattern.key();
      break;
    }
  }
  return first.value_or(Alpha{lora_alpha, "", ""});
}

double PeftConfig::scale_of(double alpha, std::int64_t rank) const {
  const auto r_of_module = static_cast<double>(rank);
  return alpha / (use_rslora ? std::sqrt(r_of_module) : r_of_module);
}

PeftConfig parse_peft_config(std::string_view text, const std::string& file) {
  const Json json = parse_json(text, file);
  const JsonReader config(json, file);
  check_kind(config);
  refuse_fields(config);
  check_initialisation(config);
  PeftConfig read;
  read.file = file;
  read.lora_alpha = config.number("lora_alpha");
  check_alpha(read.lora_alpha, fmt::format("{}: 'lora_alpha'", file));
  if (config.has("r")) read.r = checked_rank(config.integer("r"), fmt::format("{}: 'r'", file));
  read.use_rslora = config.boolean("use_rslora", false);
  read_patterns(config, text, read);
  read.targets = PeftTargets(config);
  read.bias = config.string("bias", "none");
  if (read.bias != "none" && read.bias != "lora_only" && read.bias != "all")
    throw Error(
        fmt::format("{}: 'bias' is '{}': PEFT knows none, lora_only and all", file, printable(read.bias)));
  read.modules_to_save = string_list(config, "modules_to_save");
  read.ensure_weight_tying = config.boolean("ensure_weight_tying", false);
  const auto is_set = [&](const char* field) { return config.has(field) && !is_empty(config.at(field)); };
  if (is_set("monteclora_config")) read.ignored_tensors.emplace_back(".lora_monteclora_sampler.");
  if (is_set("velora_config")) read.ignored_tensors.emplace_back(".lora_velora_embed");
  return read;
}

}  // namespace cola
