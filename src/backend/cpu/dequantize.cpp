#include "backend/cpu/dequantize.h"

#include "backend/cpu/kernels/dequantize.h"
#include "backend/cpu/operands.h"
#include "core/parallel.h"

namespace cola::ops {

void dequantize_rows(ConstMatrixView quantized, MatrixView values) {
  const std::int64_t blocks = quantized.cols / layout_of(quantized.dtype).values;
  with_element_type(values.dtype, "dequantize", [&]<class T>(T) {
    const kernels::Expand<T> expand = kernels::expand_kernel<T>(quantized.dtype);
    for (std::int64_t row = 0; row < values.rows; ++row) {
      expand(blocks, static_cast<const std::uint8_t*>(quantized.row_range(row, row + 1).data),
             static_cast<T*>(values.data) + row * values.stride);
    }
  });
}

void dequantize(ConstMatrixView quantized, MatrixView values) {
  parallel_for(values.rows, row_grain(values.cols), [&](std::int64_t begin, std::int64_t end) {
    dequantize_rows(quantized.row_range(begin, end), values.row_range(begin, end));
  });
}

}  // namespace cola::ops
