// Published model shapes by name, and config.json in transformers' words.
#include <fmt/format.h>

#include <array>

#include "core/error.h"
#include "model/config.h"

namespace cola {
namespace {

struct PublishedShape {
  const char* name;
  Architecture architecture;
  std::int64_t hidden, layers, heads, kv_heads, intermediate, vocabulary, positions, embedding;
  bool norm_before;
};

// OPT: Zhang et al., 2022, table 1; opt-350m is the only post-LN size. Llama 2: Touvron et al., 2023.
constexpr std::array shapes{
    PublishedShape{"opt-125m", Architecture::opt, 768, 12, 12, 12, 3072, 50272, 2048, 768, true},
    PublishedShape{"opt-350m", Architecture::opt, 1024, 24, 16, 16, 4096, 50272, 2048, 512, false},
    PublishedShape{"opt-1.3b", Architecture::opt, 2048, 24, 32, 32, 8192, 50272, 2048, 2048, true},
    PublishedShape{"opt-2.7b", Architecture::opt, 2560, 32, 32, 32, 10240, 50272, 2048, 2560, true},
    PublishedShape{"opt-6.7b", Architecture::opt, 4096, 32, 32, 32, 16384, 50272, 2048, 4096, true},
    PublishedShape{"opt-13b", Architecture::opt, 5120, 40, 40, 40, 20480, 50272, 2048, 5120, true},
    PublishedShape{"opt-30b", Architecture::opt, 7168, 48, 56, 56, 28672, 50272, 2048, 7168, true},
    PublishedShape{"opt-66b", Architecture::opt, 9216, 64, 72, 72, 36864, 50272, 2048, 9216, true},
    PublishedShape{"llama-2-7b", Architecture::llama, 4096, 32, 32, 32, 11008, 32000, 4096, 4096, true},
    PublishedShape{"llama-2-13b", Architecture::llama, 5120, 40, 40, 40, 13824, 32000, 4096, 5120, true},
    PublishedShape{"llama-2-70b", Architecture::llama, 8192, 80, 64, 8, 28672, 32000, 4096, 8192, true},
    PublishedShape{"tinyllama-1.1b", Architecture::llama, 2048, 22, 32, 4, 5632, 32000, 2048, 2048, true},
};

ModelConfig config_of(const PublishedShape& shape) {
  const bool opt = shape.architecture == Architecture::opt;
  ModelConfig config;
  config.architecture = shape.architecture;
  config.vocab_size = shape.vocabulary;
  config.hidden_size = shape.hidden;
  config.intermediate_size = shape.intermediate;
  config.num_hidden_layers = shape.layers;
  config.num_attention_heads = shape.heads;
  config.num_key_value_heads = shape.kv_heads;
  config.head_dim = shape.hidden / shape.heads;
  config.max_position_embeddings = shape.positions;
  config.word_embed_proj_dim = shape.embedding;
  config.do_layer_norm_before = shape.norm_before;
  config.final_layer_norm = shape.norm_before;
  config.attention_bias = config.mlp_bias = opt;
  config.tie_word_embeddings = opt;
  config.dropout = opt ? 0.1 : 0.0;
  return config;
}

Json rope_scaling_json(const RopeScaling& scaling) {
  switch (scaling.kind) {
    case RopeScaling::Kind::none:
      return nullptr;
    case RopeScaling::Kind::linear:
      return {{"type", "linear"}, {"rope_type", "linear"}, {"factor", scaling.factor}};
    case RopeScaling::Kind::llama3:
      return {{"rope_type", "llama3"},
              {"factor", scaling.factor},
              {"low_freq_factor", scaling.low_freq_factor},
              {"high_freq_factor", scaling.high_freq_factor},
              {"original_max_position_embeddings", scaling.original_max_position_embeddings}};
  }
  return nullptr;
}

std::string huggingface_dtype(DType dtype) {
  switch (dtype) {
    case DType::bf16:
      return "bfloat16";
    case DType::f16:
      return "float16";
    default:
      return "float32";
  }
}

}  // namespace

ModelConfig config_of_shape(const std::string& name_or_file) {
  std::string names;
  for (const auto& shape : shapes) {
    if (name_or_file == shape.name) return config_of(shape);
    names += names.empty() ? shape.name : fmt::format(", {}", shape.name);
  }
  if (std::filesystem::exists(name_or_file)) return read_model_config(name_or_file);
  throw UsageError(fmt::format("unknown shape '{}': use a config.json or one of {}", name_or_file, names));
}

Json huggingface_config(const ModelConfig& config, DType file_dtype) {
  Json json{{"vocab_size", config.vocab_size},
            {"hidden_size", config.hidden_size},
            {"num_hidden_layers", config.num_hidden_layers},
            {"num_attention_heads", config.num_attention_heads},
            {"max_position_embeddings", config.max_position_embeddings},
            {"tie_word_embeddings", config.tie_word_embeddings},
            {"torch_dtype", huggingface_dtype(file_dtype)},
            {"use_cache", true}};
  if (config.architecture == Architecture::opt) {
    json.update({{"architectures", {"OPTForCausalLM"}},
                 {"model_type", "opt"},
                 {"ffn_dim", config.intermediate_size},
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
                 {"pad_token_id", 1}});
  } else {
    json.update({{"architectures", {"LlamaForCausalLM"}},
                 {"model_type", "llama"},
                 {"intermediate_size", config.intermediate_size},
                 {"num_key_value_heads", config.num_key_value_heads},
                 {"head_dim", config.head_dim},
                 {"hidden_act", "silu"},
                 {"rms_norm_eps", config.norm_epsilon},
                 {"rope_theta", config.rope_theta},
                 {"rope_scaling", rope_scaling_json(config.rope_scaling)},
                 {"attention_bias", config.attention_bias},
                 {"mlp_bias", config.mlp_bias},
                 {"bos_token_id", 1},
                 {"eos_token_id", 2}});
  }
  return json;
}

}  // namespace cola
