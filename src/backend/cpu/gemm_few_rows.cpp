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

constexpr std::int64_t grain = 32;            ///< rows of w that are worth a thread ...
constexpr std::int64_t grain_bytes = 65536;   ///< ... and as many as have so many bytes, worth a slice
constexpr std::int64_t expanded_at_once = 4;  ///< rows of a quantised w: as many as a tile of dot has

/// Columns [begin, end) of y from their sums, which have them too.
void finish(Context& context, const FewRowsProduct& product, MatrixView sums, std::int64_t begin,
            std::int64_t end) {
  const auto& [w, bias, y, write] = product;
  for (std::int64_t row = 0; row < sums.rows; ++row) {
    float* sum = sums.as<float>() + row * sums.stride;
    if (!bias.empty()) {
      for (std::int64_t col = begin; col < end; ++col) sum[col] += bias[static_cast<std::size_t>(col)];
    }
    if (write == Write::replace) continue;
    for (std::int64_t col = begin; col < end; ++col) {
      const std::int64_t index = row * y.stride + col;
      sum[col] += y.dtype == DType::bf16 ? static_cast<float>(y.as<BFloat16>()[index]) : y.as<float>()[index];
    }
  }
  cpu::convert(context, sums.column_range(begin, end), y.column_range(begin, end));
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

/// Rows [begin, end) of a quantised w with one row of x, expanded in registers as values of its dtype.
void multiply_quantized_rows(ConstMatrixView x, ConstMatrixView w, std::int64_t begin, std::int64_t end,
                             MatrixView sums) {
  const kernels::DequantizeKernels& kernel = kernels::dequantize_kernels(cpu_isa());
  const auto run = [&](auto dot, const auto* values) {
    for (std::int64_t row = begin; row < end; ++row) {
      const auto* blocks = static_cast<const std::uint8_t*>(w.row_range(row, row + 1).data);
      sums.as<float>()[row] = dot(w.cols / layout_of(w.dtype).values, blocks, values);
    }
  };
  if (x.dtype == DType::bf16) {
    run(kernels::of_type(kernel.dot_bf16, w.dtype), static_cast<const std::uint16_t*>(x.data));
  } else {
    run(kernels::of_type(kernel.dot_f32, w.dtype), x.as<float>());
  }
}

/// All of a quantised w with several rows of x: expanded a few rows at a time.
void multiply_expanded(Context& context, ConstMatrixView x, ConstMatrixView w, DType dtype, MatrixView sums) {
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

void multiply_few_rows(Context& context, ConstMatrixView x, std::span<const FewRowsProduct> products) {
  std::int64_t rows = 0;
  for (const FewRowsProduct& product : products) rows += product.w.rows;
  context.add_flops(2 * static_cast<std::uint64_t>(x.rows * x.cols) * static_cast<std::uint64_t>(rows));
  ConstMatrixView wide_x = x;
  if (x.dtype != DType::f32) {
    const MatrixView wide = context.scratch("few rows: x", DType::f32, x.rows, x.cols);
    cpu::convert(context, x, wide);
    wide_x = wide;
  }
  const MatrixView all_sums = context.scratch("few rows: y", DType::f32, x.rows, rows);
  const auto is_expanded = [&](const FewRowsProduct& product) {
    return x.rows > 1 && is_quantized(product.w.dtype);
  };
  std::int64_t first = 0;
  for (const FewRowsProduct& product : products) {
    if (is_expanded(product))
      multiply_expanded(context, wide_x, product.w, x.dtype,
                        all_sums.column_range(first, first + product.w.rows));
    first += product.w.rows;
  }
  // The rows of all weights, one after the other.
  const std::int64_t row_bytes = std::max<std::int64_t>(bytes_of(x.dtype, x.cols), 1);
  parallel_for(rows, std::max(grain, grain_bytes / row_bytes),
               [&](std::int64_t slice_begin, std::int64_t slice_end) {
                 std::int64_t before = 0;
                 for (const FewRowsProduct& product : products) {
                   const ConstMatrixView w = product.w;
                   const std::int64_t begin = std::max<std::int64_t>(slice_begin - before, 0);
                   const std::int64_t end = std::min(slice_end - before, w.rows);
                   const MatrixView sums = all_sums.column_range(before, before + w.rows);
                   before += w.rows;
                   if (begin >= end) continue;
                   if (!is_quantized(w.dtype)) {
                     multiply_rows(wide_x, w.row_range(begin, end), begin, sums);
                   } else if (!is_expanded(product)) {
                     multiply_quantized_rows(x, w, begin, end, sums);
                   }
                   finish(context, product, sums, begin, end);
                 }
               });
}

std::int64_t few_rows_expansion_bytes(DType dtype, std::int64_t cols) {
  return bytes_of(dtype, thread_count() * expanded_at_once * cols);
}

}  // namespace cola::ops
