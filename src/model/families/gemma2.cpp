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

}  // namespace

extern const Family gemma2 = llama_like_family("gemma2", "Gemma2ForCausalLM", "Gemma 2", published, read);

}  // namespace cola::families
