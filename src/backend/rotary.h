#pragma once
#include <cstdint>
#include <span>

#include "backend/context.h"
#include "core/matrix.h"

namespace cola::ops {

/// Rotary position embedding (Su et al., 2021) in Hugging Face's half-split layout, in place on x [T, heads *
/// head_dim] (compute dtype): (x1, x2) -> (x1 cos - x2 sin, x2 cos + x1 sin), x1 the first and x2 the second
/// half of a head's first r numbers, cos and sin [P, r / 2] (f32) read at row positions[t]; where r is less
/// than head_dim, a head's other numbers stay as they are. `inverse` rotates back: the backward of a
/// rotation.
void rotary(Context& context, MatrixView x, std::int64_t head_dim, std::span<const std::int32_t> positions,
            ConstMatrixView cos, ConstMatrixView sin, bool inverse);

}  // namespace cola::ops
