#include <algorithm>

#include "backend/cpu/dequantize.h"
#include "backend/cpu/gemm.h"
#include "backend/cpu/kernels/dequantize.h"
#include "backend/cpu/kernels/thin_product.h"
#include "backend/cpu/ops.h"
#include "backend/cpu_isa.h"
#include "core/parallel.h"

namespace cola::ops {
namespace {

constexpr std::int64_t grain = 32;            ///< rows of w that are worth a thread
constexpr std::int64_t expanded_at_once = 4;  ///< rows of a quantised w: as many as a tile of dot has

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

/// Some rows of w, the first of which is number `begin`, with every row of x [T, K]: their columns of sums.
void multiply_rows(ConstMatrixView x, ConstMatrixView w, std::int64_t begin, MatrixView sums) {
  const kernels::ThinProductKernels& kernel = kernels::thin_product_kernels(cpu_isa());
  const auto run = [&](auto dot, const auto* weights) {
    dot(w.rows, x.rows, x.cols, weights, w.stride, x.as<float>(), x.stride, 1.0F, sums.as<float>() + begin, 1,
        sums.stride);
  };
  if (w.dtype == DType::bf16) {
    run(kernel.dot_bf16, static_cast<const std::uint16_t*>(w.data));
  } else {
    run(kernel.dot_f32, w.as<float>());
  }
}

/// w [N, K] quantised, its values in `dtype`.
void multiply_quantized(Context& context, ConstMatrixView x, ConstMatrixView w, DType dtype,
                        MatrixView sums) {
  if (x.rows == 1) {  // expanded in registers
    const kernels::DequantizeKernels& kernel = kernels::dequantize_kernels(cpu_isa());
    const auto dot = kernels::of_type(dtype == DType::bf16 ? kernel.dot_bf16 : kernel.dot_f32, w.dtype);
    parallel_for(w.rows, grain, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t row = begin; row < end; ++row) {
        const auto* blocks = static_cast<const std::uint8_t*>(w.row_range(row, row + 1).data);
        sums.as<float>()[row] = dot(w.cols / layout_of(w.dtype).values, blocks, x.as<float>());
      }
    });
    return;
  }
  const std::int64_t parts = std::clamp<std::int64_t>(w.rows / grain, 1, thread_count());
  const MatrixView expanded = context.scratch("multiply_few_rows w", dtype, parts * expanded_at_once, w.cols);
  parallel_for(parts, 1, [&](std::int64_t first, std::int64_t last) {
    for (std::int64_t part = first; part < last; ++part) {
      const std::int64_t part_end = w.rows * (part + 1) / parts;
      for (std::int64_t begin = w.rows * part / parts; begin < part_end; begin += expanded_at_once) {
        const std::int64_t end = std::min(begin + expanded_at_once, part_end);
        const std::int64_t place = part * expanded_at_once;
        const MatrixView values = expanded.row_range(place, place + end - begin);
        dequantize_rows(w.row_range(begin, end), values);
        multiply_rows(x, values, begin, sums);
      }
    }
  });
}

}  // namespace

void multiply_few_rows(Context& context, ConstMatrixView x, ConstMatrixView w, std::span<const float> bias,
                       MatrixView y, Write write) {
  context.add_flops(2 * static_cast<std::uint64_t>(x.rows * x.cols) * static_cast<std::uint64_t>(w.rows));
  const DType dtype = x.dtype;
  if (x.dtype != DType::f32) {
    const MatrixView wide = context.scratch("multiply_few_rows x", DType::f32, x.rows, x.cols);
    cpu::convert(context, x, wide);
    x = wide;
  }
  const MatrixView sums = context.scratch("multiply_few_rows y", DType::f32, y.rows, y.cols);
  if (is_quantized(w.dtype)) {
    multiply_quantized(context, x, w, dtype, sums);
  } else {
    parallel_for(w.rows, grain, [&](std::int64_t begin, std::int64_t end) {
      multiply_rows(x, w.row_range(begin, end), begin, sums);
    });
  }
  add_to(sums, bias, y, write);
  cpu::convert(context, sums, y);
}

std::int64_t few_rows_expansion_bytes(DType dtype, std::int64_t cols) {
  return bytes_of(dtype, thread_count() * expanded_at_once * cols);
}

}  // namespace cola::ops
