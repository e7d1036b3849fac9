// OLMo 2 (OLMo Team, 2024): Llama's block with norms after the sub-layers only, and over the whole width of
// queries and keys.
#include <array>

#include "model/families/llama_like.h"

namespace cola::families {
namespace {

constexpr std::array published{
    PublishedShape{"olmo-2-1b", R"({"hidden_size": 2048, "num_hidden_layers": 16, "num_attention_heads": 16,
      "num_key_value_heads": 16, "intermediate_size": 8192, "vocab_size": 100352,
      "max_position_embeddings": 4096, "rms_norm_eps": 1e-06, "rope_theta": 500000.0, "eos_token_id": 100257,
      "pad_token_id": 100277})"},
    PublishedShape{"olmo-2-7b", R"({"hidden_size": 4096, "num_hidden_layers": 32, "num_attention_heads": 32,
      "num_key_value_heads": 32, "intermediate_size": 11008, "vocab_size": 100352,
      "max_position_embeddings": 4096, "rms_norm_eps": 1e-06, "rope_theta": 500000.0, "eos_token_id": 100257,
      "pad_token_id": 100277})"},
};

DecoderSpec read(const JsonReader& reader) {
  DecoderSpec spec =
      read_llama_like(reader, {.rms_norm_eps = 1e-5, .rounds_norms = false, .pad_token_id = 1}, "OLMo 2");
  BlockSpec& block = spec.block_kinds.front();
  block.placement = NormPlacement::after;
  block.attention.head_norms = HeadNorms::whole_width;
  read_rotary_table(reader, spec);
  read_attention_bias(reader, spec);
  return spec;
}

Json config_of(const Family& family, const GgufFile& file, std::vector<std::string>& notes) {
  GgufConfig config(family, file, notes);
  config.read_common();
  config.read_rotary();
  if (config.find_count("attention.sliding_window").value_or(0) > 0)
    config.refuse("attention.sliding_window", "OLMo 3's windows are not supported");
  return config.take();
}

constexpr GgufFamily gguf{.architecture = "olmo2",
                          .interleaved_rotary = false,
                          .windows = false,
                          .divides_rotary = false,
                          .head = GgufHead::own,
                          .config = config_of,
                          .keys = llama_like_keys};

}  // namespace

extern const Family olmo2 = llama_like_family("olmo2", "Olmo2ForCausalLM", "OLMo 2", published, read, &gguf);

}  // namespace cola::families
