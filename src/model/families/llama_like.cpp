#include "model/families/llama_like.h"

#include <fmt/format.h>

#include "core/error.h"
#include "io/printable.h"
#include "model/rope_config.h"

namespace cola {
namespace {

void read_heads(const JsonReader& reader, const LlamaLikeDefaults& defaults, std::int64_t width,
                AttentionSpec& attention) {
  const std::int64_t all = attention.num_attention_heads;
  const bool absent = !reader.object().contains("num_key_value_heads");  // null: as many as heads
  const std::int64_t fallback =
      absent && defaults.num_key_value_heads > 0 ? defaults.num_key_value_heads : all;
  attention.num_key_value_heads = positive(reader, "num_key_value_heads", max_width, fallback);
  if (reader.has("head_dim")) {
    attention.head_dim = positive(reader, "head_dim", max_width);
  } else if (defaults.head_dim > 0) {
    if (reader.object().contains("head_dim")) (void)reader.at("head_dim");  // null is no number
    attention.head_dim = defaults.head_dim;
  } else {
    require_divisible(reader, width, all);
    attention.head_dim = width / all;
  }
  if (all % attention.num_key_value_heads != 0) {
    throw Error(fmt::format("{}: num_attention_heads {} is not divisible by num_key_value_heads {}",
                            reader.where(), all, attention.num_key_value_heads));
  }
  if (attention.head_dim % 2 != 0) {
    throw Error(fmt::format("{}: head size {} is odd; rotary embedding needs an even one", reader.where(),
                            attention.head_dim));
  }
  attention.scale = default_score_scale(attention.head_dim);
}

void add_block(ParameterList& list, const BlockSpec& block, std::int64_t width) {
  using enum ParameterRole;
  const AttentionSpec& attention = block.attention;
  const MlpSpec& mlp = block.mlp;
  list.norm(attention_norm, "input_layernorm", width);
  list.linear(query, "self_attn.q_proj", attention.query_width(), width, attention.bias);
  list.linear(key, "self_attn.k_proj", attention.key_width(), width, attention.bias);
  list.linear(value, "self_attn.v_proj", attention.key_width(), width, attention.bias);
  if (attention.head_norms == HeadNorms::each_head) {
    list.norm(query_norm, "self_attn.q_norm", attention.head_dim);
    list.norm(key_norm, "self_attn.k_norm", attention.head_dim);
  }
  list.linear(attention_output, "self_attn.o_proj", width, attention.query_width(), attention.output_bias);
  list.norm(mlp_norm, "post_attention_layernorm", width);
  list.linear(gate, "mlp.gate_proj", mlp.intermediate_size, width, mlp.bias);
  list.linear(up, "mlp.up_proj", mlp.intermediate_size, width, mlp.bias);
  list.linear(down, "mlp.down_proj", width, mlp.intermediate_size, mlp.bias);
}

void require_full_layers(const JsonReader& reader, const DecoderSpec& spec) {
  const Json& types = reader.at("layer_types");
  if (!types.is_array() || std::ssize(types) != spec.num_hidden_layers()) {
    throw Error(fmt::format("{}: 'layer_types' must be a list of one for each of the {} layers",
                            reader.where(), spec.num_hidden_layers()));
  }
  for (const Json& type : types) {
    if (type == "full_attention") continue;
    throw Error(fmt::format("{}: layer type {} is not supported, only full_attention is", reader.where(),
                            printable(type.dump(-1, ' ', false, Json::error_handler_t::replace))));
  }
}

}  // namespace

DecoderSpec read_llama_like(const JsonReader& reader, const LlamaLikeDefaults& defaults,
                            const std::string& family) {
  DecoderSpec spec = read_common(reader);
  BlockSpec& block = spec.block_kinds.front();
  block.norm = {.kind = NormKind::rms,
                .epsilon = static_cast<float>(positive_number(reader, "rms_norm_eps", defaults.rms_norm_eps))};
  block.mlp.activation = Activation::silu_gate;
  block.mlp.intermediate_size = positive(reader, "intermediate_size", max_width);
  read_heads(reader, defaults, spec.hidden_size, block.attention);
  spec.rotary_tables = {read_rotary(reader, block.attention.head_dim, spec.max_position_embeddings,
                                    {.theta = defaults.rope_theta})};
  block.attention.rotary = 0;
  spec.final_norm = block.norm;
  spec.tie_word_embeddings = reader.boolean("tie_word_embeddings", defaults.tie_word_embeddings);
  require_activation(reader, "hidden_act", "silu", family);
  return spec;
}

std::vector<ParameterSpec> llama_like_parameters(const DecoderSpec& spec) {
  using enum ParameterRole;
  ParameterList list;
  list.begin("model");
  list.linear(token_table, "embed_tokens", spec.vocab_size, spec.hidden_size);
  for (std::int64_t index = 0; index < spec.num_hidden_layers(); ++index) {
    list.begin(block_prefix(spec, index), index);
    add_block(list, spec.block(index), spec.hidden_size);
  }
  list.begin("model");
  list.norm(final_norm, "norm", spec.hidden_size);
  list.begin("");
  if (!spec.tie_word_embeddings) list.linear(head, "lm_head", spec.vocab_size, spec.hidden_size);
  return list.take();
}

void require_full_attention(const JsonReader& reader, const DecoderSpec& spec,
                            std::int64_t first_sliding_layer) {
  if (reader.has("layer_types")) return require_full_layers(reader, spec);
  if (!reader.boolean("use_sliding_window", false) || first_sliding_layer >= spec.num_hidden_layers()) return;
  if (reader.object().contains("sliding_window")) (void)reader.at("sliding_window");  // null is no window
  require_no_shorter_window(reader, spec, positive(reader, "sliding_window", max_rows, 4096));
}

void require_no_shorter_window(const JsonReader& reader, const DecoderSpec& spec, std::int64_t window) {
  if (window >= spec.max_position_embeddings) return;
  throw Error(
      fmt::format("{}: layers that attend to a window of {} positions (sliding_window{}) are not supported",
                  reader.where(), window, reader.has("sliding_window") ? "" : ", where the key is absent"));
}

}  // namespace cola
