#pragma once
#include "lora/adapter.h"
#include "model/parameter_spec.h"

namespace cola {

/// The tensors of a checkpoint as an adapter is compared with them. Throws Error as match_tensors does. They
/// are valid while `source` is.
[[nodiscard]] BaseTensors base_tensors(const DecoderSpec& config, const TensorSource& source);

}  // namespace cola
