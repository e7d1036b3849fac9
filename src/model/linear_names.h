#pragma once
#include <vector>

#include "lora/target_modules.h"
#include "model/decoder_spec.h"

namespace cola {

/// linear_specs() by the modules' names: Decoder::linears() before there is a model.
[[nodiscard]] std::vector<LinearName> linear_names(const DecoderSpec& model);

}  // namespace cola
