#include "backend/cpu/gemm.h"
#include "backend/cpu/kernels/thin_product.h"
#include "backend/cpu/ops.h"
#include "backend/cpu_isa.h"
#include "core/parallel.h"

namespace cola::ops {
namespace {

/// sums [T, N] += bias, and + y with Write::add.
void add_to(MatrixView sums, std::span<const float> bias, ConstMatrixView y, Write write) {
  for (std::int64_t row = 0; row < sums.rows; ++row) {
    float* sum = sums.as<float>() + row * sums.stride;
    if (!bias.empty()) {
      for (std::int64_t col = 0; col < sums.cols; ++col) sum[col] += bias[static_cast<std::size_t>(col)];
    }
    if (write == Write::replace) continue;
    for (std::int64_t col = 0; col < sums.cols; ++col) {
      const std::int64_t index = row * y.stride + col;
      sum[col] += y.dtype == DType::bf16 ? static_cast<float>(y.as<BFloat16>()[index]) : y.as<float>()[index];
    }
  }
}

}  // namespace

void multiply_few_rows(Context& context, ConstMatrixView x, ConstMatrixView w, std::span<const float> bias,
                       MatrixView y, Write write) {
  const kernels::ThinProductKernels& kernel = kernels::thin_product_kernels(cpu_isa());
  context.add_flops(2 * static_cast<std::uint64_t>(x.rows * x.cols) * static_cast<std::uint64_t>(w.rows));
  if (x.dtype != DType::f32) {
    const MatrixView wide = context.scratch("multiply_few_rows x", DType::f32, x.rows, x.cols);
    cpu::convert(context, x, wide);
    x = wide;
  }
  const MatrixView sums = context.scratch("multiply_few_rows y", DType::f32, y.rows, y.cols);
  parallel_for(w.rows, 32, [&](std::int64_t begin, std::int64_t end) {
    const ConstMatrixView part = w.row_range(begin, end);
    const auto run = [&](auto dot, const auto* weights) {
      dot(part.rows, x.rows, x.cols, weights, w.stride, x.as<float>(), x.stride, 1.0F,
          sums.as<float>() + begin, 1, sums.stride);
    };
    if (w.dtype == DType::bf16) {
      run(kernel.dot_bf16, static_cast<const std::uint16_t*>(part.data));
    } else {
      run(kernel.dot_f32, part.as<float>());
    }
  });
  add_to(sums, bias, y, write);
  cpu::convert(context, sums, y);
}

}  // namespace cola::ops
