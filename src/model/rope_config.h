#pragma once
#include "io/json.h"
#include "model/decoder_spec.h"

namespace cola {

/// Reads every field of config.json (`reader`) that decides the rotary table of a Llama and its like, in both
/// forms: `rope_theta` and `rope_scaling` beside it, and transformers 5's `rope_parameters`, which holds
/// both; `{}` and null count as absent. Throws Error naming the field for what is missing, what is not
/// supported, what two fields say differently, and what readers of such files understand differently.
[[nodiscard]] RotarySpec read_rope(const JsonReader& reader, double default_theta = 10000.0);

}  // namespace cola
