#include "model/families/gemma.h"

#include <fmt/format.h>

#include <cmath>

#include "core/error.h"

namespace cola {

DecoderSpec read_gemma(const JsonReader& reader, const std::string& family) {
  if (reader.boolean("use_bidirectional_attention", false)) {
    throw Error(fmt::format("{}: use_bidirectional_attention is not supported: only causal decoders are",
                            reader.where()));
  }
  DecoderSpec spec = read_llama_like(reader,
                                     {.num_key_value_heads = 4,
                                      .null_key_value_heads = false,
                                      .head_dim = 256,
                                      .heads_divide_width = true,
                                      .tie_word_embeddings = true,
                                      .rounds_norms = false,
                                      .pad_token_id = 0,
                                      .activation_key = "hidden_activation",
                                      .activation = "gelu_pytorch_tanh"},
                                     family);
  spec.embedding_scale = static_cast<float>(std::sqrt(static_cast<double>(spec.hidden_size)));
  spec.rounds_embedding_scale = true;
  BlockSpec& block = spec.block_kinds.front();
  block.placement = NormPlacement::before_and_after;
  block.norm.unit_offset = true;
  spec.final_norm = block.norm;
  block.attention.scale =
      static_cast<float>(1.0 / std::sqrt(positive_number(reader, "query_pre_attn_scalar", 256.0)));
  read_attention_bias(reader, spec);
  return spec;
}

float soft_cap(const JsonReader& reader, const std::string& key, float fallback) {
  if (!reader.object().contains(key)) return fallback;
  return reader.has(key) ? static_cast<float>(positive_number(reader, key, 0.0)) : 0.0F;
}

}  // namespace cola
