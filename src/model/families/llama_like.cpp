#include "model/families/llama_like.h"

#include <fmt/format.h>

#include "core/error.h"
#include "io/printable.h"
#include "model/rope_config.h"
#include "model/rotary_json.h"

namespace cola {
namespace {

void read_heads(const JsonReader& reader, const LlamaLikeDefaults& defaults, ModelConfig& config) {
  const std::int64_t all = config.num_attention_heads;
  const bool absent = !reader.object().contains("num_key_value_heads");  // null: as many as heads
  const std::int64_t fallback =
      absent && defaults.num_key_value_heads > 0 ? defaults.num_key_value_heads : all;
  config.num_key_value_heads = positive(reader, "num_key_value_heads", max_width, fallback);
  if (reader.has("head_dim")) {
    config.head_dim = positive(reader, "head_dim", max_width);
  } else if (defaults.head_dim > 0) {
    if (reader.object().contains("head_dim")) (void)reader.at("head_dim");  // null is no number
    config.head_dim = defaults.head_dim;
  } else {
    require_divisible(reader, config);
    config.head_dim = config.hidden_size / all;
  }
  if (all % config.num_key_value_heads != 0) {
    throw Error(fmt::format("{}: num_attention_heads {} is not divisible by num_key_value_heads {}",
                            reader.where(), all, config.num_key_value_heads));
  }
  if (config.head_dim % 2 != 0) {
    throw Error(fmt::format("{}: head size {} is odd; rotary embedding needs an even one", reader.where(),
                            config.head_dim));
  }
}

void add_block(ParameterList& list, const ModelConfig& config) {
  using enum ParameterRole;
  const std::int64_t width = config.hidden_size;
  const std::int64_t queries = config.num_attention_heads * config.head_dim;
  const std::int64_t keys = config.num_key_value_heads * config.head_dim;
  list.norm(attention_norm, "input_layernorm", width);
  list.linear(query, "self_attn.q_proj", queries, width, config.attention_bias);
  list.linear(key, "self_attn.k_proj", keys, width, config.attention_bias);
  list.linear(value, "self_attn.v_proj", keys, width, config.attention_bias);
  if (config.head_norms) {
    list.norm(query_norm, "self_attn.q_norm", config.head_dim);
    list.norm(key_norm, "self_attn.k_norm", config.head_dim);
  }
  list.linear(attention_output, "self_attn.o_proj", width, queries, config.attention_output_bias);
  list.norm(mlp_norm, "post_attention_layernorm", width);
  list.linear(gate, "mlp.gate_proj", config.intermediate_size, width, config.mlp_bias);
  list.linear(up, "mlp.up_proj", config.intermediate_size, width, config.mlp_bias);
  list.linear(down, "mlp.down_proj", width, config.intermediate_size, config.mlp_bias);
}

void require_full_layers(const JsonReader& reader, const ModelConfig& config) {
  const Json& types = reader.at("layer_types");
  if (!types.is_array() || std::ssize(types) != config.num_hidden_layers) {
    throw Error(fmt::format("{}: 'layer_types' must be a list of one for each of the {} layers",
                            reader.where(), config.num_hidden_layers));
  }
  for (const Json& type : types) {
    if (type == "full_attention") continue;
    throw Error(fmt::format("{}: layer type {} is not supported, only full_attention is", reader.where(),
                            printable(type.dump(-1, ' ', false, Json::error_handler_t::replace))));
  }
}

}  // namespace

ModelConfig read_llama_like(const JsonReader& reader, const LlamaLikeDefaults& defaults,
                            const std::string& family) {
  ModelConfig config;
  config.norm = NormKind::rms;
  config.activation = Activation::silu_gate;
  config.rotary = true;
  read_common(reader, config);
  config.intermediate_size = positive(reader, "intermediate_size", max_width);
  read_heads(reader, defaults, config);
  config.word_embed_proj_dim = config.hidden_size;
  config.tie_word_embeddings = reader.boolean("tie_word_embeddings", defaults.tie_word_embeddings);
  config.norm_epsilon = positive_number(reader, "rms_norm_eps", 1e-6);
  config.rotary_tables = {
      read_rotary(reader, config.head_dim, config.max_position_embeddings, {.theta = defaults.rope_theta})};
  require_activation(reader, "hidden_act", "silu", family);
  return config;
}

Json llama_like_json(const ModelConfig& config) {
  Json json{{"intermediate_size", config.intermediate_size},
            {"num_key_value_heads", config.num_key_value_heads},
            {"head_dim", config.head_dim},
            {"hidden_act", "silu"},
            {"rms_norm_eps", config.norm_epsilon},
            {"bos_token_id", 1},
            {"eos_token_id", 2}};
  json.update(rotary_json(config.rotary_tables, config.head_dim));
  return json;
}

std::vector<ParameterSpec> llama_like_parameters(const ModelConfig& config) {
  using enum ParameterRole;
  ParameterList list;
  list.begin("model");
  list.linear(token_table, "embed_tokens", config.vocab_size, config.hidden_size);
  for (std::int64_t block = 0; block < config.num_hidden_layers; ++block) {
    list.begin(block_prefix(config, block), block);
    add_block(list, config);
  }
  list.begin("model");
  list.norm(final_norm, "norm", config.hidden_size);
  list.begin("");
  if (!config.tie_word_embeddings) list.linear(head, "lm_head", config.vocab_size, config.hidden_size);
  return list.take();
}

void require_full_attention(const JsonReader& reader, const ModelConfig& config,
                            std::int64_t first_sliding_layer) {
  if (reader.has("layer_types")) return require_full_layers(reader, config);
  if (!reader.boolean("use_sliding_window", false) || first_sliding_layer >= config.num_hidden_layers) return;
  if (reader.object().contains("sliding_window")) (void)reader.at("sliding_window");  // null is no window
  require_no_shorter_window(reader, config, positive(reader, "sliding_window", max_rows, 4096));
}

void require_no_shorter_window(const JsonReader& reader, const ModelConfig& config, std::int64_t window) {
  if (window >= config.max_position_embeddings) return;
  throw Error(
      fmt::format("{}: layers that attend to a window of {} positions (sliding_window{}) are not supported",
                  reader.where(), window, reader.has("sliding_window") ? "" : ", where the key is absent"));
}

}  // namespace cola
