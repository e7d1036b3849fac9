// Phi-3 and Phi-4 (Abdin et al., 2024): Llama's block with queries, keys and values in one matrix, gate and
// up in another; part of a head may turn, by LongRoPE.
#include <array>

#include "model/families/llama_like.h"

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

}  // namespace

extern const Family phi3 =
    llama_like_family("phi3", "Phi3ForCausalLM", "Phi-3", published, read, "", targets);

}  // namespace cola::families
