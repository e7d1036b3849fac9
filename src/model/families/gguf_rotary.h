#pragma once
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "io/json.h"
#include "model/rotary_spec.h"

namespace cola {

/// The `rope_scaling` of type llama3 whose frequencies are those of theta and `rotary_dim`, each divided by
/// its factor: what `rope_freqs.weight` of a GGUF file says. The parameters are not unique; these give the
/// factors within f32's rounding, with low_freq_factor 1. Nothing if none do.
[[nodiscard]] std::optional<Json> llama3_scaling(std::span<const float> factors, double theta,
                                                 std::int64_t rotary_dim);

}  // namespace cola
