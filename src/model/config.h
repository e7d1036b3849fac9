#pragma once
#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "core/dtype.h"
#include "io/json.h"

namespace cola {

enum class Architecture : std::uint8_t { opt, llama };

/// How rotary frequencies are stretched (`rope_scaling` of config.json).
struct RopeScaling {
  enum class Kind : std::uint8_t { none, linear, llama3 };
  Kind kind = Kind::none;
  double factor = 1.0;
  double low_freq_factor = 1.0;
  double high_freq_factor = 4.0;
  std::int64_t original_max_position_embeddings = 8192;

  bool operator==(const RopeScaling&) const = default;
};

/// The shape of a decoder, in Hugging Face's terms. Checked when read: positive, divisible, bounded.
struct ModelConfig {
  Architecture architecture = Architecture::opt;
  std::int64_t vocab_size = 0;
  std::int64_t hidden_size = 0;
  std::int64_t intermediate_size = 0;  ///< OPT's ffn_dim
  std::int64_t num_hidden_layers = 0;
  std::int64_t num_attention_heads = 0;
  std::int64_t num_key_value_heads = 0;
  std::int64_t head_dim = 0;
  std::int64_t max_position_embeddings = 0;
  std::int64_t word_embed_proj_dim =
      0;                             ///< width of the embedding tables; = hidden_size without project_in/out
  bool do_layer_norm_before = true;  ///< OPT: pre-LN (all sizes but 350m)
  bool final_layer_norm = true;      ///< a norm after the last block
  bool attention_bias = false;
  bool mlp_bias = false;
  bool tie_word_embeddings = true;
  double norm_epsilon = 1e-5;
  double rope_theta = 10000.0;
  RopeScaling rope_scaling;
  double dropout = 0.0;            ///< configured hidden dropout (OPT 0.1); used only with --dropout config
  double attention_dropout = 0.0;  ///< configured; there is none here, which is said at start

  [[nodiscard]] bool has_projections() const { return word_embed_proj_dim != hidden_size; }
};

/// Reads config.json of a Hugging Face folder, or the file itself.
/// Throws Error naming the architecture or the key that is not supported or not sound.
[[nodiscard]] ModelConfig read_model_config(const std::filesystem::path& folder_or_file);
[[nodiscard]] ModelConfig parse_model_config(const Json& json, const std::string& where);

/// opt-125m ... opt-66b, llama-2-7b/13b/70b, tinyllama-1.1b, or the path of a config.json. Throws UsageError.
[[nodiscard]] ModelConfig config_of_shape(const std::string& name_or_file);

/// config.json as transformers reads it.
[[nodiscard]] Json huggingface_config(const ModelConfig& config, DType file_dtype);

/// One tensor of the model, by the name that transformers' save_pretrained gives it.
struct ParameterSpec {
  std::string name;
  std::vector<std::int64_t> shape;  ///< [out, in] or [n]
  [[nodiscard]] std::int64_t size() const;
  [[nodiscard]] bool is_matrix() const { return shape.size() == 2; }
  /// Whether it is the matrix of a decoder block's linear layer.
  [[nodiscard]] bool is_block_matrix() const {
    return is_matrix() && name.find(".layers.") != std::string::npos;
  }
};

/// Every parameter once (a tied head is the embedding table), in the order of the forward pass.
[[nodiscard]] std::vector<ParameterSpec> parameter_specs(const ModelConfig& config);
[[nodiscard]] std::int64_t parameter_count(const ModelConfig& config);

/// Prefix of block `index`: "model.decoder.layers.3" or "model.layers.3".
[[nodiscard]] std::string block_prefix(const ModelConfig& config, std::int64_t index);

/// Names of the linear layers of one block, without the prefix, in the order of the forward pass.
[[nodiscard]] std::vector<std::string> block_linear_names(const ModelConfig& config);

}  // namespace cola
