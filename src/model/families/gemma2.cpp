// Gemma 2 (Gemma Team, 2024): norms before and after each sub-layer, GeGLU, capped scores and logits, windows
// in every other block.
#include <array>

#include "model/families/gemma.h"

namespace cola::families {
namespace {

constexpr std::array published{
    PublishedShape{"gemma-2-2b", R"({"hidden_size": 2304, "num_hidden_layers": 26, "num_attention_heads": 8,
      "num_key_value_heads": 4, "head_dim": 256, "intermediate_size": 9216, "vocab_size": 256000,
      "max_position_embeddings": 8192, "sliding_window": 4096, "query_pre_attn_scalar": 256,
      "hidden_activation": "gelu_pytorch_tanh", "bos_token_id": 2, "eos_token_id": 1, "pad_token_id": 0})"},
    PublishedShape{"gemma-2-9b", R"({"hidden_size": 3584, "num_hidden_layers": 42, "num_attention_heads": 16,
      "num_key_value_heads": 8, "head_dim": 256, "intermediate_size": 14336, "vocab_size": 256000,
      "max_position_embeddings": 8192, "sliding_window": 4096, "query_pre_attn_scalar": 256,
      "hidden_activation": "gelu_pytorch_tanh", "bos_token_id": 2, "eos_token_id": 1, "pad_token_id": 0})"},
};

DecoderSpec read(const JsonReader& reader) {
  DecoderSpec spec = read_gemma(reader, "Gemma 2");
  read_rotary_table(reader, spec);
  spec.block_kinds.front().attention.soft_cap = soft_cap(reader, "attn_logit_softcapping", 50.0F);
  spec.logit_soft_cap = soft_cap(reader, "final_logit_softcapping", 30.0F);
  const auto every_other = [](std::int64_t index) { return index % 2 == 0; };
  set_windows(reader, spec, sliding_layers(reader, spec, every_other), 4096);
  return spec;
}

Json config_of(const Family& family, const GgufFile& file, std::vector<std::string>& notes) {
  GgufConfig config(family, file, notes);
  config.read_common();
  config.read_rotary();
  read_gemma_keys(config, {.window = 4096, .period = 2, .layers_of_largest = 46});
  const double theta = config.json["rope_theta"].get<double>();
  if (config.find_number("rope.freq_base_swa").value_or(theta) != theta)
    config.refuse("rope.freq_base_swa", "only that of rope.freq_base is supported");
  config.json["attn_logit_softcapping"] = config.find_number("attn_logit_softcapping").value_or(50.0);
  config.json["final_logit_softcapping"] = config.find_number("final_logit_softcapping").value_or(30.0);
  return config.take();
}

void keys_of(const DecoderSpec& spec, const Json& config, GgufMetadata& keys,
             std::vector<std::string>& notes) {
  llama_like_keys(spec, config, keys, notes);
  add_gemma_keys(spec, keys, {.window = 4096, .period = 2, .layers_of_largest = 46});
  keys.add("gemma2.attn_logit_softcapping", spec.block(0).attention.soft_cap);
  keys.add("gemma2.final_logit_softcapping", spec.logit_soft_cap);
}

constexpr GgufFamily gguf{.architecture = "gemma2",
                          .interleaved_rotary = false,
                          .windows = true,
                          .divides_rotary = false,
                          .head = GgufHead::tied,
                          .config = config_of,
                          .keys = keys_of};

}  // namespace

extern const Family gemma2 =
    llama_like_family("gemma2", "Gemma2ForCausalLM", "Gemma 2", published, read, &gguf);

}  // namespace cola::families
