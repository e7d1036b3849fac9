#include "model/gguf_mixture.h"

#include <stdexcept>

namespace cola {
namespace {

/// The layers of Q4_K_M that have more bits: the first and last eighths, and every third between.
bool has_more_bits(std::int64_t layer, std::int64_t layers) {
  return layer < layers / 8 || layer >= 7 * layers / 8 || (layer - layers / 8) % 3 == 2;
}

/// 80 layers whose heads of keys are shared: values of a 70B model have five bits at least.
bool is_70b(const DecoderSpec& config) {
  constexpr std::int64_t layers_of_70b = 80;
  const AttentionSpec& attention = config.block(0).attention;
  return config.num_hidden_layers() == layers_of_70b &&
         attention.num_attention_heads != attention.num_key_value_heads;
}

DType in_q4_k_m(const DecoderSpec& config, const ParameterSpec& spec) {
  switch (spec.role) {
    case ParameterRole::query_key_value:
      return DType::q5_k;
    case ParameterRole::value:
      if (has_more_bits(spec.block, config.num_hidden_layers())) return DType::q6_k;
      return is_70b(config) ? DType::q5_k : DType::q4_k;
    case ParameterRole::down:
      return has_more_bits(spec.block, config.num_hidden_layers()) ? DType::q6_k : DType::q4_k;
    default:
      return DType::q4_k;
  }
}

/// One whose blocks fit the rows.
DType fitting(DType dtype, std::int64_t row) {
  if (row % layout_of(dtype).values == 0) return dtype;
  if (row % layout_of(DType::q8_0).values != 0) return DType::f16;
  return dtype == DType::q4_k ? DType::q5_0 : dtype == DType::q5_k ? DType::q5_1 : DType::q8_0;
}

}  // namespace

DType gguf_dtype(const DecoderSpec& config, const ParameterSpec& spec, DType wanted) {
  if (!spec.is_matrix()) return DType::f32;
  if (!is_quantized(wanted)) return wanted;
  const std::int64_t row = spec.shape.back();
  const bool is_head = spec.role == ParameterRole::head ||
                       (spec.role == ParameterRole::token_table && config.tie_word_embeddings);
  if (is_head) return fitting(wanted == DType::q8_0 ? wanted : DType::q6_k, row);
  return fitting(wanted == DType::q4_k ? in_q4_k_m(config, spec) : wanted, row);
}

std::uint32_t gguf_file_type(DType wanted) {
  switch (wanted) {
    case DType::f32:
      return 0;
    case DType::f16:
      return 1;
    case DType::q4_0:
      return 2;
    case DType::q8_0:
      return 7;
    case DType::q4_k:
      return 15;
    case DType::bf16:
      return 32;
    default:
      throw std::logic_error("no GGUF file of this type is written");
  }
}

}  // namespace cola
