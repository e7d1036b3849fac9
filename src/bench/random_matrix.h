#pragma once
#include <cstdint>

#include "backend/context.h"
#include "core/matrix.h"

namespace cola {

/// A matrix with values in [-1, 1) to measure with: 16 random rows, repeated. `stream` tells matrices apart.
[[nodiscard]] Matrix random_matrix(ops::Context& context, DType dtype, std::int64_t rows, std::int64_t cols,
                                   std::uint64_t stream);

}  // namespace cola
