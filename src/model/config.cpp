#include "model/config.h"

#include <fmt/format.h>

#include <cmath>

#include "core/error.h"
#include "model/rope_config.h"

namespace cola {
namespace {

std::int64_t positive(const JsonReader& reader, const std::string& key, std::int64_t limit) {
  const std::int64_t value = reader.integer(key);
  if (value < 1 || value > limit) {
    throw Error(fmt::format("{}: '{}' is {}, expected 1 to {}", reader.where(), key, value, limit));
  }
  return value;
}

double positive_number(const JsonReader& reader, const std::string& key, double fallback) {
  const double value = reader.number(key, fallback);
  if (!(value > 0.0) || !std::isfinite(value)) {
    throw Error(fmt::format("{}: '{}' is {}, expected a positive number", reader.where(), key, value));
  }
  return value;
}

double dropout_probability(const JsonReader& reader, const std::string& key, double fallback) {
  const double value = reader.number(key, fallback);
  if (!(value >= 0.0 && value < 1.0)) {
    throw Error(fmt::format("{}: '{}' is {}, expected a probability in [0, 1)", reader.where(), key, value));
  }
  return value;
}

constexpr std::int64_t max_width = 1 << 20;
constexpr std::int64_t max_rows = 1 << 24;

void read_common(const JsonReader& reader, ModelConfig& config) {
  config.vocab_size = positive(reader, "vocab_size", max_rows);
  config.hidden_size = positive(reader, "hidden_size", max_width);
  config.num_hidden_layers = positive(reader, "num_hidden_layers", 4096);
  config.num_attention_heads = positive(reader, "num_attention_heads", max_width);
  config.max_position_embeddings = positive(reader, "max_position_embeddings", max_rows);
  config.attention_dropout = dropout_probability(reader, "attention_dropout", 0.0);
}

void require_divisible(const JsonReader& reader, const ModelConfig& config) {
  if (config.hidden_size % config.num_attention_heads != 0) {
    throw Error(fmt::format("{}: hidden_size {} is not divisible by num_attention_heads {}", reader.where(),
                            config.hidden_size, config.num_attention_heads));
  }
}

ModelConfig parse_opt(const JsonReader& reader) {
  ModelConfig config;
  config.architecture = Architecture::opt;
  read_common(reader, config);
  require_divisible(reader, config);
  config.intermediate_size = positive(reader, "ffn_dim", max_width);
  config.num_key_value_heads = config.num_attention_heads;
  config.head_dim = config.hidden_size / config.num_attention_heads;
  config.word_embed_proj_dim = reader.has("word_embed_proj_dim")
                                   ? positive(reader, "word_embed_proj_dim", max_width)
                                   : config.hidden_size;
  config.do_layer_norm_before = reader.boolean("do_layer_norm_before", true);
  config.final_layer_norm = config.do_layer_norm_before && !reader.boolean("_remove_final_layer_norm", false);
  config.attention_bias = config.mlp_bias = reader.boolean("enable_bias", true);
  config.tie_word_embeddings = reader.boolean("tie_word_embeddings", true);
  config.dropout = dropout_probability(reader, "dropout", 0.1);
  const std::string activation = reader.string("activation_function", "relu");
  if (activation != "relu") {
    throw Error(fmt::format("{}: activation_function '{}' is not supported: OPT uses relu", reader.where(),
                            activation));
  }
  if (!reader.boolean("layer_norm_elementwise_affine", true)) {
    throw Error(fmt::format("{}: layer_norm_elementwise_affine false is not supported", reader.where()));
  }
  return config;
}

ModelConfig parse_llama(const JsonReader& reader) {
  ModelConfig config;
  config.architecture = Architecture::llama;
  read_common(reader, config);
  config.intermediate_size = positive(reader, "intermediate_size", max_width);
  config.num_key_value_heads = reader.has("num_key_value_heads")
                                   ? positive(reader, "num_key_value_heads", max_width)
                                   : config.num_attention_heads;
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
  config.word_embed_proj_dim = config.hidden_size;
  config.tie_word_embeddings = reader.boolean("tie_word_embeddings", false);
  config.attention_bias = reader.boolean("attention_bias", false);
  config.mlp_bias = reader.boolean("mlp_bias", false);
  config.norm_epsilon = positive_number(reader, "rms_norm_eps", 1e-6);
  read_rope(reader, config);
  const std::string activation = reader.string("hidden_act", "silu");
  if (activation != "silu") {
    throw Error(
        fmt::format("{}: hidden_act '{}' is not supported: Llama uses silu", reader.where(), activation));
  }
  return config;
}

void append_linear(std::vector<ParameterSpec>& specs, const std::string& name, std::int64_t out,
                   std::int64_t in, bool bias) {
  specs.push_back({name + ".weight", {out, in}});
  if (bias) specs.push_back({name + ".bias", {out}});
}

void append_opt_block(std::vector<ParameterSpec>& specs, const ModelConfig& config,
                      const std::string& prefix) {
  const std::int64_t width = config.hidden_size;
  const auto norm = [&](const std::string& name) {
    specs.push_back({prefix + name + ".weight", {width}});
    specs.push_back({prefix + name + ".bias", {width}});
  };
  norm(".self_attn_layer_norm");
  for (const char* name :
       {".self_attn.q_proj", ".self_attn.k_proj", ".self_attn.v_proj", ".self_attn.out_proj"}) {
    append_linear(specs, prefix + name, width, width, config.attention_bias);
  }
  norm(".final_layer_norm");
  append_linear(specs, prefix + ".fc1", config.intermediate_size, width, config.mlp_bias);
  append_linear(specs, prefix + ".fc2", width, config.intermediate_size, config.mlp_bias);
}

void append_llama_block(std::vector<ParameterSpec>& specs, const ModelConfig& config,
                        const std::string& prefix) {
  const std::int64_t width = config.hidden_size;
  const std::int64_t query = config.num_attention_heads * config.head_dim;
  const std::int64_t key = config.num_key_value_heads * config.head_dim;
  specs.push_back({prefix + ".input_layernorm.weight", {width}});
  append_linear(specs, prefix + ".self_attn.q_proj", query, width, config.attention_bias);
  append_linear(specs, prefix + ".self_attn.k_proj", key, width, config.attention_bias);
  append_linear(specs, prefix + ".self_attn.v_proj", key, width, config.attention_bias);
  append_linear(specs, prefix + ".self_attn.o_proj", width, query, config.attention_bias);
  specs.push_back({prefix + ".post_attention_layernorm.weight", {width}});
  append_linear(specs, prefix + ".mlp.gate_proj", config.intermediate_size, width, config.mlp_bias);
  append_linear(specs, prefix + ".mlp.up_proj", config.intermediate_size, width, config.mlp_bias);
  append_linear(specs, prefix + ".mlp.down_proj", width, config.intermediate_size, config.mlp_bias);
}

}  // namespace

ModelConfig parse_model_config(const Json& json, const std::string& where) {
  const JsonReader reader(json, where);
  const std::string type = reader.string("model_type", "");
  std::string architecture;
  if (reader.has("architectures") && reader.at("architectures").is_array() &&
      !reader.at("architectures").empty() && reader.at("architectures")[0].is_string()) {
    architecture = reader.at("architectures")[0].get<std::string>();
  }
  if (type == "opt" || (type.empty() && architecture == "OPTForCausalLM")) return parse_opt(reader);
  if (type == "llama" || (type.empty() && architecture == "LlamaForCausalLM")) return parse_llama(reader);
  throw Error(fmt::format(
      "{}: architecture '{}' (model_type '{}') is not supported: cola trains OPT and Llama models", where,
      architecture, type));
}

ModelConfig read_model_config(const std::filesystem::path& folder_or_file) {
  const bool is_folder = std::filesystem::is_directory(folder_or_file);
  const auto file = is_folder ? folder_or_file / "config.json" : folder_or_file;
  return parse_model_config(read_json_file(file), file.string());
}

std::int64_t ParameterSpec::size() const {
  std::int64_t product = 1;
  for (const std::int64_t extent : shape) product *= extent;
  return product;
}

std::string block_prefix(const ModelConfig& config, std::int64_t index) {
  return fmt::format(
      "{}.{}", config.architecture == Architecture::opt ? "model.decoder.layers" : "model.layers", index);
}

std::vector<std::string> block_linear_names(const ModelConfig& config) {
  if (config.architecture == Architecture::opt) {
    return {"self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj", "self_attn.out_proj", "fc1", "fc2"};
  }
  return {"self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj", "self_attn.o_proj",
          "mlp.gate_proj",    "mlp.up_proj",      "mlp.down_proj"};
}

std::vector<ParameterSpec> parameter_specs(const ModelConfig& config) {
  std::vector<ParameterSpec> specs;
  const bool opt = config.architecture == Architecture::opt;
  const std::string root = opt ? "model.decoder" : "model";
  specs.push_back({root + ".embed_tokens.weight", {config.vocab_size, config.word_embed_proj_dim}});
  if (opt)
    specs.push_back(
        {root + ".embed_positions.weight", {config.max_position_embeddings + 2, config.hidden_size}});
  if (config.has_projections()) {
    specs.push_back({root + ".project_in.weight", {config.hidden_size, config.word_embed_proj_dim}});
  }
  for (std::int64_t block = 0; block < config.num_hidden_layers; ++block) {
    (opt ? append_opt_block : append_llama_block)(specs, config, block_prefix(config, block));
  }
  if (config.final_layer_norm) {
    const std::string norm = opt ? ".final_layer_norm" : ".norm";
    specs.push_back({root + norm + ".weight", {config.hidden_size}});
    if (opt) specs.push_back({root + norm + ".bias", {config.hidden_size}});
  }
  if (config.has_projections()) {
    specs.push_back({root + ".project_out.weight", {config.word_embed_proj_dim, config.hidden_size}});
  }
  if (!config.tie_word_embeddings)
    specs.push_back({"lm_head.weight", {config.vocab_size, config.word_embed_proj_dim}});
  return specs;
}

std::int64_t parameter_count(const ModelConfig& config) {
  std::int64_t count = 0;
  for (const auto& spec : parameter_specs(config)) count += spec.size();
  return count;
}

}  // namespace cola
