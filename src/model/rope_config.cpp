#include "model/rope_config.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <optional>
#include <string>

#include "core/error.h"
#include "io/printable.h"
#include "model/rotary_table.h"

namespace cola {
namespace {

using Kind = RotarySpec::Kind;

/// What one dictionary says; theta and the width of the spec are not set yet.
struct RotaryFields {
  std::optional<double> theta;
  std::optional<double> part;
  RotarySpec spec;
};

std::optional<double> positive_number(const JsonReader& reader, const std::string& key) {
  if (!reader.has(key)) return std::nullopt;
  const double value = reader.number(key);
  if (!(value > 0.0) || !std::isfinite(value))
    throw Error(fmt::format("{}: '{}' is {}, expected a positive number", reader.where(), key, value));
  return value;
}

double needed_number(const JsonReader& reader, const std::string& key) {
  (void)reader.at(key);
  return *positive_number(reader, key);
}

/// A number that transformers takes for absent where it is 0.
std::optional<double> number_unless_zero(const JsonReader& reader, const std::string& key) {
  if (reader.has(key) && reader.number(key) == 0.0) return std::nullopt;
  return positive_number(reader, key);
}

std::optional<std::int64_t> positions_in(const JsonReader& reader, const std::string& key) {
  if (!reader.has(key)) return std::nullopt;
  const std::int64_t value = reader.integer(key);
  if (value < 1) throw Error(fmt::format("{}: '{}' is {}, expected 1 or more", reader.where(), key, value));
  return value;
}

/// In families that do not obey it transformers 5.24 turns all of a head whatever the factor is, or fails;
/// vLLM and others turn a part of it.
std::optional<double> part_of_head(const JsonReader& reader, const RotaryRules& rules) {
  const auto factor = positive_number(reader, "partial_rotary_factor");
  if (!factor || *factor == 1.0) return factor;
  if (rules.partial) {
    if (*factor < 1.0) return factor;
    throw Error(fmt::format("{}: partial_rotary_factor is {}, expected 1 or less", reader.where(), *factor));
  }
  throw Error(
      fmt::format("{}: partial_rotary_factor {} is not supported: some readers turn that part of "
                  "the heads, others ignore it and turn all; remove it or set it to 1",
                  reader.where(), *factor));
}

std::optional<Kind> kind_of(std::string_view type, const RotaryRules& rules) {
  if (type.empty() || type == "default") return Kind::plain;
  const auto found = std::ranges::find(rules.types, type, &RotaryType::name);
  return found == rules.types.end() ? std::nullopt : std::optional(found->kind);
}

/// `rope_type`, or `type` as it was called before; both may be there if they agree. Empty if neither is.
std::string type_of(const JsonReader& rope, const RotaryRules& rules) {
  const std::string type = rope.string("type", "");
  const std::string rope_type = rope.string("rope_type", type);
  if (!type.empty() && type != rope_type &&
      (!kind_of(type, rules) || kind_of(type, rules) != kind_of(rope_type, rules))) {
    throw Error(fmt::format("{}: rope_type '{}' and type '{}' contradict each other", rope.where(),
                            printable(rope_type), printable(type)));
  }
  return rope_type;
}

/// Without a type there is no scaling: then nothing may be there that belongs to one.
void require_no_scaling(const JsonReader& rope) {
  for (const auto& [key, value] : rope.object().items()) {
    if (value.is_null() || key == "rope_theta" || key == "partial_rotary_factor") continue;
    throw Error(fmt::format("{}: '{}' is there, but 'rope_type' is missing", rope.where(), printable(key)));
  }
}

/// Gemma 3 and its like have a dictionary for each of `layer_types`; others' layers share one table.
void require_one_table(const JsonReader& rope) {
  for (const auto& [key, value] : rope.object().items()) {
    if (!value.is_object()) continue;
    throw Error(fmt::format("{}: '{}' has parameters of its own: per-layer rotary tables are not supported",
                            rope.where(), printable(key)));
  }
}

std::optional<std::int64_t> original_positions(const JsonReader& config, const JsonReader& rope,
                                               const RotaryRules& rules) {
  const std::string key = "original_max_position_embeddings";
  const auto outside = positions_in(config, key);  // wins in transformers 5, is not read in 4
  if (rules.original_positions > 0) return outside.value_or(rules.original_positions);
  const auto inside = positions_in(rope, key);
  if (outside && inside && *outside != *inside) {
    throw Error(fmt::format("{}: '{}' is {}, but {} beside it", rope.where(), key, *inside, *outside));
  }
  return inside ? inside : outside;
}

void read_llama3(const JsonReader& rope, std::optional<std::int64_t> original, RotarySpec& spec) {
  spec.factor = needed_number(rope, "factor");
  spec.low_freq_factor = needed_number(rope, "low_freq_factor");
  spec.high_freq_factor = needed_number(rope, "high_freq_factor");
  if (spec.high_freq_factor <= spec.low_freq_factor)
    throw Error(fmt::format("{}: high_freq_factor must be above low_freq_factor", rope.where()));
  if (!original) (void)rope.at("original_max_position_embeddings");
  spec.original_max_position_embeddings = *original;
}

double ratio_of_positions(const RotarySpec& spec) {
  return static_cast<double>(spec.max_position_embeddings) /
         static_cast<double>(spec.original_max_position_embeddings);
}

void read_yarn(const JsonReader& rope, std::optional<std::int64_t> original, RotarySpec& spec) {
  spec.original_max_position_embeddings = original.value_or(spec.max_position_embeddings);
  const bool derived = original && rope.object().contains("factor") && rope.object().at("factor").is_null();
  spec.factor = derived ? ratio_of_positions(spec) : needed_number(rope, "factor");
  spec.beta_fast = number_unless_zero(rope, "beta_fast").value_or(spec.beta_fast);
  spec.beta_slow = number_unless_zero(rope, "beta_slow").value_or(spec.beta_slow);
  if (spec.beta_fast < spec.beta_slow)
    throw Error(
        fmt::format("{}: beta_fast {} is below beta_slow {}", rope.where(), spec.beta_fast, spec.beta_slow));
  spec.mscale = number_unless_zero(rope, "mscale");
  spec.mscale_all_dim = number_unless_zero(rope, "mscale_all_dim");
  if (rope.object().contains("truncate")) (void)rope.at("truncate");  // null is false to transformers
  spec.truncate = rope.boolean("truncate", true);
  spec.attention_factor = positive_number(rope, "attention_factor");
}

std::vector<double> factors_in(const JsonReader& rope, const std::string& key) {
  const Json& list = rope.at(key);
  const auto is_factor = [](const Json& entry) {
    return entry.is_number() && entry.get<double>() > 0.0 && std::isfinite(entry.get<double>());
  };
  if (!list.is_array() || !std::ranges::all_of(list, is_factor))
    throw Error(fmt::format("{}: '{}' must be a list of positive numbers", rope.where(), key));
  return list.get<std::vector<double>>();
}

void read_longrope(const JsonReader& rope, std::optional<std::int64_t> original, RotarySpec& spec) {
  spec.original_max_position_embeddings = original.value_or(spec.max_position_embeddings);
  spec.factor = positive_number(rope, "factor").value_or(ratio_of_positions(spec));
  spec.short_factor = factors_in(rope, "short_factor");
  spec.long_factor = factors_in(rope, "long_factor");
  spec.attention_factor = positive_number(rope, "attention_factor");
}

RotaryFields read_fields(const JsonReader& config, const JsonReader& rope, const RotarySpec& blank,
                         const RotaryRules& rules) {
  require_one_table(rope);
  RotaryFields fields{positive_number(rope, "rope_theta"), part_of_head(rope, rules), blank};
  const std::string type = type_of(rope, rules);
  if (type.empty()) require_no_scaling(rope);
  const auto kind = kind_of(type, rules);
  if (!kind) {
    std::vector<std::string_view> names{"default"};
    for (const RotaryType& known : rules.types) names.push_back(known.name);
    throw Error(fmt::format("{}: rope type '{}' is not supported: use one of {}{}", rope.where(),
                            printable(type), fmt::join(names, ", "),
                            rope.has("factor") ? "" : "; nor does it have a 'factor'"));
  }
  fields.spec.kind = *kind;
  switch (*kind) {
    case Kind::plain:
      break;
    case Kind::linear:
      fields.spec.factor = needed_number(rope, "factor");
      break;
    case Kind::llama3:
      read_llama3(rope, original_positions(config, rope, rules), fields.spec);
      break;
    case Kind::yarn:
      read_yarn(rope, original_positions(config, rope, rules), fields.spec);
      break;
    case Kind::longrope:
      read_longrope(rope, original_positions(config, rope, rules), fields.spec);
      break;
  }
  return fields;
}

/// Of the dictionary `key` in `holder`, which is `config` or part of it.
std::optional<RotaryFields> read_dictionary(const JsonReader& config, const JsonReader& holder,
                                            const std::string& key, const RotarySpec& blank,
                                            const RotaryRules& rules) {
  if (!holder.has(key)) return std::nullopt;
  const JsonReader rope(holder.at(key), fmt::format("{}: {}", holder.where(), key));
  if (rope.object().empty()) return std::nullopt;
  return read_fields(config, rope, blank, rules);
}

void require_one_for_each(const JsonReader& config, const std::string& key,
                          const std::vector<double>& factors, std::int64_t frequencies) {
  if (std::ssize(factors) == frequencies) return;
  throw Error(fmt::format("{}: '{}' has {} numbers, but there are {} frequencies", config.where(), key,
                          factors.size(), frequencies));
}

/// Throws Error for fields that give no table.
void require_sound(const JsonReader& config, std::int64_t head_dim, const RotarySpec& spec) {
  const std::int64_t frequencies = (spec.rotary_dim + 1) / 2;
  if (spec.rotary_dim < 1 || 2 * frequencies > head_dim) {
    throw Error(fmt::format("{}: {} of a head's {} numbers cannot turn in pairs (partial_rotary_factor)",
                            config.where(), spec.rotary_dim, head_dim));
  }
  if (spec.kind == Kind::longrope) {
    require_one_for_each(config, "short_factor", spec.short_factor, frequencies);
    require_one_for_each(config, "long_factor", spec.long_factor, frequencies);
  }
  std::vector<double> numbers = rotary_frequencies(spec);
  numbers.push_back(rotary_attention_factor(spec));
  if (!std::ranges::all_of(numbers, [](double number) { return std::isfinite(number); }))
    throw Error(
        fmt::format("{}: rope_theta and what stretches it give no finite frequencies", config.where()));
}

/// The table of `scaling`, else of `parameters`, with a theta that may also stand in the configuration.
RotarySpec combined(const JsonReader& config, std::int64_t head_dim, const RotarySpec& blank,
                    const std::optional<RotaryFields>& scaling, const std::optional<RotaryFields>& parameters,
                    const std::string& theta_key, const RotaryRules& rules) {
  // As transformers reads them: rope_scaling stands in for all of rope_parameters, and what a dictionary says
  // comes before what stands beside it.
  const RotaryFields fields = scaling ? *scaling : parameters.value_or(RotaryFields{{}, {}, blank});
  if (config.object().contains(theta_key)) (void)config.at(theta_key);  // null is no number
  const auto theta_beside = positive_number(config, theta_key);
  const auto part_beside = part_of_head(config, rules);
  RotarySpec spec = fields.spec;
  spec.theta = fields.theta ? *fields.theta : theta_beside.value_or(rules.theta);
  const double part = fields.part ? *fields.part : part_beside.value_or(1.0);
  spec.rotary_dim = static_cast<std::int64_t>(static_cast<double>(head_dim) * part);
  require_sound(config, head_dim, spec);
  return spec;
}

}  // namespace

RotarySpec read_rotary(const JsonReader& reader, std::int64_t head_dim, std::int64_t max_position_embeddings,
                       const RotaryRules& rules) {
  RotarySpec blank;
  blank.max_position_embeddings = max_position_embeddings;
  return combined(reader, head_dim, blank, read_dictionary(reader, reader, "rope_scaling", blank, rules),
                  read_dictionary(reader, reader, "rope_parameters", blank, rules), "rope_theta", rules);
}

std::vector<RotarySpec> read_rotary_by_attention(const JsonReader& reader, std::int64_t head_dim,
                                                 std::int64_t max_position_embeddings) {
  RotarySpec blank;
  blank.max_position_embeddings = max_position_embeddings;
  const RotaryRules full{.theta = 1e6};
  const RotaryRules sliding{.theta = 1e4};
  const Json nothing = Json::object();
  const JsonReader nested(reader.has("rope_parameters") ? reader.at("rope_parameters") : nothing,
                          reader.where() + ": rope_parameters");
  for (const auto& [key, value] : nested.object().items()) {
    if (value.is_null() || key == "full_attention" || key == "sliding_attention") continue;
    throw Error(fmt::format("{}: '{}' is there, where only full_attention and sliding_attention may be",
                            nested.where(), printable(key)));
  }
  return {combined(reader, head_dim, blank, read_dictionary(reader, reader, "rope_scaling", blank, full),
                   read_dictionary(reader, nested, "full_attention", blank, full), "rope_theta", full),
          combined(reader, head_dim, blank, std::nullopt,
                   read_dictionary(reader, nested, "sliding_attention", blank, sliding),
                   "rope_local_base_freq", sliding)};
}

}  // namespace cola
