#pragma once
#include <string>
#include <utility>
#include <vector>

#include "core/random.h"
#include "data/dataset.h"
#include "model/decoder.h"
#include "model/model_config.h"
#include "support/parity.h"

namespace cola::test {

/// Of the family with this `model_type`: "opt" or "llama".
inline DecoderSpec tiny_config(const std::string& family) {
  const bool opt = family == "opt";
  Json json = config_json_of_shape(opt ? "opt-125m" : "llama-2-7b");
  json.update({{"vocab_size", 37},
               {"hidden_size", 16},
               {opt ? "ffn_dim" : "intermediate_size", 24},
               {"num_hidden_layers", 2},
               {"num_attention_heads", 4},
               {"num_key_value_heads", opt ? 4 : 2},
               {"max_position_embeddings", 48}});
  return parse_model_config(json, "tiny");
}

/// Random weights, scaled up so that the predictions are far from uniform.
inline Decoder tiny_model(const std::string& family) {
  const DecoderSpec config = tiny_config(family);
  Decoder model(config, Weights(config, 7, DType::f32));
  for (const auto& parameter : model.weights().all()) {
    if (!parameter->spec.is_matrix()) continue;
    for (float& value : parameter->value.owned()->floats()) value *= 20.0F;
  }
  return model;
}

/// config.json of the fixture phi3_plain with LongRoPE of this original length.
inline Json longrope_config(std::int64_t original_length) {
  Json json = read_json_file(parity_folder("phi3_plain") / "config.json");
  json["original_max_position_embeddings"] = original_length;
  json["rope_parameters"] = {{"rope_type", "longrope"},
                             {"rope_theta", 10000.0},
                             {"attention_factor", 1.2},
                             {"short_factor", {1.0, 1.1, 1.3, 1.6, 1.9}},
                             {"long_factor", {1.9, 3.1, 5.5, 9.0, 14.0}}};
  return json;
}

/// Sequences of 2 .. 12 tokens; every third token carries no loss.
inline std::vector<Example> random_examples(std::int64_t count) {
  RandomStream random(3, RandomPurpose::benchmark);
  std::vector<Example> examples;
  for (std::int64_t i = 0; i < count; ++i) {
    Example example;
    const auto length = 2 + random.next_below(11);
    for (std::uint64_t t = 0; t < length; ++t) {
      example.ids.push_back(static_cast<std::int32_t>(random.next_below(37)));
      example.labels.push_back(t % 3 == 2 ? no_label : example.ids.back());
    }
    examples.push_back(std::move(example));
  }
  return examples;
}

}  // namespace cola::test
