// Qwen2 and Qwen2.5 (Yang et al., 2024): Llama's block with biases on queries, keys and values.
#include <array>

#include "model/families/llama_like.h"

namespace cola::families {
namespace {

constexpr std::array published{
    PublishedShape{"qwen2.5-0.5b", R"({"hidden_size": 896, "num_hidden_layers": 24, "num_attention_heads": 14,
      "num_key_value_heads": 2, "intermediate_size": 4864, "vocab_size": 151936,
      "max_position_embeddings": 32768, "rope_theta": 1000000.0, "tie_word_embeddings": true,
      "bos_token_id": 151643, "eos_token_id": 151643})"},
    PublishedShape{"qwen2.5-1.5b", R"({"hidden_size": 1536, "num_hidden_layers": 28,
      "num_attention_heads": 12, "num_key_value_heads": 2, "intermediate_size": 8960, "vocab_size": 151936,
      "max_position_embeddings": 131072, "rope_theta": 1000000.0, "tie_word_embeddings": true,
      "bos_token_id": 151643, "eos_token_id": 151643})"},
    PublishedShape{"qwen2.5-7b", R"({"hidden_size": 3584, "num_hidden_layers": 28, "num_attention_heads": 28,
      "num_key_value_heads": 4, "intermediate_size": 18944, "vocab_size": 152064,
      "max_position_embeddings": 131072, "rope_theta": 1000000.0, "bos_token_id": 151643,
      "eos_token_id": 151643})"},
};

DecoderSpec read(const JsonReader& reader) {
  DecoderSpec spec = read_llama_like(reader, {.num_key_value_heads = 32}, "Qwen2");
  spec.block_kinds.front().attention.bias = true;
  read_rotary_table(reader, spec);
  read_windows_from_layer(reader, spec);
  return spec;
}

constexpr GgufFamily gguf{.architecture = "qwen2",
                          .interleaved_rotary = false,
                          .windows = false,
                          .divides_rotary = false,
                          .config = common_gguf_config,
                          .keys = llama_like_keys};

}  // namespace

extern const Family qwen2 =
    llama_like_family("qwen2", "Qwen2ForCausalLM", "Qwen2", published, read, &gguf, "chatml");

}  // namespace cola::families
