// Phi-3 and Phi-4 (Abdin et al., 2024): Llama's block with queries, keys and values in one matrix, gate and
// up in another; part of a head may turn, by LongRoPE.
#include <array>

#include "model/families/llama_like.h"
#include "model/rotary_table.h"

namespace cola::families {
namespace {

constexpr std::array<std::string_view, 1> targets{"qkv_proj"};

constexpr std::array published{
    PublishedShape{"phi-3-mini-4k", R"({"hidden_size": 3072, "num_hidden_layers": 32,
      "num_attention_heads": 32, "num_key_value_heads": 32, "intermediate_size": 8192, "vocab_size": 32064,
      "max_position_embeddings": 4096, "original_max_position_embeddings": 4096, "sliding_window": 2047,
      "bos_token_id": 1, "eos_token_id": 32000, "pad_token_id": 32000})"},
    PublishedShape{"phi-3-medium-4k", R"({"hidden_size": 5120, "num_hidden_layers": 40,
      "num_attention_heads": 40, "num_key_value_heads": 10, "intermediate_size": 17920, "vocab_size": 32064,
      "max_position_embeddings": 4096, "original_max_position_embeddings": 4096, "sliding_window": 2047,
      "bos_token_id": 1, "eos_token_id": 32000, "pad_token_id": 32000})"},
    PublishedShape{"phi-4", R"({"hidden_size": 5120, "num_hidden_layers": 40, "num_attention_heads": 40,
      "num_key_value_heads": 10, "intermediate_size": 17920, "vocab_size": 100352,
      "max_position_embeddings": 16384, "original_max_position_embeddings": 16384, "rope_theta": 250000.0,
      "sliding_window": null, "bos_token_id": 100257, "eos_token_id": 100257, "pad_token_id": 100257})"},
};

DecoderSpec read(const JsonReader& reader) {
  DecoderSpec spec = read_llama_like(reader, {.rms_norm_eps = 1e-5, .pad_token_id = 32000}, "Phi-3");
  read_rotary_table(reader, spec, phi3_rotary);
  BlockSpec& block = spec.block_kinds.front();
  block.attention.fused = block.mlp.fused = true;
  spec.dropout = dropout_probability(reader, "resid_pdrop", 0.0);
  if (reader.has("sliding_window")) block.attention.window = positive(reader, "sliding_window", max_rows);
  return spec;
}

Json config_of(const Family& family, const GgufFile& file, std::vector<std::string>& notes) {
  GgufConfig config(family, file, notes);
  config.read_common();
  const auto head_dim = static_cast<double>(config.head_dim());
  config.json["rope_theta"] = config.find_number("rope.freq_base").value_or(10000.0);
  const auto rotary_dim = config.find_count("rope.dimension_count");
  if (rotary_dim) config.json["partial_rotary_factor"] = static_cast<double>(*rotary_dim) / head_dim;
  config.json["original_max_position_embeddings"] =
      config.find_count("rope.scaling.original_context_length")
          .value_or(config.json["max_position_embeddings"].get<std::int64_t>());
  if (config.find_count("attention.sliding_window").value_or(0) > 0)
    config.note("attention.sliding_window does not count: every token sees all before it, as in llama.cpp");
  config.json["sliding_window"] = nullptr;
  const double attention = config.find_number("rope.scaling.attn_factor").value_or(1.0);
  const std::string type = config.text("rope.scaling.type", "longrope");
  const double factor = config.find_number("rope.scaling.factor").value_or(0.0);
  if ((type != "longrope" && type != "linear" && type != "none") || (factor != 0.0 && factor != 1.0))
    config.refuse("rope.scaling.type", "only the factors of longrope are supported here");
  const std::vector<float> shorter = config.tensor("rope_factors_short.weight");
  const std::vector<float> longer = config.tensor("rope_factors_long.weight");
  if (shorter.empty() != longer.empty())
    config.refuse("rope.scaling.type",
                  "of rope_factors_short.weight and rope_factors_long.weight one is missing");
  if (!shorter.empty()) {
    Json& scaling = config.json["rope_scaling"];
    scaling = {{"rope_type", "longrope"}, {"attention_factor", attention}};
    for (const float value : shorter) scaling["short_factor"].push_back(shortest(value));
    for (const float value : longer) scaling["long_factor"].push_back(shortest(value));
  } else if (attention != 1.0) {
    config.refuse("rope.scaling.attn_factor", "it is there without factors of longrope");
  }
  return config.take();
}

void keys_of(const DecoderSpec& spec, const Json& config, GgufMetadata& keys,
             std::vector<std::string>& notes) {
  llama_like_keys(spec, config, keys, notes);
  const RotarySpec& rotary = spec.rotary_tables.front();
  const std::int64_t original = rotary.original_max_position_embeddings;
  keys.add("phi3.rope.scaling.original_context_length",
           static_cast<std::uint32_t>(original > 0 ? original : spec.max_position_embeddings));
  if (rotary.kind == RotarySpec::Kind::longrope)
    keys.add("phi3.rope.scaling.attn_factor", static_cast<float>(rotary_attention_factor(rotary)));
  const std::int64_t window = spec.block(0).attention.window;
  keys.add("phi3.attention.sliding_window", static_cast<std::uint32_t>(window));
}

constexpr GgufFamily gguf{.architecture = "phi3",
                          .interleaved_rotary = false,
                          .windows = false,
                          .divides_rotary = false,
                          .config = config_of,
                          .keys = keys_of};

}  // namespace

extern const Family phi3 =
    llama_like_family("phi3", "Phi3ForCausalLM", "Phi-3", published, read, &gguf, "", targets);

}  // namespace cola::families
