#pragma once
#include "model/model_config.h"

namespace cola::test {

/// An OPT of two blocks: small enough to write many times, and its steps take no time.
inline Json tiny_config_json() {
  Json json = config_json_of_shape("opt-125m");
  json.update({{"vocab_size", 40},
               {"hidden_size", 16},
               {"ffn_dim", 24},
               {"num_hidden_layers", 2},
               {"num_attention_heads", 2},
               {"max_position_embeddings", 32}});
  return json;
}
inline DecoderSpec tiny_config() { return parse_model_config(tiny_config_json(), "tiny"); }

}  // namespace cola::test
