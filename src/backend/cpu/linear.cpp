#include "backend/linear.h"

#include "backend/cpu/checks.h"
#include "backend/cpu/gemm.h"
#include "backend/cpu/gemm_packed.h"
#include "backend/cpu/kernels/thin_product.h"
#include "backend/cpu_isa.h"
#include "backend/profile.h"
#include "core/parallel.h"

namespace cola::ops {
namespace {

void check_dtypes(ConstMatrixView a, ConstMatrixView b, ConstMatrixView result, std::string_view op) {
  check(is_compute_dtype(a.dtype) && a.dtype == b.dtype, op, "operands must both be f32 or both bf16");
  check(result.dtype == DType::f32 || result.dtype == a.dtype, op,
        "the result must be f32 or have the operands' dtype");
}

void product(Context& context, ConstMatrixView a, Transpose transpose_a, ConstMatrixView b,
             Transpose transpose_b, std::span<const float> bias, MatrixView c, Write write) {
  if (a.dtype == DType::bf16 && !has_bf16_products()) {
    multiply_blocked(context, a, transpose_a, b, transpose_b, bias, c, write);
  } else {
    multiply(context, a, transpose_a, b, transpose_b, bias, c, write);
  }
}

/// Up to so many rows, a product takes little longer than reading w does, and oneDNN 2.6 is slower than one
/// pass over w; its bf16 instructions catch up earlier.
std::int64_t few_rows(DType dtype) { return dtype == DType::bf16 && has_bf16_products() ? 4 : 8; }

}  // namespace

void linear_forward(Context& context, ConstMatrixView x, WeightView weight, std::span<const float> bias,
                    MatrixView y, Write write) {
  const ConstMatrixView w = weight.plain;
  const ProfileScope scope(context, "linear_forward", bytes_of({x, w, y}));
  check_shape(w, w.rows, x.cols, "linear_forward", "w");
  check_shape(y, x.rows, w.rows, "linear_forward", "y");
  check(bias.empty() || bias.size() == static_cast<std::size_t>(w.rows), "linear_forward",
        "bias must be [N] or empty");
  check_dtypes(x, w, y, "linear_forward");
  if (y.empty()) return;
  if (weight.packed != nullptr) {
    multiply_packed_forward(context, x, *weight.packed, bias, y, write);
  } else if (x.rows <= few_rows(x.dtype)) {
    multiply_few_rows(context, x, w, bias, y, write);
  } else {
    product(context, x, Transpose::no, w, Transpose::yes, bias, y, write);
  }
}

void linear_backward_input(Context& context, ConstMatrixView dy, WeightView weight, MatrixView dx,
                           Write write) {
  const ConstMatrixView w = weight.plain;
  const ProfileScope scope(context, "linear_backward_input", bytes_of({dy, w, dx}));
  check_shape(dy, dy.rows, w.rows, "linear_backward_input", "dy");
  check_shape(dx, dy.rows, w.cols, "linear_backward_input", "dx");
  check_dtypes(dy, w, dx, "linear_backward_input");
  if (dx.empty()) return;
  if (weight.packed != nullptr) {
    multiply_packed_backward(context, dy, *weight.packed, dx, write);
  } else {
    product(context, dy, Transpose::no, w, Transpose::no, {}, dx, write);
  }
}

std::string_view product_kernel(DType dtype, bool frozen) {
  if (frozen && prefers_packed(dtype)) return "AMX tiles";
  return dtype == DType::bf16 && !has_bf16_products() ? "our f32 kernel" : "oneDNN";
}

void linear_backward_weight(Context& context, ConstMatrixView dy, ConstMatrixView x, MatrixView dw) {
  const ProfileScope scope(context, "linear_backward_weight", bytes_of({dy, x, dw}));
  check_shape(x, dy.rows, x.cols, "linear_backward_weight", "x");
  check_shape(dw, dy.cols, x.cols, "linear_backward_weight", "dw");
  check_dtypes(dy, x, dw, "linear_backward_weight");
  check(dw.dtype == DType::f32, "linear_backward_weight", "dw must be f32");
  if (dy.rows == 0) return;
  product(context, dy, Transpose::yes, x, Transpose::no, {}, dw, Write::add);
}

void linear_backward_bias(Context& context, ConstMatrixView dy, std::span<float> dbias) {
  const ProfileScope scope(context, "linear_backward_bias", bytes_of({dy}));
  check(dbias.size() == static_cast<std::size_t>(dy.cols), "linear_backward_bias", "dbias must be [N]");
  check(is_compute_dtype(dy.dtype), "linear_backward_bias", "dy must be f32 or bf16");
  const kernels::ThinProductKernels& kernel = kernels::thin_product_kernels(cpu_isa());
  constexpr float one = 1.0F;  // with stride 0: a column of ones
  parallel_for(dy.cols, 64, [&](std::int64_t begin, std::int64_t end) {
    float* sums = dbias.data() + begin;
    if (dy.dtype == DType::bf16) {
      const auto* values = static_cast<const std::uint16_t*>(dy.data) + begin;
      kernel.outer_bf16(dy.rows, 1, end - begin, &one, 0, values, dy.stride, 1.0F, sums, 0);
    } else {
      kernel.outer_f32(dy.rows, 1, end - begin, &one, 0, dy.as<float>() + begin, dy.stride, 1.0F, sums, 0);
    }
  });
}

}  // namespace cola::ops
