#include "backend/rotary.h"

#include <algorithm>

#include "backend/backend.h"
#include "backend/checks.h"
#include "backend/profile.h"

namespace cola::ops {

void rotary(Context& context, MatrixView x, std::int64_t head_dim, std::span<const std::int32_t> positions,
            ConstMatrixView cos, ConstMatrixView sin, bool inverse) {
  const ProfileScope scope(context, "rotary", bytes_of({x, x}));
  check(is_compute_dtype(x.dtype), "rotary", "x must be f32 or bf16");
  check(head_dim > 0 && x.cols % head_dim == 0, "rotary", "not whole heads");
  check(std::ssize(positions) == x.rows, "rotary", "not one position a row");
  check(cos.dtype == DType::f32 && 2 * cos.cols <= head_dim, "rotary",
        "cos is not f32 [P, at most head_dim / 2]");
  check_alike({cos, sin}, "rotary");
  check(std::ranges::all_of(positions, [&](auto position) { return position >= 0 && position < cos.rows; }),
        "rotary", "a position is outside the table");
  context.backend().ops().rotary(context, x, head_dim, positions, cos, sin, inverse);
}

}  // namespace cola::ops
