#pragma once
#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "core/dtype.h"
#include "io/json.h"
#include "model/rotary_spec.h"

namespace cola {

struct Family;

enum class NormKind : std::uint8_t { layer, rms };
/// What stands between an MLP's first and last layer: relu(up), or silu(gate) up.
enum class Activation : std::uint8_t { relu, silu_gate };

/// The shape of a decoder, in Hugging Face's terms. Checked when read: positive, divisible, bounded.
struct ModelConfig {
  const Family* family = nullptr;  ///< see model/family.h
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
  bool attention_bias = false;       ///< of queries, keys and values
  bool attention_output_bias = false;
  bool mlp_bias = false;
  bool tie_word_embeddings = true;
  NormKind norm = NormKind::layer;
  double norm_epsilon = 1e-5;
  Activation activation = Activation::relu;
  bool head_norms = false;          ///< a norm over each head of queries and keys, before rotary
  bool rotary = false;              ///< positions turn queries and keys; else they have a table of their own
  std::vector<bool> rotary_layers;  ///< which blocks do; empty: all
  std::vector<RotarySpec> rotary_tables;  ///< none without rotary; Gemma 3 has two
  double dropout = 0.0;            ///< configured hidden dropout (OPT 0.1); used only with --dropout config
  double attention_dropout = 0.0;  ///< configured; there is none here, which is said at start

  [[nodiscard]] bool has_projections() const { return word_embed_proj_dim != hidden_size; }
};

/// Reads config.json of a Hugging Face folder, or the file itself.
/// Throws Error naming the architecture or the key that is not supported or not sound.
[[nodiscard]] ModelConfig read_model_config(const std::filesystem::path& folder_or_file);
[[nodiscard]] ModelConfig parse_model_config(const Json& json, const std::string& where);

/// A published shape of a family ("opt-125m", see model/family.h), or the path of a config.json. Throws
/// UsageError.
[[nodiscard]] ModelConfig config_of_shape(const std::string& name_or_file);

/// config.json as transformers reads it.
[[nodiscard]] Json huggingface_config(const ModelConfig& config, DType file_dtype);

/// What a parameter is for, whatever its family calls it. A bias has the role of its layer. Norms stand
/// before the branch they are named after, those of `..._output` behind it.
enum class ParameterRole : std::uint8_t {
  token_table,
  position_table,
  project_in,
  attention_norm,
  query,
  key,
  value,
  query_key_value,  ///< the three in one matrix, in this order
  query_norm,
  key_norm,
  attention_output,
  attention_output_norm,
  mlp_norm,
  gate,
  up,  ///< of an MLP without a gate, its first layer
  gate_up,
  down,
  mlp_output_norm,
  final_norm,
  project_out,
  head,
};

/// One tensor of the model, by the name that transformers' save_pretrained gives it.
struct ParameterSpec {
  std::string name;
  std::vector<std::int64_t> shape;  ///< [out, in] or [n]
  ParameterRole role = ParameterRole::token_table;
  std::int64_t block = -1;  ///< number of the decoder block that it is part of; -1 outside
  bool bias = false;

  [[nodiscard]] std::int64_t size() const;
  /// The name of the module that it belongs to: without ".weight" or ".bias".
  [[nodiscard]] std::string module() const { return name.substr(0, name.rfind('.')); }
  [[nodiscard]] bool is_matrix() const { return shape.size() == 2; }
  /// Whether it is the matrix of a decoder block's linear layer.
  [[nodiscard]] bool is_block_matrix() const { return is_matrix() && block >= 0; }
  /// Whether it is a table whose rows are looked up; a tied head multiplies by it all the same.
  [[nodiscard]] bool is_table() const {
    return role == ParameterRole::token_table || role == ParameterRole::position_table;
  }
};

/// Every parameter once (a tied head is the embedding table), in the order of the forward pass.
[[nodiscard]] std::vector<ParameterSpec> parameter_specs(const ModelConfig& config);
[[nodiscard]] std::int64_t parameter_count(const ModelConfig& config);

/// The one of this role that is no bias. Throws std::out_of_range if there is none.
[[nodiscard]] ParameterSpec parameter_of(const ModelConfig& config, ParameterRole role,
                                         std::int64_t block = -1);

/// The head's weight as a parameter of its own, which it is not where the model ties it to the token table.
[[nodiscard]] ParameterSpec head_spec(ModelConfig config);

/// The weights of the linear layers that may be targets, in the order of the forward pass; the head's last,
/// tied or not.
[[nodiscard]] std::vector<ParameterSpec> linear_specs(const ModelConfig& config);

/// Prefix of block `index`: "model.decoder.layers.3" or "model.layers.3".
[[nodiscard]] std::string block_prefix(const ModelConfig& config, std::int64_t index);

/// Names of the linear layers of one block, without the prefix, in the order of the forward pass.
[[nodiscard]] std::vector<std::string> block_linear_names(const ModelConfig& config);

}  // namespace cola
