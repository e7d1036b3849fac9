// OPT (Zhang et al., 2022).
#include <fmt/format.h>

#include <array>

#include "core/error.h"
#include "model/families/common.h"

namespace cola::families {
namespace {

constexpr std::int64_t rows_before_positions = 2;  // of the table of positions, before position 0

constexpr std::array<std::string_view, 1> ignored{"decoder.version"};  // fairseq's
constexpr std::array<std::string_view, 2> targets{"q_proj", "v_proj"};

// Table 1 of the paper; opt-350m is the only post-LN size.
constexpr std::array published{
    PublishedShape{"opt-125m", R"({"hidden_size": 768, "num_hidden_layers": 12, "num_attention_heads": 12,
      "ffn_dim": 3072, "vocab_size": 50272, "max_position_embeddings": 2048, "bos_token_id": 2,
      "eos_token_id": 2, "pad_token_id": 1})"},
    PublishedShape{"opt-350m", R"({"hidden_size": 1024, "num_hidden_layers": 24, "num_attention_heads": 16,
      "ffn_dim": 4096, "vocab_size": 50272, "max_position_embeddings": 2048, "bos_token_id": 2,
      "eos_token_id": 2, "pad_token_id": 1, "word_embed_proj_dim": 512, "do_layer_norm_before": false})"},
    PublishedShape{"opt-1.3b", R"({"hidden_size": 2048, "num_hidden_layers": 24, "num_attention_heads": 32,
      "ffn_dim": 8192, "vocab_size": 50272, "max_position_embeddings": 2048, "bos_token_id": 2,
      "eos_token_id": 2, "pad_token_id": 1})"},
    PublishedShape{"opt-2.7b", R"({"hidden_size": 2560, "num_hidden_layers": 32, "num_attention_heads": 32,
      "ffn_dim": 10240, "vocab_size": 50272, "max_position_embeddings": 2048, "bos_token_id": 2,
      "eos_token_id": 2, "pad_token_id": 1})"},
    PublishedShape{"opt-6.7b", R"({"hidden_size": 4096, "num_hidden_layers": 32, "num_attention_heads": 32,
      "ffn_dim": 16384, "vocab_size": 50272, "max_position_embeddings": 2048, "bos_token_id": 2,
      "eos_token_id": 2, "pad_token_id": 1})"},
    PublishedShape{"opt-13b", R"({"hidden_size": 5120, "num_hidden_layers": 40, "num_attention_heads": 40,
      "ffn_dim": 20480, "vocab_size": 50272, "max_position_embeddings": 2048, "bos_token_id": 2,
      "eos_token_id": 2, "pad_token_id": 1})"},
    PublishedShape{"opt-30b", R"({"hidden_size": 7168, "num_hidden_layers": 48, "num_attention_heads": 56,
      "ffn_dim": 28672, "vocab_size": 50272, "max_position_embeddings": 2048, "bos_token_id": 2,
      "eos_token_id": 2, "pad_token_id": 1})"},
    PublishedShape{"opt-66b", R"({"hidden_size": 9216, "num_hidden_layers": 64, "num_attention_heads": 72,
      "ffn_dim": 36864, "vocab_size": 50272, "max_position_embeddings": 2048, "bos_token_id": 2,
      "eos_token_id": 2, "pad_token_id": 1})"},
};

BlockSpec read_block(const JsonReader& reader, const DecoderSpec& spec) {
  BlockSpec block = spec.block_kinds.front();
  const bool before = reader.boolean("do_layer_norm_before", true);
  block.placement = before ? NormPlacement::before : NormPlacement::after_sum;
  AttentionSpec& attention = block.attention;
  require_divisible(reader, spec.hidden_size, attention.num_attention_heads);
  attention.num_key_value_heads = attention.num_attention_heads;
  attention.head_dim = spec.hidden_size / attention.num_attention_heads;
  attention.scale = default_score_scale(attention.head_dim);
  block.mlp.intermediate_size = positive(reader, "ffn_dim", max_width);
  attention.bias = attention.output_bias = block.mlp.bias = reader.boolean("enable_bias", true);
  return block;
}

DecoderSpec read(const JsonReader& reader) {
  DecoderSpec spec = read_common(reader, 1);
  spec.position_table = true;
  spec.word_embed_proj_dim = positive(reader, "word_embed_proj_dim", max_width, spec.hidden_size);
  spec.block_kinds.front() = read_block(reader, spec);
  if (spec.block_kinds.front().placement == NormPlacement::before &&
      !reader.boolean("_remove_final_layer_norm", false)) {
    spec.final_norm = NormSpec{};
  }
  spec.tie_word_embeddings = reader.boolean("tie_word_embeddings", true);
  spec.dropout = dropout_probability(reader, "dropout", 0.1);
  require_activation(reader, "activation_function", "relu", "OPT");
  if (!reader.boolean("layer_norm_elementwise_affine", true)) {
    throw Error(fmt::format("{}: layer_norm_elementwise_affine false is not supported", reader.where()));
  }
  return spec;
}

void add_block(ParameterList& list, const BlockSpec& block, std::int64_t width) {
  using enum ParameterRole;
  const AttentionSpec& attention = block.attention;
  const MlpSpec& mlp = block.mlp;
  list.norm(attention_norm, "self_attn_layer_norm", width, true);
  list.linear(query, "self_attn.q_proj", width, width, attention.bias);
  list.linear(key, "self_attn.k_proj", width, width, attention.bias);
  list.linear(value, "self_attn.v_proj", width, width, attention.bias);
  list.linear(attention_output, "self_attn.out_proj", width, width, attention.output_bias);
  list.norm(mlp_norm, "final_layer_norm", width, true);
  list.linear(up, "fc1", mlp.intermediate_size, width, mlp.bias);
  list.linear(down, "fc2", width, mlp.intermediate_size, mlp.bias);
}

std::vector<ParameterSpec> parameters(const DecoderSpec& spec) {
  using enum ParameterRole;
  const std::string root = "model.decoder";
  const std::int64_t width = spec.hidden_size;
  const std::int64_t embedding = spec.word_embed_proj_dim;
  ParameterList list;
  list.begin(root);
  list.linear(token_table, "embed_tokens", spec.vocab_size, embedding);
  list.linear(position_table, "embed_positions", spec.max_position_embeddings + rows_before_positions, width);
  if (spec.has_projections()) list.linear(project_in, "project_in", width, embedding);
  for (std::int64_t index = 0; index < spec.num_hidden_layers(); ++index) {
    list.begin(block_prefix(spec, index), index);
    add_block(list, spec.block(index), width);
  }
  list.begin(root);
  if (spec.final_norm) list.norm(final_norm, "final_layer_norm", width, true);
  if (spec.has_projections()) list.linear(project_out, "project_out", embedding, width);
  list.begin("");
  if (!spec.tie_word_embeddings) list.linear(head, "lm_head", spec.vocab_size, embedding);
  return list.take();
}

}  // namespace

extern const Family opt{.model_type = "opt",
                        .architecture = "OPTForCausalLM",
                        .name = "OPT",
                        .blocks = "model.decoder.layers",
                        .ignored_tensors = ignored,
                        .other_parts = {},
                        .file_stems = {},
                        .default_targets = targets,
                        .chat_template = {},
                        .published = published,
                        .gguf = nullptr,
                        .read = read,
                        .parameters = parameters};

}  // namespace cola::families
