#pragma once
#include <cstddef>
#include <span>

#include "core/dtype.h"

namespace cola {

/// Whether no element is NaN or infinite; integers never are. `values` may be unaligned. At the speed of
/// memory, on all threads.
[[nodiscard]] bool all_finite(std::span<const std::byte> values, DType dtype);
[[nodiscard]] bool all_finite(std::span<const float> values);

/// Index of the first element that is NaN or infinite; the number of elements if there is none.
[[nodiscard]] std::size_t first_not_finite(std::span<const std::byte> values, DType dtype);

}  // namespace cola
