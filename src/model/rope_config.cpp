#include "model/rope_config.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <optional>
#include <string>

#include "core/error.h"
#include "io/printable.h"

namespace cola {
namespace {

/// What one of the two dictionaries says.
struct RopeFields {
  std::optional<double> theta;
  RopeScaling scaling;
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

std::optional<std::int64_t> positions_in(const JsonReader& reader, const std::string& key) {
  if (!reader.has(key)) return std::nullopt;
  const std::int64_t value = reader.integer(key);
  if (value < 1) throw Error(fmt::format("{}: '{}' is {}, expected 1 or more", reader.where(), key, value));
  return value;
}

/// transformers 5.24 turns all of a Llama's head whatever the factor is; vLLM and others turn a part of it.
void require_whole_head(const JsonReader& reader) {
  const auto factor = positive_number(reader, "partial_rotary_factor");
  if (!factor || *factor == 1.0) return;
  throw Error(
      fmt::format("{}: partial_rotary_factor {} is not supported: some readers turn that part of "
                  "the heads, others ignore it and turn all; remove it or set it to 1",
                  reader.where(), *factor));
}

/// `rope_type`, or `type` as it was called before; both may be there if they agree. Empty if neither is.
std::string type_of(const JsonReader& rope) {
  const std::string type = rope.string("type", "");
  const std::string rope_type = rope.string("rope_type", type);
  if (!type.empty() && type != rope_type) {
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

/// Gemma 3 and its like have a dictionary for each of `layer_types`; a Llama's layers share one table.
void require_one_table(const JsonReader& rope) {
  for (const auto& [key, value] : rope.object().items()) {
    if (!value.is_object()) continue;
    throw Error(fmt::format("{}: '{}' has parameters of its own: per-layer rotary tables are not supported",
                            rope.where(), printable(key)));
  }
}

void read_llama3(const JsonReader& config, const JsonReader& rope, RopeScaling& scaling) {
  const std::string key = "original_max_position_embeddings";
  scaling.low_freq_factor = needed_number(rope, "low_freq_factor");
  scaling.high_freq_factor = needed_number(rope, "high_freq_factor");
  if (scaling.high_freq_factor <= scaling.low_freq_factor)
    throw Error(fmt::format("{}: high_freq_factor must be above low_freq_factor", rope.where()));
  const auto outside = positions_in(config, key);  // wins in transformers 5, is not read in 4
  const auto inside = positions_in(rope, key);
  if (outside && inside && *outside != *inside) {
    throw Error(fmt::format("{}: '{}' is {}, but {} beside it", rope.where(), key, *inside, *outside));
  }
  if (!outside && !inside) (void)rope.at(key);
  scaling.original_max_position_embeddings = inside ? *inside : *outside;
}

RopeFields read_fields(const JsonReader& config, const JsonReader& rope) {
  require_one_table(rope);
  require_whole_head(rope);
  RopeFields fields{positive_number(rope, "rope_theta"), {}};
  const std::string type = type_of(rope);
  if (type.empty()) require_no_scaling(rope);
  if (type.empty() || type == "default") return fields;
  if (type != "linear" && type != "llama3") {
    throw Error(fmt::format("{}: rope type '{}' is not supported: use linear or llama3{}", rope.where(),
                            printable(type), rope.has("factor") ? "" : "; nor does it have a 'factor'"));
  }
  fields.scaling.factor = needed_number(rope, "factor");
  if (type == "linear") {
    fields.scaling.kind = RopeScaling::Kind::linear;
  } else {
    fields.scaling.kind = RopeScaling::Kind::llama3;
    read_llama3(config, rope, fields.scaling);
  }
  return fields;
}

std::optional<RopeFields> read_dictionary(const JsonReader& config, const std::string& key) {
  if (!config.has(key)) return std::nullopt;
  const JsonReader rope(config.at(key), fmt::format("{}: {}", config.where(), key));
  if (rope.object().empty()) return std::nullopt;
  return read_fields(config, rope);
}

}  // namespace

RotarySpec read_rope(const JsonReader& reader, double default_theta) {
  if (reader.object().contains("rope_theta")) (void)reader.at("rope_theta");  // null is no number
  require_whole_head(reader);
  const auto scaling = read_dictionary(reader, "rope_scaling");
  const auto parameters = read_dictionary(reader, "rope_parameters");
  if (scaling && parameters && scaling->scaling != parameters->scaling) {
    throw Error(fmt::format("{}: rope_scaling and rope_parameters contradict each other: remove one",
                            reader.where()));
  }
  // As transformers reads them: rope_scaling stands in for all of rope_parameters.
  const RopeFields fields = scaling ? *scaling : parameters.value_or(RopeFields{});
  const auto beside = positive_number(reader, "rope_theta");
  const double used = fields.theta ? *fields.theta : beside.value_or(default_theta);
  for (const auto& theta : {beside, parameters ? parameters->theta : std::nullopt}) {
    if (!theta || *theta == used) continue;
    throw Error(
        fmt::format("{}: 'rope_theta' is {} in one place and {} in another", reader.where(), used, *theta));
  }
  return {0, used, fields.scaling};
}

}  // namespace cola
