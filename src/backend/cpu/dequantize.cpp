#include "backend/cpu/dequantize.h"

#include "backend/cpu/kernels/dequantize.h"
#include "backend/cpu/operands.h"
#include "backend/cpu_isa.h"
#include "core/parallel.h"

namespace cola::ops {

void dequantize_rows(ConstMatrixView quantized, MatrixView values) {
  const std::int64_t blocks = quantized.cols / layout_of(quantized.dtype).values;
  const auto run = [&]<class T>(kernels::Expand<T> expand) {
    for (std::int64_t row = 0; row < values.rows; ++row) {
      expand(blocks, static_cast<const std::uint8_t*>(quantized.row_range(row, row + 1).data),
             static_cast<T*>(values.data) + row * values.stride);
    }
  };
  const kernels::DequantizeKernels& kernel = kernels::dequantize_kernels(cpu_isa());
  if (values.dtype == DType::bf16) {
    run(kernels::of_type(kernel.bf16, quantized.dtype));
  } else {
    check(values.dtype == DType::f32, "dequantize", "values are neither f32 nor bf16");
    run(kernels::of_type(kernel.f32, quantized.dtype));
  }
}

void dequantize(ConstMatrixView quantized, MatrixView values) {
  parallel_for(values.rows, row_grain(values.cols), [&](std::int64_t begin, std::int64_t end) {
    dequantize_rows(quantized.row_range(begin, end), values.row_range(begin, end));
  });
}

}  // namespace cola::ops
