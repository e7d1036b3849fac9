// Granite 3 (IBM, 2024): Llama's block with four multipliers, of embeddings, scores, residual branches and
// logits.
#include <array>
#include <cmath>

#include "model/families/llama_like.h"

namespace cola::families {
namespace {

constexpr std::array published{
    PublishedShape{"granite-3.1-2b", R"({"hidden_size": 2048, "num_hidden_layers": 40,
      "num_attention_heads": 32, "num_key_value_heads": 8, "intermediate_size": 8192, "vocab_size": 49155,
      "max_position_embeddings": 131072, "rms_norm_eps": 1e-05, "rope_theta": 5000000.0,
      "embedding_multiplier": 12.0, "attention_multiplier": 0.015625, "residual_multiplier": 0.22,
      "logits_scaling": 8.0, "tie_word_embeddings": true, "bos_token_id": 0, "eos_token_id": 0,
      "pad_token_id": 0})"},
    PublishedShape{"granite-3.1-8b", R"({"hidden_size": 4096, "num_hidden_layers": 40,
      "num_attention_heads": 32, "num_key_value_heads": 8, "intermediate_size": 12800, "vocab_size": 49155,
      "max_position_embeddings": 131072, "rms_norm_eps": 1e-05, "rope_theta": 10000000.0,
      "embedding_multiplier": 12.0, "attention_multiplier": 0.0078125, "residual_multiplier": 0.22,
      "logits_scaling": 16.0, "tie_word_embeddings": true, "bos_token_id": 0, "eos_token_id": 0,
      "pad_token_id": 0})"},
};

float multiplier(const JsonReader& reader, const std::string& key) {
  return static_cast<float>(positive_number(reader, key, 1.0));
}

DecoderSpec read(const JsonReader& reader) {
  DecoderSpec spec = read_llama_like(reader, {}, "Granite");
  read_rotary_table(reader, spec);
  read_attention_bias(reader, spec);
  read_mlp_bias(reader, spec);
  BlockSpec& block = spec.block_kinds.front();
  spec.embedding_scale = multiplier(reader, "embedding_multiplier");
  block.attention.scale = multiplier(reader, "attention_multiplier");  // instead of 1 / sqrt(head_dim)
  block.residual_multiplier = multiplier(reader, "residual_multiplier");
  spec.logit_scale = 1.0F / multiplier(reader, "logits_scaling");
  return spec;
}

Json config_of(const Family& family, const GgufFile& file, std::vector<std::string>& notes) {
  GgufConfig config(family, file, notes);
  config.read_common();
  config.read_rotary();
  const auto scale = [&](std::string_view key, std::string_view name) {
    if (const double value = config.find_number(key).value_or(0.0); value != 0.0) config.json[name] = value;
  };
  scale("embedding_scale", "embedding_multiplier");
  scale("attention.scale", "attention_multiplier");
  scale("residual_scale", "residual_multiplier");
  scale("logit_scale", "logits_scaling");
  if (!config.json.contains("logits_scaling")) config.refuse("logit_scale", "it is missing, or 0");
  if (!config.json.contains("attention_multiplier"))
    config.json["attention_multiplier"] = 1.0 / std::sqrt(static_cast<double>(config.head_dim()));
  return config.take();
}

void keys_of(const DecoderSpec& spec, const Json& config, GgufMetadata& keys,
             std::vector<std::string>& notes) {
  llama_like_keys(spec, config, keys, notes);
  const BlockSpec& block = spec.block(0);
  keys.add("granite.attention.scale", block.attention.scale);
  keys.add("granite.embedding_scale", spec.embedding_scale);
  keys.add("granite.residual_scale", block.residual_multiplier);
  keys.add("granite.logit_scale", 1.0F / spec.logit_scale);
}

constexpr GgufFamily gguf{.architecture = "granite",
                          .interleaved_rotary = true,
                          .windows = false,
                          .divides_rotary = true,
                          .config = config_of,
                          .keys = keys_of};

}  // namespace

extern const Family granite =
    llama_like_family("granite", "GraniteForCausalLM", "Granite", published, read, &gguf);

}  // namespace cola::families
