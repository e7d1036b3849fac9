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
      "ffn_dim": 3072, "vocab_size": 50272, "max_position_embeddings": 2048})"},
    PublishedShape{"opt-350m", R"({"hidden_size": 1024, "num_hidden_layers": 24, "num_attention_heads": 16,
      "ffn_dim": 4096, "vocab_size": 50272, "max_position_embeddings": 2048, "word_embed_proj_dim": 512,
      "do_layer_norm_before": false})"},
    PublishedShape{"opt-1.3b", R"({"hidden_size": 2048, "num_hidden_layers": 24, "num_attention_heads": 32,
      "ffn_dim": 8192, "vocab_size": 50272, "max_position_embeddings": 2048})"},
    PublishedShape{"opt-2.7b", R"({"hidden_size": 2560, "num_hidden_layers": 32, "num_attention_heads": 32,
      "ffn_dim": 10240, "vocab_size": 50272, "max_position_embeddings": 2048})"},
    PublishedShape{"opt-6.7b", R"({"hidden_size": 4096, "num_hidden_layers": 32, "num_attention_heads": 32,
      "ffn_dim": 16384, "vocab_size": 50272, "max_position_embeddings": 2048})"},
    PublishedShape{"opt-13b", R"({"hidden_size": 5120, "num_hidden_layers": 40, "num_attention_heads": 40,
      "ffn_dim": 20480, "vocab_size": 50272, "max_position_embeddings": 2048})"},
    PublishedShape{"opt-30b", R"({"hidden_size": 7168, "num_hidden_layers": 48, "num_attention_heads": 56,
      "ffn_dim": 28672, "vocab_size": 50272, "max_position_embeddings": 2048})"},
    PublishedShape{"opt-66b", R"({"hidden_size": 9216, "num_hidden_layers": 64, "num_attention_heads": 72,
      "ffn_dim": 36864, "vocab_size": 50272, "max_position_embeddings": 2048})"},
};

ModelConfig read(const JsonReader& reader) {
  ModelConfig config;
  read_common(reader, config);
  require_divisible(reader, config);
  config.intermediate_size = positive(reader, "ffn_dim", max_width);
  config.num_key_value_heads = config.num_attention_heads;
  config.head_dim = config.hidden_size / config.num_attention_heads;
  config.word_embed_proj_dim = positive(reader, "word_embed_proj_dim", max_width, config.hidden_size);
  config.do_layer_norm_before = reader.boolean("do_layer_norm_before", true);
  config.final_layer_norm = config.do_layer_norm_before && !reader.boolean("_remove_final_layer_norm", false);
  config.attention_bias = config.attention_output_bias = config.mlp_bias =
      reader.boolean("enable_bias", true);
  config.tie_word_embeddings = reader.boolean("tie_word_embeddings", true);
  config.dropout = dropout_probability(reader, "dropout", 0.1);
  require_activation(reader, "activation_function", "relu", "OPT");
  if (!reader.boolean("layer_norm_elementwise_affine", true)) {
    throw Error(fmt::format("{}: layer_norm_elementwise_affine false is not supported", reader.where()));
  }
  return config;
}

Json write(const ModelConfig& config) {
  return {{"ffn_dim", config.intermediate_size},
          {"word_embed_proj_dim", config.word_embed_proj_dim},
          {"do_layer_norm_before", config.do_layer_norm_before},
          {"_remove_final_layer_norm", config.do_layer_norm_before && !config.final_layer_norm},
          {"enable_bias", config.attention_bias},
          {"layer_norm_elementwise_affine", true},
          {"activation_function", "relu"},
          {"dropout", config.dropout},
          {"attention_dropout", 0.0},
          {"layerdrop", 0.0},
          {"bos_token_id", 2},
          {"eos_token_id", 2},
          {"pad_token_id", 1}};
}

void add_block(ParameterList& list, const ModelConfig& config) {
  using enum ParameterRole;
  const std::int64_t width = config.hidden_size;
  list.norm(attention_norm, "self_attn_layer_norm", width, true);
  list.linear(query, "self_attn.q_proj", width, width, config.attention_bias);
  list.linear(key, "self_attn.k_proj", width, width, config.attention_bias);
  list.linear(value, "self_attn.v_proj", width, width, config.attention_bias);
  list.linear(attention_output, "self_attn.out_proj", width, width, config.attention_output_bias);
  list.norm(mlp_norm, "final_layer_norm", width, true);
  list.linear(up, "fc1", config.intermediate_size, width, config.mlp_bias);
  list.linear(down, "fc2", width, config.intermediate_size, config.mlp_bias);
}

std::vector<ParameterSpec> parameters(const ModelConfig& config) {
  using enum ParameterRole;
  const std::string root = "model.decoder";
  const std::int64_t width = config.hidden_size;
  const std::int64_t embedding = config.word_embed_proj_dim;
  ParameterList list;
  list.begin(root);
  list.linear(token_table, "embed_tokens", config.vocab_size, embedding);
  list.linear(position_table, "embed_positions", config.max_position_embeddings + rows_before_positions,
              width);
  if (config.has_projections()) list.linear(project_in, "project_in", width, embedding);
  for (std::int64_t block = 0; block < config.num_hidden_layers; ++block) {
    list.begin(block_prefix(config, block), block);
    add_block(list, config);
  }
  list.begin(root);
  if (config.final_layer_norm) list.norm(final_norm, "final_layer_norm", width, true);
  if (config.has_projections()) list.linear(project_out, "project_out", embedding, width);
  list.begin("");
  if (!config.tie_word_embeddings) list.linear(head, "lm_head", config.vocab_size, embedding);
  return list.take();
}

}  // namespace

extern const Family opt{.model_type = "opt",
                        .architecture = "OPTForCausalLM",
                        .name = "OPT",
                        .blocks = "model.decoder.layers",
                        .ignored_tensors = ignored,
                        .default_targets = targets,
                        .published = published,
                        .read = read,
                        .write = write,
                        .parameters = parameters};

}  // namespace cola::families
