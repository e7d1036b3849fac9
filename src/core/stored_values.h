#pragma once
#include <cstddef>
#include <span>

#include "core/dtype.h"

namespace cola {

/// Rounds values to f32, bf16, f16 or a type that can_quantize (whole blocks), as files have them. `bytes`
/// has bytes_of(dtype, values.size()). Throws std::logic_error for another type.
void store(std::span<const float> values, DType dtype, std::span<std::byte> bytes);

/// Index of a value that store() turned, or left, not finite; values.size() if there is none.
[[nodiscard]] std::size_t first_lost(std::span<const float> values, DType dtype,
                                     std::span<const std::byte> bytes);

}  // namespace cola
