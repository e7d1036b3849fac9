#pragma once
#include <vector>

#include "lora/target_modules.h"
#include "model/config.h"

namespace cola {

/// Decoder::linears() before there is a model: every linear layer that may be a target, in the order of the
/// forward pass.
[[nodiscard]] std::vector<LinearName> linear_names(const ModelConfig& config);

}  // namespace cola
