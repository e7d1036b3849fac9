#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "model/decoder_spec.h"

namespace cola {

/// What a parameter is for, whatever its family calls it. A bias has the role of its layer. Norms stand
/// before the sub-layer they are named after (NormPlacement::after_sum: after its sum), those of
/// `..._output` behind it.
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
  up,       ///< of an MLP without a gate, its first layer
  gate_up,  ///< the two in one matrix, in this order
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
[[nodiscard]] std::vector<ParameterSpec> parameter_specs(const DecoderSpec& spec);
[[nodiscard]] std::int64_t parameter_count(const DecoderSpec& spec);

/// The one of this role that is no bias. Throws std::out_of_range if there is none.
[[nodiscard]] ParameterSpec parameter_of(const DecoderSpec& spec, ParameterRole role,
                                         std::int64_t block = -1);

/// The head's weight as a parameter of its own, which it is not where the model ties it to the token table.
[[nodiscard]] ParameterSpec head_spec(DecoderSpec spec);

/// The weights of the linear layers that may be targets, in the order of the forward pass; the head's last,
/// tied or not.
[[nodiscard]] std::vector<ParameterSpec> linear_specs(const DecoderSpec& spec);

/// Prefix of block `index`: "model.decoder.layers.3" or "model.layers.3".
[[nodiscard]] std::string block_prefix(const DecoderSpec& spec, std::int64_t index);

/// Names of the linear layers of one block, without the prefix, in the order of the forward pass.
[[nodiscard]] std::vector<std::string> block_linear_names(const DecoderSpec& spec);

}  // namespace cola
