#pragma once
#include <filesystem>
#include <string>

#include "lora/link.h"

namespace cola {

/// Reads a PEFT LoRA folder (adapter_config.json + adapter_model.safetensors, or adapter_model.bin).
/// Ranks and alphas come from the file and from r, lora_alpha, rank_pattern, alpha_pattern, use_rslora.
/// Throws Error naming folder and cause: not LoRA, a variant that changes the mathematics (DoRA,
/// modules_to_save, fan_in_fan_out), an A without its B, shapes that do not fit, a tensor that belongs to
/// none.
[[nodiscard]] Link read_adapter(const std::filesystem::path& folder);

/// Writes a folder that peft.PeftModel.from_pretrained reads. Different ranks or alphas of modules go into
/// rank_pattern and alpha_pattern. The link may be in any memory. `folder` exists and is empty (see
/// write_folder).
void write_adapter(const std::filesystem::path& folder, const Link& link, const std::string& base_model);

/// "base_model.model.<module>.lora_A.weight", and of B.
[[nodiscard]] std::string peft_key_a(const std::string& module);
[[nodiscard]] std::string peft_key_b(const std::string& module);
/// "base_model.model.<module>.base_layer.bias": a bias of a module that has a LoRA.
[[nodiscard]] std::string peft_key_bias(const std::string& module);

}  // namespace cola
