#include "backend/rotary.h"

#include <algorithm>

#include "backend/cpu/kernels/elementwise.h"
#include "backend/cpu/operands.h"
#include "backend/profile.h"
#include "core/parallel.h"

namespace cola::ops {

void rotary(Context& context, MatrixView x, std::int64_t head_dim, std::span<const std::int32_t> positions,
            ConstMatrixView cos, ConstMatrixView sin, bool inverse) {
  const ProfileScope scope(context, "rotary", bytes_of({x, x}));
  check(head_dim > 0 && head_dim % 2 == 0 && x.cols % head_dim == 0, "rotary",
        "not whole heads of even length");
  check(std::ssize(positions) == x.rows, "rotary", "not one position a row");
  check(cos.dtype == DType::f32 && cos.cols == head_dim / 2, "rotary", "cos is not f32 [P, head_dim / 2]");
  check_alike({cos, sin}, "rotary");
  check(std::ranges::all_of(positions, [&](auto position) { return position >= 0 && position < cos.rows; }),
        "rotary", "a position is outside the table");
  with_element_type(x.dtype, "rotary", [&]<class T>(T) {
    parallel_for(x.rows, row_grain(x.cols), [&](std::int64_t begin, std::int64_t end) {
      kernels::elementwise_kernels<T>().rotary(
          end - begin, x.cols / head_dim, head_dim, rows_of<T>(x.row_range(begin, end)),
          positions.data() + begin, rows_of<float>(cos), rows_of<float>(sin), inverse ? -1.0F : 1.0F);
    });
  });
}

}  // namespace cola::ops
