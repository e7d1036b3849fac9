#pragma once
#include <span>

#include "core/dtype.h"

namespace cola {

/// Rounds each value to the nearest that `dtype` (f32, bf16, f16) has.
void round_to(DType dtype, std::span<float> values);

/// Distance, squared, from `values` to their nearest in `dtype`.
[[nodiscard]] double squared_rounding_error(std::span<const float> values, DType dtype);

}  // namespace cola
