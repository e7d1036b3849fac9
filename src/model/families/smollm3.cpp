// SmolLM3 (Bakouch et al., 2025): Llama's block, of which some layers turn neither queries nor keys.
#include <fmt/format.h>

#include <array>

#include "core/error.h"
#include "model/families/llama_like.h"

namespace cola::families {
namespace {

constexpr std::array published{
    PublishedShape{"smollm3-3b", R"({"hidden_size": 2048, "num_hidden_layers": 36, "num_attention_heads": 16,
      "num_key_value_heads": 4, "intermediate_size": 11008, "vocab_size": 128256,
      "max_position_embeddings": 65536, "rope_theta": 5000000.0})"},
};

/// `no_rope_layers`: 1 has rotary, 0 has not, whatever the name says. Without it every
/// `no_rope_layer_interval`-th layer has none.
std::vector<bool> rotary_layers(const JsonReader& reader, std::int64_t layers) {
  std::vector<bool> rotary;
  if (!reader.has("no_rope_layers")) {
    const std::int64_t interval = positive(reader, "no_rope_layer_interval", max_width, 4);
    for (std::int64_t i = 0; i < layers; ++i) rotary.push_back((i + 1) % interval != 0);
    return rotary;
  }
  const Json& list = reader.at("no_rope_layers");
  if (!list.is_array() || std::ssize(list) < layers)  // what is more counts for nothing
    throw Error(fmt::format("{}: 'no_rope_layers' must be a list of one number for each of the {} layers",
                            reader.where(), layers));
  for (std::int64_t i = 0; i < layers; ++i) {
    const Json& entry = list[static_cast<std::size_t>(i)];
    if (entry != 0 && entry != 1)
      throw Error(fmt::format("{}: 'no_rope_layers' must hold 0 (no rotary) and 1", reader.where()));
    rotary.push_back(entry == 1);
  }
  return rotary;
}

ModelConfig read(const JsonReader& reader) {
  ModelConfig config = read_llama_like(
      reader, {.num_key_value_heads = 4, .tie_word_embeddings = true, .rope_theta = 2000000.0}, "SmolLM3");
  config.attention_bias = config.attention_output_bias = reader.boolean("attention_bias", false);
  config.mlp_bias = reader.boolean("mlp_bias", false);
  config.rotary_layers = rotary_layers(reader, config.num_hidden_layers);
  // The window is for the layers without rotary; without one there is none.
  require_full_attention(reader, config, reader.has("sliding_window") ? 0 : config.num_hidden_layers);
  return config;
}

Json write(const ModelConfig& config) {
  Json json = llama_like_json(config);
  Json layers = Json::array();
  for (const bool rotary : config.rotary_layers) layers.push_back(rotary ? 1 : 0);
  json.update({{"attention_bias", config.attention_bias},
               {"mlp_bias", config.mlp_bias},
               {"no_rope_layers", layers},
               {"use_sliding_window", false}});
  return json;
}

}  // namespace

extern const Family smollm3 =
    llama_like_family("smollm3", "SmolLM3ForCausalLM", "SmolLM3", published, read, write);

}  // namespace cola::families
