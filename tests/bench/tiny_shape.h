#pragma once
#include "model/model_config.h"

namespace cola::test {

/// An OPT of two blocks whose steps take no time.
inline DecoderSpec tiny_shape() {
  Json json = config_json_of_shape("opt-125m");
  json.update({{"vocab_size", 40},
               {"hidden_size", 16},
               {"ffn_dim", 24},
               {"num_hidden_layers", 2},
               {"num_attention_heads", 2},
               {"max_position_embeddings", 32}});
  return parse_model_config(json, "tiny");
}

}  // namespace cola::test
