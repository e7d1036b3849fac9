#pragma once
#include <cstdint>

#include "core/dtype.h"
#include "model/parameter_spec.h"

namespace cola {

/// The type of a parameter in a GGUF file of type `wanted`: f32, f16, bf16, q8_0, q4_0, or q4_k, which is
/// Q4_K_M. Vectors are f32; of quantised files some tensors have more bits, as have those whose rows are not
/// whole blocks. Source: llama_tensor_get_type of llama.cpp's llama-quant.cpp, without importance matrix.
[[nodiscard]] DType gguf_dtype(const DecoderSpec& config, const ParameterSpec& spec, DType wanted);

/// `general.file_type` of such a file.
[[nodiscard]] std::uint32_t gguf_file_type(DType wanted);

}  // namespace cola
