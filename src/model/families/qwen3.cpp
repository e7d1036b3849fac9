// Qwen3 (Yang et al., 2025): Llama's block with an RMS norm over each head of queries and keys before rotary.
#include <array>

#include "model/families/llama_like.h"

namespace cola::families {
namespace {

constexpr std::array published{
    PublishedShape{"qwen3-0.6b", R"({"hidden_size": 1024, "num_hidden_layers": 28, "num_attention_heads": 16,
      "num_key_value_heads": 8, "head_dim": 128, "intermediate_size": 3072, "vocab_size": 151936,
      "max_position_embeddings": 40960, "rope_theta": 1000000.0, "tie_word_embeddings": true,
      "bos_token_id": 151643, "eos_token_id": 151645})"},
    PublishedShape{"qwen3-1.7b", R"({"hidden_size": 2048, "num_hidden_layers": 28, "num_attention_heads": 16,
      "num_key_value_heads": 8, "head_dim": 128, "intermediate_size": 6144, "vocab_size": 151936,
      "max_position_embeddings": 40960, "rope_theta": 1000000.0, "tie_word_embeddings": true,
      "bos_token_id": 151643, "eos_token_id": 151645})"},
    PublishedShape{"qwen3-8b", R"({"hidden_size": 4096, "num_hidden_layers": 36, "num_attention_heads": 32,
      "num_key_value_heads": 8, "head_dim": 128, "intermediate_size": 12288, "vocab_size": 151936,
      "max_position_embeddings": 40960, "rope_theta": 1000000.0, "bos_token_id": 151643,
      "eos_token_id": 151645})"},
};

DecoderSpec read(const JsonReader& reader) {
  DecoderSpec spec = read_llama_like(reader, {.num_key_value_heads = 32, .head_dim = 128}, "Qwen3");
  spec.block_kinds.front().attention.head_norms = HeadNorms::each_head;
  read_rotary_table(reader, spec);
  read_attention_bias(reader, spec);
  read_windows_from_layer(reader, spec);
  return spec;
}

constexpr GgufFamily gguf{.architecture = "qwen3",
                          .interleaved_rotary = false,
                          .windows = false,
                          .divides_rotary = false,
                          .config = common_gguf_config,
                          .keys = llama_like_keys};

}  // namespace

extern const Family qwen3 =
    llama_like_family("qwen3", "Qwen3ForCausalLM", "Qwen3", published, read, &gguf, "chatml");

}  // namespace cola::families
