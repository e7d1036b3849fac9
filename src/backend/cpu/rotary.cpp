#include "backend/cpu/ops.h"

#include "backend/cpu/kernels/elementwise.h"
#include "backend/cpu/operands.h"
#include "core/parallel.h"

namespace cola::ops::cpu {

void rotary(Context& /*context*/, MatrixView x, std::int64_t head_dim,
            std::span<const std::int32_t> positions, ConstMatrixView cos, ConstMatrixView sin, bool inverse) {
  with_element_type(x.dtype, "rotary", [&]<class T>(T) {
    parallel_for(x.rows, row_grain(x.cols), [&](std::int64_t begin, std::int64_t end) {
      kernels::elementwise_kernels<T>().rotary(
          end - begin, x.cols / head_dim, head_dim, cos.cols, rows_of<T>(x.row_range(begin, end)),
          positions.data() + begin, rows_of<float>(cos), rows_of<float>(sin), inverse ? -1.0F : 1.0F);
    });
  });
}

}  // namespace cola::ops::cpu
