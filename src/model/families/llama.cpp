// Llama (Touvron et al., 2023), and what is saved under its name.
#include <array>

#include "model/families/llama_like.h"

namespace cola::families {
namespace {

constexpr std::array published{
    PublishedShape{"llama-2-7b", R"({"hidden_size": 4096, "num_hidden_layers": 32, "num_attention_heads": 32,
      "intermediate_size": 11008, "vocab_size": 32000, "max_position_embeddings": 4096, "rms_norm_eps": 1e-05,
      "bos_token_id": 1, "eos_token_id": 2})"},
    PublishedShape{"llama-2-13b", R"({"hidden_size": 5120, "num_hidden_layers": 40, "num_attention_heads": 40,
      "intermediate_size": 13824, "vocab_size": 32000, "max_position_embeddings": 4096, "rms_norm_eps": 1e-05,
      "bos_token_id": 1, "eos_token_id": 2})"},
    PublishedShape{"llama-2-70b", R"({"hidden_size": 8192, "num_hidden_layers": 80, "num_attention_heads": 64,
      "num_key_value_heads": 8, "intermediate_size": 28672, "vocab_size": 32000,
      "max_position_embeddings": 4096, "rms_norm_eps": 1e-05, "bos_token_id": 1, "eos_token_id": 2})"},
    PublishedShape{"llama-3.1-8b", R"({"hidden_size": 4096, "num_hidden_layers": 32,
      "num_attention_heads": 32, "num_key_value_heads": 8, "intermediate_size": 14336, "vocab_size": 128256,
      "max_position_embeddings": 131072, "rms_norm_eps": 1e-05, "rope_theta": 500000.0,
      "rope_scaling": {"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
      "original_max_position_embeddings": 8192}, "bos_token_id": 128000, "eos_token_id": 128001})"},
    PublishedShape{"llama-3.2-1b", R"({"hidden_size": 2048, "num_hidden_layers": 16,
      "num_attention_heads": 32, "num_key_value_heads": 8, "head_dim": 64, "intermediate_size": 8192,
      "vocab_size": 128256, "max_position_embeddings": 131072, "rms_norm_eps": 1e-05, "rope_theta": 500000.0,
      "tie_word_embeddings": true, "rope_scaling": {"rope_type": "llama3", "factor": 32.0,
      "low_freq_factor": 1.0, "high_freq_factor": 4.0, "original_max_position_embeddings": 8192},
      "bos_token_id": 128000, "eos_token_id": 128001})"},
    PublishedShape{"tinyllama-1.1b", R"({"hidden_size": 2048, "num_hidden_layers": 22,
      "num_attention_heads": 32, "num_key_value_heads": 4, "intermediate_size": 5632, "vocab_size": 32000,
      "max_position_embeddings": 2048, "rms_norm_eps": 1e-05, "bos_token_id": 1, "eos_token_id": 2})"},
    PublishedShape{"smollm2-135m", R"({"hidden_size": 576, "num_hidden_layers": 30, "num_attention_heads": 9,
      "num_key_value_heads": 3, "intermediate_size": 1536, "vocab_size": 49152,
      "max_position_embeddings": 8192, "rms_norm_eps": 1e-05, "rope_theta": 100000.0,
      "tie_word_embeddings": true, "bos_token_id": 0, "eos_token_id": 0})"},
};

DecoderSpec read(const JsonReader& reader) {
  DecoderSpec spec = read_llama_like(reader, {.heads_divide_width = true, .rounds_norms = false}, "Llama");
  read_rotary_table(reader, spec);
  read_attention_bias(reader, spec);
  read_mlp_bias(reader, spec);
  return spec;
}

constexpr GgufFamily gguf{.architecture = "llama",
                          .interleaved_rotary = true,
                          .windows = false,
                          .divides_rotary = true,
                          .config = common_gguf_config,
                          .keys = llama_like_keys};

}  // namespace

extern const Family llama = llama_like_family("llama", "LlamaForCausalLM", "Llama", published, read, &gguf);

}  // namespace cola::families
