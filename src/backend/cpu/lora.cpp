#include <cstring>

#include "backend/cpu/kernels/thin_product.h"
#include "backend/cpu/ops.h"
#include "backend/cpu_isa.h"
#include "core/parallel.h"

namespace cola::ops::cpu {
namespace {

// Slices below these are not worth a thread.
constexpr std::int64_t row_grain = 16;
constexpr std::int64_t col_grain = 64;

void count(Context& context, std::int64_t m, std::int64_t n, std::int64_t k) {
  context.add_flops(2 * static_cast<std::uint64_t>(m) * static_cast<std::uint64_t>(n) *
                    static_cast<std::uint64_t>(k));
}

/// out [T, r] = scale wide [T, C] thin^T, thin [r, C].
void dot(Context& context, ConstMatrixView wide, ConstMatrixView thin, float scale, MatrixView out) {
  count(context, wide.rows, wide.cols, thin.rows);
  const kernels::ThinProductKernels& kernel = kernels::thin_product_kernels(cpu_isa());
  parallel_for(wide.rows, row_grain, [&](std::int64_t begin, std::int64_t end) {
    const ConstMatrixView part = wide.row_range(begin, end);
    const auto run = [&](auto function, const auto* data) {
      function(part.rows, thin.rows, part.cols, data, part.stride, thin.as<float>(), thin.stride, scale,
               out.as<float>() + begin * out.stride, out.stride, 1);
    };
    if (wide.dtype == DType::bf16) {
      run(kernel.dot_bf16, static_cast<const std::uint16_t*>(part.data));
    } else {
      run(kernel.dot_f32, part.as<float>());
    }
  });
}

/// wide [T, C] += scale u [T, r] thin, thin [r, C].
void expand(Context& context, ConstMatrixView u, ConstMatrixView thin, float scale, MatrixView wide) {
  count(context, wide.rows, wide.cols, thin.rows);
  const kernels::ThinProductKernels& kernel = kernels::thin_product_kernels(cpu_isa());
  parallel_for(wide.rows, row_grain, [&](std::int64_t begin, std::int64_t end) {
    const MatrixView part = wide.row_range(begin, end);
    const auto run = [&](auto function, auto* data) {
      function(part.rows, thin.rows, part.cols, u.as<float>() + begin * u.stride, u.stride, thin.as<float>(),
               thin.stride, scale, data, part.stride);
    };
    if (wide.dtype == DType::bf16) {
      run(kernel.expand_bf16, static_cast<std::uint16_t*>(part.data));
    } else {
      run(kernel.expand_f32, part.as<float>());
    }
  });
}

/// out [r, C] += scale u^T wide: threads share the columns, so that the order of each sum is the rows'.
void outer(Context& context, ConstMatrixView u, ConstMatrixView wide, float scale, MatrixView out) {
  count(context, wide.rows, wide.cols, out.rows);
  const kernels::ThinProductKernels& kernel = kernels::thin_product_kernels(cpu_isa());
  parallel_for(wide.cols, col_grain, [&](std::int64_t begin, std::int64_t end) {
    const auto run = [&](auto function, const auto* data) {
      function(wide.rows, out.rows, end - begin, u.as<float>(), u.stride, data + begin, wide.stride, scale,
               out.as<float>() + begin, out.stride);
    };
    if (wide.dtype == DType::bf16) {
      run(kernel.outer_bf16, static_cast<const std::uint16_t*>(wide.data));
    } else {
      run(kernel.outer_f32, wide.as<float>());
    }
  });
}

/// B^T [r, N]: the kernels run along the long dimension.
ConstMatrixView transposed(Context& context, ConstMatrixView b) {
  const MatrixView result = context.scratch("lora b transposed", DType::f32, b.cols, b.rows);
  parallel_for(b.rows, 256, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t j = 0; j < b.cols; ++j) {
      float* row = result.as<float>() + j * result.stride;
      for (std::int64_t n = begin; n < end; ++n) row[n] = b.as<float>()[n * b.stride + j];
    }
  });
  return result;
}

void add_transposed(ConstMatrixView source, MatrixView destination) {
  parallel_for(destination.rows, 256, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t n = begin; n < end; ++n) {
      float* row = destination.as<float>() + n * destination.stride;
      for (std::int64_t j = 0; j < destination.cols; ++j) row[j] += source.as<float>()[j * source.stride + n];
    }
  });
}

}  // namespace

void lora_forward(Context& context, ConstMatrixView x, ConstMatrixView a, ConstMatrixView b, float scale,
                  MatrixView u, MatrixView y) {
  dot(context, x, a, 1.0F, u);
  if (!y.empty()) expand(context, u, transposed(context, b), scale, y);
}

void lora_backward_b(Context& context, ConstMatrixView dy, ConstMatrixView u, ConstMatrixView b, float scale,
                     MatrixView du, MatrixView db) {
  dot(context, dy, transposed(context, b), scale, du);
  if (db.empty()) return;
  const MatrixView sums = context.scratch("lora db transposed", DType::f32, b.cols, b.rows);
  std::memset(sums.data, 0, static_cast<std::size_t>(sums.rows * sums.cols) * sizeof(float));
  outer(context, u, dy, scale, sums);
  add_transposed(sums, db);
}

void lora_backward_a(Context& context, ConstMatrixView du, ConstMatrixView x, ConstMatrixView a,
                     MatrixView da, MatrixView dx) {
  if (!da.empty()) outer(context, du, x, 1.0F, da);
  if (!dx.empty()) expand(context, du, a, 1.0F, dx);
}

void lora_delta(Context& context, ConstMatrixView a, ConstMatrixView b, float scale, MatrixView delta) {
  expand(context, b, a, scale, delta);
}

}  // namespace cola::ops::cpu
