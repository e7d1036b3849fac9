#pragma once
#include "model/config.h"

namespace cola::test {

/// An OPT of two blocks whose steps take no time.
inline ModelConfig tiny_shape() {
  ModelConfig config = config_of_shape("opt-125m");
  config.vocab_size = 40;
  config.hidden_size = config.word_embed_proj_dim = 16;
  config.intermediate_size = 24;
  config.num_hidden_layers = 2;
  config.num_attention_heads = config.num_key_value_heads = 2;
  config.head_dim = 8;
  config.max_position_embeddings = 32;
  return config;
}

}  // namespace cola::test
