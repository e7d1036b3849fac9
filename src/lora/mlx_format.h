#pragma once
#include <filesystem>

#include "io/json.h"
#include "lora/adapter.h"

namespace cola {

/// Whether adapter_config.json is mlx-lm's: it has no peft_type, and fine_tune_type or lora_parameters.
[[nodiscard]] bool is_mlx_config(const JsonReader& config);

/// Reads an adapter of mlx-lm (adapter_config.json, given, and adapters.safetensors): W = W0 + scale (a b)^T,
/// lora_a [in, r] and lora_b [r, out] transposed against PEFT's, and the scale as it is written. Throws Error
/// as read_adapter does; DoRA and full fine-tuning are refused.
[[nodiscard]] Adapter read_mlx_adapter(const std::filesystem::path& folder, const Json& json,
                                       const BaseTensors* base);

}  // namespace cola
