#pragma once
#include <cstdint>
#include <span>

#include "io/json.h"
#include "model/rotary_spec.h"

namespace cola {

/// The fields of config.json that rope_config.h reads, for one table or for Gemma 3's two, of heads of this
/// size: in the old form, which every version of transformers reads, where it can say them.
[[nodiscard]] Json rotary_json(std::span<const RotarySpec> tables, std::int64_t head_dim);

}  // namespace cola
