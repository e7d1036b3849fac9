#pragma once
#include <filesystem>
#include <string>
#include <string_view>

#include "lora/adapter.h"

namespace cola {

/// Reads a PEFT LoRA folder (adapter_config.json, whose text is given, and adapter_model.safetensors, or
/// adapter_model.bin) with the meaning that PEFT 0.21.2 gives it. Throws Error as open_adapter does.
[[nodiscard]] Adapter read_peft_adapter(const std::filesystem::path& folder, std::string_view config,
                                        const BaseTensors* base);

/// Writes a folder that peft.PeftModel.from_pretrained reads. Different ranks or alphas of modules go into
/// rank_pattern and alpha_pattern. The link may be in any memory. `folder` exists and is empty (see
/// write_folder).
void write_adapter(const std::filesystem::path& folder, const Link& link, const std::string& base_model);

/// "base_model.model.<module>.lora_A.weight", and of B.
[[nodiscard]] std::string peft_key_a(const std::string& module);
[[nodiscard]] std::string peft_key_b(const std::string& module);
/// "base_model.model.<module>.base_layer.bias": a bias of a module that has a LoRA.
[[nodiscard]] std::string peft_key_bias(const std::string& module);
/// "base_model.model.<module>.bias": of one that has none.
[[nodiscard]] std::string peft_key_plain_bias(const std::string& module);

}  // namespace cola
