// Mistral (Jiang et al., 2023): Llama's block without biases, heads of any size. Of its models those without
// a sliding window.
#include <array>

#include "model/families/llama_like.h"

namespace cola::families {
namespace {

constexpr std::array published{
    PublishedShape{"mistral-7b-v0.3", R"({"hidden_size": 4096, "num_hidden_layers": 32,
      "num_attention_heads": 32, "num_key_value_heads": 8, "intermediate_size": 14336, "vocab_size": 32768,
      "max_position_embeddings": 32768, "rms_norm_eps": 1e-05, "rope_theta": 1000000.0,
      "sliding_window": null})"},
    PublishedShape{"mistral-nemo-12b", R"({"hidden_size": 5120, "num_hidden_layers": 40,
      "num_attention_heads": 32, "num_key_value_heads": 8, "head_dim": 128, "intermediate_size": 14336,
      "vocab_size": 131072, "max_position_embeddings": 131072, "rms_norm_eps": 1e-05,
      "rope_theta": 1000000.0, "sliding_window": null})"},
};

/// `layer_types` counts for nothing here, and null is no number of key and value heads.
DecoderSpec read(const JsonReader& reader) {
  if (reader.object().contains("num_key_value_heads")) (void)reader.at("num_key_value_heads");
  DecoderSpec spec = read_llama_like(reader, {.num_key_value_heads = 8}, "Mistral");
  const bool absent = !reader.object().contains("sliding_window");  // null is none
  if (absent || reader.has("sliding_window"))
    require_no_shorter_window(reader, spec, positive(reader, "sliding_window", max_rows, 4096));
  return spec;
}

}  // namespace

extern const Family mistral = llama_like_family("mistral", "MistralForCausalLM", "Mistral", published, read);

}  // namespace cola::families
