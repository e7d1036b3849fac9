#pragma once
#include <filesystem>
#include <string>

#include "io/tensor_source.h"

namespace cola {

/// What the weights of a Hugging Face folder are quantised with, as config.json says it: "bitsandbytes,
/// 4-bit";
/// "" if it does not.
[[nodiscard]] std::string configured_quantization(const std::filesystem::path& folder);

/// Throws Error naming the method if the tensors are those of quantised weights (GPTQ, AWQ, bitsandbytes,
/// mlx,
/// ...): their numbers are no weights. A configuration alone does not count: merged models often keep it.
void refuse_quantized_weights(const std::filesystem::path& folder, const TensorSource& source);

/// The message about such weights.
[[nodiscard]] std::string quantized_weights_message(const std::filesystem::path& folder,
                                                    const std::string& method);

}  // namespace cola
