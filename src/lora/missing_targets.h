#pragma once
#include <string>
#include <vector>

#include "lora/adapter.h"
#include "lora/peft_targets.h"

namespace cola {

/// Modules that an adapter's configuration gives a LoRA, and its tensors do not have: of the base model's
/// matrices, or, where no base is known, of the modules of the link in each of its layers (0 to the last that
/// it has).
[[nodiscard]] std::vector<std::string> missing_targets(const PeftTargets& targets, const Link& link,
                                                       const BaseTensors* base);

}  // namespace cola
