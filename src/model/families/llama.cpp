// Llama (Touvron et al., 2023), and what is saved under its name.
#include <fmt/format.h>

#include <array>

#include "core/error.h"
#include "model/families/common.h"
#include "model/rope_config.h"

namespace cola::families {
namespace {

constexpr std::array<std::string_view, 1> ignored{"rotary_emb.inv_freq"};  // of transformers before 4.31
constexpr std::array<std::string_view, 2> targets{"q_proj", "v_proj"};

constexpr std::array published{
    PublishedShape{"llama-2-7b", R"({"hidden_size": 4096, "num_hidden_layers": 32, "num_attention_heads": 32,
      "intermediate_size": 11008, "vocab_size": 32000, "max_position_embeddings": 4096,
      "rms_norm_eps": 1e-05})"},
    PublishedShape{"llama-2-13b", R"({"hidden_size": 5120, "num_hidden_layers": 40, "num_attention_heads": 40,
      "intermediate_size": 13824, "vocab_size": 32000, "max_position_embeddings": 4096,
      "rms_norm_eps": 1e-05})"},
    PublishedShape{"llama-2-70b", R"({"hidden_size": 8192, "num_hidden_layers": 80, "num_attention_heads": 64,
      "num_key_value_heads": 8, "intermediate_size": 28672, "vocab_size": 32000,
      "max_position_embeddings": 4096, "rms_norm_eps": 1e-05})"},
    PublishedShape{"tinyllama-1.1b", R"({"hidden_size": 2048, "num_hidden_layers": 22,
      "num_attention_heads": 32, "num_key_value_heads": 4, "intermediate_size": 5632, "vocab_size": 32000,
      "max_position_embeddings": 2048, "rms_norm_eps": 1e-05})"},
};

void read_heads(const JsonReader& reader, ModelConfig& config) {
  config.num_key_value_heads = positive(reader, "num_key_value_heads", max_width, config.num_attention_heads);
  if (reader.has("head_dim")) {
    config.head_dim = positive(reader, "head_dim", max_width);
  } else {
    require_divisible(reader, config);
    config.head_dim = config.hidden_size / config.num_attention_heads;
  }
  if (config.num_attention_heads % config.num_key_value_heads != 0) {
    throw Error(fmt::format("{}: num_attention_heads {} is not divisible by num_key_value_heads {}",
                            reader.where(), config.num_attention_heads, config.num_key_value_heads));
  }
  if (config.head_dim % 2 != 0) {
    throw Error(fmt::format("{}: head size {} is odd; rotary embedding needs an even one", reader.where(),
                            config.head_dim));
  }
}

ModelConfig read(const JsonReader& reader) {
  ModelConfig config;
  config.norm = NormKind::rms;
  config.activation = Activation::silu_gate;
  config.rotary = true;
  read_common(reader, config);
  config.intermediate_size = positive(reader, "intermediate_size", max_width);
  read_heads(reader, config);
  config.word_embed_proj_dim = config.hidden_size;
  config.tie_word_embeddings = reader.boolean("tie_word_embeddings", false);
  config.attention_bias = reader.boolean("attention_bias", false);
  config.mlp_bias = reader.boolean("mlp_bias", false);
  config.norm_epsilon = positive_number(reader, "rms_norm_eps", 1e-6);
  read_rope(reader, config);
  require_activation(reader, "hidden_act", "silu", "Llama");
  return config;
}

Json write(const ModelConfig& config) {
  return {{"intermediate_size", config.intermediate_size},
          {"num_key_value_heads", config.num_key_value_heads},
          {"head_dim", config.head_dim},
          {"hidden_act", "silu"},
          {"rms_norm_eps", config.norm_epsilon},
          {"rope_theta", config.rope_theta},
          {"rope_scaling", rope_scaling_json(config.rope_scaling)},
          {"attention_bias", config.attention_bias},
          {"mlp_bias", config.mlp_bias},
          {"bos_token_id", 1},
          {"eos_token_id", 2}};
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
  list.linear(attention_output, "self_attn.o_proj", width, queries, config.attention_bias);
  list.norm(mlp_norm, "post_attention_layernorm", width);
  list.linear(gate, "mlp.gate_proj", config.intermediate_size, width, config.mlp_bias);
  list.linear(up, "mlp.up_proj", config.intermediate_size, width, config.mlp_bias);
  list.linear(down, "mlp.down_proj", width, config.intermediate_size, config.mlp_bias);
}

std::vector<ParameterSpec> parameters(const ModelConfig& config) {
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

}  // namespace

extern const Family llama{.model_type = "llama",
                          .architecture = "LlamaForCausalLM",
                          .name = "Llama",
                          .blocks = "model.layers",
                          .ignored_tensors = ignored,
                          .default_targets = targets,
                          .published = published,
                          .read = read,
                          .write = write,
                          .parameters = parameters};

}  // namespace cola::families
