#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "io/tensor_to_write.h"
#include "model/parameter_spec.h"

namespace cola {

/// What llama.cpp's files call a parameter: "blk.3.attn_q.weight".
[[nodiscard]] std::string gguf_name(const ParameterSpec& spec);

/// The rows of a parameter in a GGUF file's order: its row i is row result[i] here, in Hugging Face's order,
/// as queries and keys of some families need (Family::gguf); a vector's elements are its rows. Empty where
/// the orders are the same.
[[nodiscard]] std::vector<std::int64_t> gguf_row_order(const DecoderSpec& config, const ParameterSpec& spec);

/// What files add to a parameter's values: 1 to RMS norms that multiply by 1 + weight, else 0.
[[nodiscard]] float gguf_offset(const DecoderSpec& config, const ParameterSpec& spec);

/// Beside the parameters: what divides the frequencies of rotary tables of the types llama3
/// (`rope_freqs.weight`) and longrope (`rope_factors_short.weight`, `rope_factors_long.weight`), in f32.
[[nodiscard]] std::vector<TensorToWrite> gguf_rotary_tensors(const DecoderSpec& config);

}  // namespace cola
