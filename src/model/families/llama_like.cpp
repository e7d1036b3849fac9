#include "model/families/llama_like.h"

#include <fmt/format.h>

#include <algorithm>

#include "core/error.h"
#include "io/printable.h"

namespace cola {
namespace {

void read_heads(const JsonReader& reader, const LlamaLike& defaults, std::int64_t width,
                AttentionSpec& attention) {
  const std::int64_t all = attention.num_attention_heads;
  const bool absent = !reader.object().contains("num_key_value_heads");
  if (!absent && !defaults.null_key_value_heads) (void)reader.at("num_key_value_heads");
  const std::int64_t fallback =
      absent && defaults.num_key_value_heads > 0 ? defaults.num_key_value_heads : all;
  attention.num_key_value_heads = positive(reader, "num_key_value_heads", max_width, fallback);
  if (defaults.heads_divide_width) require_divisible(reader, width, all);
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
  const bool norm_before = block.placement != NormPlacement::after;
  const bool norm_after = block.placement != NormPlacement::before;
  if (norm_before) list.norm(attention_norm, "input_layernorm", width);
  if (attention.fused) {
    list.linear(query_key_value, "self_attn.qkv_proj", attention.query_width() + 2 * attention.key_width(),
                width, attention.bias);
  } else {
    list.linear(query, "self_attn.q_proj", attention.query_width(), width, attention.bias);
    list.linear(key, "self_attn.k_proj", attention.key_width(), width, attention.bias);
    list.linear(value, "self_attn.v_proj", attention.key_width(), width, attention.bias);
  }
  if (attention.head_norms != HeadNorms::none) {
    const bool each_head = attention.head_norms == HeadNorms::each_head;
    list.norm(query_norm, "self_attn.q_norm", each_head ? attention.head_dim : attention.query_width());
    list.norm(key_norm, "self_attn.k_norm", each_head ? attention.head_dim : attention.key_width());
  }
  list.linear(attention_output, "self_attn.o_proj", width, attention.query_width(), attention.output_bias);
  // The name that Llama gives the norm before the MLP is the norm's behind attention where there is one.
  if (norm_after) list.norm(attention_output_norm, "post_attention_layernorm", width);
  if (norm_before)
    list.norm(mlp_norm, norm_after ? "pre_feedforward_layernorm" : "post_attention_layernorm", width);
  if (mlp.fused) {
    list.linear(gate_up, "mlp.gate_up_proj", 2 * mlp.intermediate_size, width, mlp.bias);
  } else {
    list.linear(gate, "mlp.gate_proj", mlp.intermediate_size, width, mlp.bias);
    list.linear(up, "mlp.up_proj", mlp.intermediate_size, width, mlp.bias);
  }
  list.linear(down, "mlp.down_proj", width, mlp.intermediate_size, mlp.bias);
  if (norm_after) list.norm(mlp_output_norm, "post_feedforward_layernorm", width);
}

}  // namespace

DecoderSpec read_llama_like(const JsonReader& reader, const LlamaLike& defaults, const std::string& family) {
  DecoderSpec spec = read_common(reader, defaults.pad_token_id);
  BlockSpec& block = spec.block_kinds.front();
  block.norm = {.kind = NormKind::rms,
                .epsilon = static_cast<float>(positive_number(reader, "rms_norm_eps", defaults.rms_norm_eps)),
                .rounds_before_weight = defaults.rounds_norms};
  block.mlp.activation = defaults.activation == "silu" ? Activation::silu_gate : Activation::gelu_tanh_gate;
  block.mlp.intermediate_size = positive(reader, "intermediate_size", max_width);
  read_heads(reader, defaults, spec.hidden_size, block.attention);
  spec.final_norm = block.norm;
  spec.tie_word_embeddings = reader.boolean("tie_word_embeddings", defaults.tie_word_embeddings);
  require_activation(reader, std::string(defaults.activation_key), std::string(defaults.activation), family);
  return spec;
}

void read_rotary_table(const JsonReader& reader, DecoderSpec& spec, const RotaryRules& rules) {
  AttentionSpec& attention = spec.block_kinds.front().attention;
  spec.rotary_tables = {read_rotary(reader, attention.head_dim, spec.max_position_embeddings, rules)};
  attention.rotary = 0;
}

void read_attention_bias(const JsonReader& reader, DecoderSpec& spec) {
  AttentionSpec& attention = spec.block_kinds.front().attention;
  attention.bias = attention.output_bias = reader.boolean("attention_bias", false);
}

void read_mlp_bias(const JsonReader& reader, DecoderSpec& spec) {
  spec.block_kinds.front().mlp.bias = reader.boolean("mlp_bias", false);
}

std::vector<bool> sliding_layers(const JsonReader& reader, const DecoderSpec& spec,
                                 const std::function<bool(std::int64_t)>& rule) {
  std::vector<bool> sliding;
  const std::int64_t layers = spec.num_hidden_layers();
  if (!reader.has("layer_types")) {
    for (std::int64_t index = 0; index < layers; ++index) sliding.push_back(rule(index));
    return sliding;
  }
  const Json& types = reader.at("layer_types");
  if (!types.is_array() || std::ssize(types) != layers) {
    throw Error(fmt::format("{}: 'layer_types' must be a list of one for each of the {} layers",
                            reader.where(), layers));
  }
  for (const Json& type : types) {
    if (type != "full_attention" && type != "sliding_attention") {
      throw Error(
          fmt::format("{}: layer type {} is not supported, only full_attention and sliding_attention are",
                      reader.where(), printable(type.dump(-1, ' ', false, Json::error_handler_t::replace))));
    }
    sliding.push_back(type == "sliding_attention");
  }
  return sliding;
}

void set_windows(const JsonReader& reader, DecoderSpec& spec, const std::vector<bool>& sliding,
                 std::optional<std::int64_t> fallback) {
  if (std::ranges::none_of(sliding, [](bool slides) { return slides; })) return;
  const bool absent = !reader.object().contains("sliding_window");
  if (absent ? !fallback : !reader.has("sliding_window")) {
    throw Error(fmt::format("{}: layers slide, but 'sliding_window' is {}", reader.where(),
                            absent ? "missing" : "null"));
  }
  const std::int64_t window = absent ? *fallback : positive(reader, "sliding_window", max_rows);
  spec.vary_blocks([&](std::int64_t index, BlockSpec& block) {
    if (sliding[static_cast<std::size_t>(index)]) block.attention.window = window;
  });
}

void require_none_slides(const JsonReader& reader, const DecoderSpec& spec) {
  const auto sliding = sliding_layers(reader, spec, [](std::int64_t) { return false; });
  if (std::ranges::none_of(sliding, [](bool slides) { return slides; })) return;
  throw Error(fmt::format("{}: 'layer_types' has sliding_attention, but 'use_sliding_window' is off",
                          reader.where()));
}

void read_windows_from_layer(const JsonReader& reader, DecoderSpec& spec) {
  if (!reader.boolean("use_sliding_window", false)) return require_none_slides(reader, spec);
  const std::int64_t first = reader.integer("max_window_layers", 28);
  set_windows(reader, spec, sliding_layers(reader, spec, [=](std::int64_t index) { return index >= first; }),
              4096);
}

std::vector<ParameterSpec> llama_like_parameters(const DecoderSpec& spec, const std::string& stem) {
  using enum ParameterRole;
  ParameterList list;
  list.begin(stem);
  list.linear(token_table, "embed_tokens", spec.vocab_size, spec.hidden_size);
  for (std::int64_t index = 0; index < spec.num_hidden_layers(); ++index) {
    list.begin(block_prefix(spec, index), index);
    add_block(list, spec.block(index), spec.hidden_size);
  }
  list.begin(stem);
  list.norm(final_norm, "norm", spec.hidden_size);
  list.begin("");
  if (!spec.tie_word_embeddings) list.linear(head, "lm_head", spec.vocab_size, spec.hidden_size);
  return list.take();
}

std::vector<ParameterSpec> llama_like_parameters(const DecoderSpec& spec) {
  return llama_like_parameters(spec, "model");
}

}  // namespace cola
