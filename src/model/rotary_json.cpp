#include "model/rotary_json.h"

#include <cmath>

namespace cola {
namespace {

using Kind = RotarySpec::Kind;

Json yarn_json(const RotarySpec& spec) {
  Json json{{"rope_type", "yarn"},
            {"factor", spec.factor},
            {"original_max_position_embeddings", spec.original_max_position_embeddings},
            {"beta_fast", spec.beta_fast},
            {"beta_slow", spec.beta_slow}};
  if (spec.mscale) json["mscale"] = *spec.mscale;
  if (spec.mscale_all_dim) json["mscale_all_dim"] = *spec.mscale_all_dim;
  if (!spec.truncate) json["truncate"] = false;
  if (spec.attention_factor) json["attention_factor"] = *spec.attention_factor;
  return json;
}

/// transformers 4 takes it with these three fields only; the factor is then that of the two lengths.
Json longrope_json(const RotarySpec& spec) {
  Json json{{"type", "longrope"}, {"short_factor", spec.short_factor}, {"long_factor", spec.long_factor}};
  const auto original = static_cast<double>(spec.original_max_position_embeddings);
  if (spec.factor != static_cast<double>(spec.max_position_embeddings) / original)
    json["factor"] = spec.factor;
  if (spec.attention_factor) json["attention_factor"] = *spec.attention_factor;
  return json;
}

/// `rope_scaling`; null for none.
Json scaling_json(const RotarySpec& spec) {
  switch (spec.kind) {
    case Kind::plain:
      return nullptr;
    case Kind::linear:
      return {{"type", "linear"}, {"rope_type", "linear"}, {"factor", spec.factor}};
    case Kind::llama3:
      return {{"rope_type", "llama3"},
              {"factor", spec.factor},
              {"low_freq_factor", spec.low_freq_factor},
              {"high_freq_factor", spec.high_freq_factor},
              {"original_max_position_embeddings", spec.original_max_position_embeddings}};
    case Kind::yarn:
      return yarn_json(spec);
    case Kind::longrope:
      return longrope_json(spec);
  }
  return nullptr;
}

/// One of `rope_parameters`.
Json parameters_json(const RotarySpec& spec) {
  Json json = scaling_json(spec);
  if (json.is_null()) json = {{"rope_type", "default"}};
  json["rope_theta"] = spec.theta;
  return json;
}

/// The `partial_rotary_factor` that readers, who round down, turn into this width again.
double part_of_head(std::int64_t rotary_dim, std::int64_t head_dim) {
  const auto width = static_cast<double>(rotary_dim);
  const auto head = static_cast<double>(head_dim);
  const double part = width / head;
  return part * head < width ? std::nextafter(part, 1.0) : part;
}

}  // namespace

Json rotary_json(std::span<const RotarySpec> tables, std::int64_t head_dim) {
  const RotarySpec& spec = tables.front();
  if (tables.size() == 2 && tables[1].kind != Kind::plain) {
    return {{"rope_parameters",
             {{"full_attention", parameters_json(spec)}, {"sliding_attention", parameters_json(tables[1])}}}};
  }
  Json json{{"rope_theta", spec.theta}, {"rope_scaling", scaling_json(spec)}};
  if (tables.size() == 2) json["rope_local_base_freq"] = tables[1].theta;
  if (spec.rotary_dim != head_dim) json["partial_rotary_factor"] = part_of_head(spec.rotary_dim, head_dim);
  if (spec.kind == Kind::longrope)
    json["original_max_position_embeddings"] = spec.original_max_position_embeddings;
  return json;
}

}  // namespace cola
