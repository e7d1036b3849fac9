#pragma once
#include <cstdint>

#include "backend/cpu_isa.h"

namespace cola::kernels {

/// Products with one small dimension (`rank`), on rows [0, rows) and columns [0, cols) of a wide matrix that
/// is f32 or bf16 (std::uint16_t); everything else is f32. Strides in elements. A row's (dot, expand) or
/// column's (outer) result does not depend on how many others are computed in the same call.
struct ThinProductKernels {
  /// out[row * row_stride + j * col_stride] = scale * sum over k of x[row, k] a[j, k]
  template <class Wide>
  using Dot = void (*)(std::int64_t rows, std::int64_t rank, std::int64_t cols, const Wide* x,
                       std::int64_t x_stride, const float* a, std::int64_t a_stride, float scale, float* out,
                       std::int64_t row_stride, std::int64_t col_stride);
  /// y[row, col] += scale * sum over j of u[row, j] b[j, col]
  template <class Wide>
  using Expand = void (*)(std::int64_t rows, std::int64_t rank, std::int64_t cols, const float* u,
                          std::int64_t u_stride, const float* b, std::int64_t b_stride, float scale, Wide* y,
                          std::int64_t y_stride);
  /// out[j, col] += scale * sum over rows of u[row, j] x[row, col]
  template <class Wide>
  using Outer = void (*)(std::int64_t rows, std::int64_t rank, std::int64_t cols, const float* u,
                         std::int64_t u_stride, const Wide* x, std::int64_t x_stride, float scale, float* out,
                         std::int64_t out_stride);

  Dot<float> dot_f32;
  Dot<std::uint16_t> dot_bf16;
  Expand<float> expand_f32;
  Expand<std::uint16_t> expand_bf16;
  Outer<float> outer_f32;
  Outer<std::uint16_t> outer_bf16;
};

[[nodiscard]] const ThinProductKernels& thin_product_kernels(ops::CpuIsa isa);

namespace isa_baseline {
extern const ThinProductKernels thin_product_table;
}
namespace isa_avx2 {
extern const ThinProductKernels thin_product_table;
}
namespace isa_avx512 {
extern const ThinProductKernels thin_product_table;
}
namespace isa_avx512_bf16 {
extern const ThinProductKernels thin_product_table;
}

}  // namespace cola::kernels
