#pragma once
// What the reference decoder reads of config.json, apart from src/model's own reading.
#include <cmath>
#include <cstddef>
#include <numbers>
#include <vector>

#include "io/json.h"

namespace cola::test {

/// The part of config.json that the mathematics depends on, with transformers' defaults.
struct ReferenceShape {
  bool opt = true;
  std::size_t vocabulary, width, layers, heads, kv_heads, head_dim, embedding, positions;
  bool pre_norm = true, final_norm = true, tied = true;
  double epsilon = 1e-5;
  double rope_theta = 10000.0;
  Json rope_scaling;

  explicit ReferenceShape(const Json& config) {
    opt = config.at("model_type") == "opt";
    vocabulary = config.at("vocab_size");
    width = config.at("hidden_size");
    layers = config.at("num_hidden_layers");
    heads = config.at("num_attention_heads");
    kv_heads = config.value("num_key_value_heads", heads);
    head_dim = config.value("head_dim", width / heads);
    embedding = config.value("word_embed_proj_dim", width);
    positions = config.at("max_position_embeddings");
    pre_norm = config.value("do_layer_norm_before", true);
    final_norm = pre_norm && !config.value("_remove_final_layer_norm", false);
    tied = config.value("tie_word_embeddings", opt);
    if (!opt) epsilon = config.at("rms_norm_eps");
    rope_theta = config.value("rope_theta", rope_theta);
    if (config.contains("rope_scaling")) rope_scaling = config.at("rope_scaling");
  }
};

/// transformers' inverse frequencies (modeling_rope_utils.py: default, linear and llama3).
inline std::vector<double> reference_frequencies(const ReferenceShape& shape) {
  std::vector<double> result;
  for (std::size_t i = 0; i < shape.head_dim / 2; ++i) {
    double frequency =
        1.0 / std::pow(shape.rope_theta, static_cast<double>(2 * i) / static_cast<double>(shape.head_dim));
    if (shape.rope_scaling.is_object()) {
      const double factor = shape.rope_scaling.at("factor");
      const double linear = frequency / factor;
      if (shape.rope_scaling.value("rope_type", shape.rope_scaling.value("type", "")) == "linear") {
        frequency = linear;
      } else {
        const double low = shape.rope_scaling.at("low_freq_factor");
        const double high = shape.rope_scaling.at("high_freq_factor");
        const double turns = shape.rope_scaling.at("original_max_position_embeddings").get<double>() *
                             frequency / (2.0 * std::numbers::pi);
        const double smooth = (turns - low) / (high - low);
        if (turns < low) {
          frequency = linear;
        } else if (turns <= high) {
          frequency = (1.0 - smooth) * linear + smooth * frequency;
        }
      }
    }
    result.push_back(frequency);
  }
  return result;
}

}  // namespace cola::test
