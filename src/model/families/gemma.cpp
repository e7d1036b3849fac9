#include "model/families/gemma.h"

#include <fmt/format.h>

#include <cmath>

#include "core/error.h"

namespace cola {

DecoderSpec read_gemma(const JsonReader& reader, const std::string& family) {
  if (reader.boolean("use_bidirectional_attention", false)) {
    throw Error(fmt::format("{}: use_bidirectional_attention is not supported: only causal decoders are",
                            reader.where()));
  }
  DecoderSpec spec = read_llama_like(reader,
                                     {.num_key_value_heads = 4,
                                      .null_key_value_heads = false,
                                      .head_dim = 256,
                                      .heads_divide_width = true,
                                      .tie_word_embeddings = true,
                                      .rounds_norms = false,
                                      .pad_token_id = 0,
                                      .activation_key = "hidden_activation",
                                      .activation = "gelu_pytorch_tanh"},
                                     family);
  spec.embedding_scale = static_cast<float>(std::sqrt(static_cast<double>(spec.hidden_size)));
  spec.rounds_embedding_scale = true;
  BlockSpec& block = spec.block_kinds.front();
  block.placement = NormPlacement::before_and_after;
  block.norm.unit_offset = true;
  spec.final_norm = block.norm;
  block.attention.scale =
      static_cast<float>(1.0 / std::sqrt(positive_number(reader, "query_pre_attn_scalar", 256.0)));
  read_attention_bias(reader, spec);
  return spec;
}

float soft_cap(const JsonReader& reader, const std::string& key, float fallback) {
  if (!reader.object().contains(key)) return fallback;
  return reader.has(key) ? static_cast<float>(positive_number(reader, key, 0.0)) : 0.0F;
}

void read_gemma_keys(GgufConfig& config, const GemmaRules& rules) {
  Json& json = config.json;
  const auto layers = json["num_hidden_layers"].get<std::int64_t>();
  if (const std::int64_t window = config.find_count("attention.sliding_window").value_or(rules.window);
      window > 0) {
    json["sliding_window"] = window;
    json["layer_types"] = layer_types(config.sliding_layers(rules.period));
  } else {
    json["layer_types"] = layer_types(std::vector<bool>(static_cast<std::size_t>(layers), false));
  }
  const bool largest = layers == rules.layers_of_largest;
  json["query_pre_attn_scalar"] =
      largest ? json["hidden_size"].get<std::int64_t>() / json["num_attention_heads"].get<std::int64_t>()
              : config.head_dim();
  config.note(fmt::format("no key has the score scale: 1 / sqrt({}), as in llama.cpp",
                          json["query_pre_attn_scalar"].get<std::int64_t>()));
}

void add_gemma_keys(const DecoderSpec& spec, GgufMetadata& keys, const GemmaRules& rules) {
  const AttentionSpec& attention = spec.block(0).attention;
  const std::int64_t layers = spec.num_hidden_layers();
  const std::int64_t size = layers == rules.layers_of_largest
                                ? spec.hidden_size / attention.num_attention_heads
                                : attention.head_dim;
  if (std::abs(attention.scale - default_score_scale(size)) > 1e-6F * attention.scale)
    throw Error(fmt::format(
        "GGUF has no key for the score scale (query_pre_attn_scalar): llama.cpp takes 1 / sqrt({})", size));
  std::int64_t window = 0;
  for (std::int64_t index = 0; index < layers; ++index) {
    const std::int64_t own = spec.block(index).attention.window;
    const bool slides = index % rules.period < rules.period - 1;
    if (slides) window = own;
    if ((own > 0) != slides && !(own == 0 && slides && window == 0))
      throw Error(fmt::format("llama.cpp has windows in all layers but every {}th; this model has not",
                              rules.period));
  }
  const GgufFamily& family = *spec.family->gguf;
  keys.add(fmt::format("{}.attention.sliding_window", family.architecture),
           static_cast<std::uint32_t>(window));
}

}  // namespace cola
