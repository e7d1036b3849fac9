// Mistral (Jiang et al., 2023): Llama's block without biases, heads of any size, attention in windows.
#include <array>

#include "model/families/llama_like.h"

namespace cola::families {
namespace {

constexpr std::array published{
    PublishedShape{"mistral-7b-v0.1", R"({"hidden_size": 4096, "num_hidden_layers": 32,
      "num_attention_heads": 32, "num_key_value_heads": 8, "intermediate_size": 14336, "vocab_size": 32000,
      "max_position_embeddings": 32768, "rms_norm_eps": 1e-05, "sliding_window": 4096, "bos_token_id": 1,
      "eos_token_id": 2})"},
    PublishedShape{"mistral-7b-v0.3", R"({"hidden_size": 4096, "num_hidden_layers": 32,
      "num_attention_heads": 32, "num_key_value_heads": 8, "intermediate_size": 14336, "vocab_size": 32768,
      "max_position_embeddings": 32768, "rms_norm_eps": 1e-05, "rope_theta": 1000000.0,
      "sliding_window": null, "bos_token_id": 1, "eos_token_id": 2})"},
    PublishedShape{"mistral-nemo-12b", R"({"hidden_size": 5120, "num_hidden_layers": 40,
      "num_attention_heads": 32, "num_key_value_heads": 8, "head_dim": 128, "intermediate_size": 14336,
      "vocab_size": 131072, "max_position_embeddings": 131072, "rms_norm_eps": 1e-05, "rope_theta": 1000000.0,
      "sliding_window": null, "bos_token_id": 1, "eos_token_id": 2})"},
};

/// `layer_types` counts for nothing here; `sliding_window` null is none.
DecoderSpec read(const JsonReader& reader) {
  DecoderSpec spec =
      read_llama_like(reader, {.num_key_value_heads = 8, .null_key_value_heads = false}, "Mistral");
  read_rotary_table(reader, spec);
  const bool slides = !reader.object().contains("sliding_window") || reader.has("sliding_window");
  set_windows(reader, spec, std::vector<bool>(static_cast<std::size_t>(spec.num_hidden_layers()), slides),
              4096);
  return spec;
}

/// To llama.cpp its files are Llama's, and so they are read.
constexpr GgufFamily gguf{.architecture = "llama",
                          .interleaved_rotary = true,
                          .windows = false,
                          .divides_rotary = true,
                          .config = nullptr,
                          .keys = llama_like_keys};

}  // namespace

extern const Family mistral =
    llama_like_family("mistral", "MistralForCausalLM", "Mistral", published, read, &gguf);

}  // namespace cola::families
