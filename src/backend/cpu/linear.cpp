#include "backend/cpu/gemm.h"
#include "backend/cpu/gemm_packed.h"
#include "backend/cpu/kernels/thin_product.h"
#include "backend/cpu/ops.h"
#include "backend/cpu_isa.h"
#include "core/parallel.h"

namespace cola::ops::cpu {
namespace {

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

void linear_forward(Context& context, ConstMatrixView x, WeightView weight, const BiasView& bias,
                    ConstMatrixView addend, MatrixView y) {
  const ConstMatrixView w = weight.plain;
  const Write write = addend.empty() ? Write::replace : Write::add;
  if (!addend.empty() && addend.data != y.data) cpu::convert(context, addend, y);
  if (weight.packed != nullptr) {
    multiply_packed_forward(context, x, *weight.packed, bias.values, y, write);
  } else if (x.rows <= few_rows(x.dtype)) {
    multiply_few_rows(context, x, w, bias.values, y, write);
  } else {
    product(context, x, Transpose::no, w, Transpose::yes, bias.values, y, write);
  }
}

void linear_relu_forward(Context& context, ConstMatrixView x, WeightView weight, const BiasView& bias,
                         MatrixView y, std::span<std::uint8_t> positive) {
  cpu::linear_forward(context, x, weight, bias, {}, y);
  cpu::relu_forward(context, y, positive);
}

void linear_relu_backward(Context& context, ConstMatrixView dy, WeightView weight,
                          std::span<const std::uint8_t> positive, MatrixView dx) {
  cpu::linear_backward_input(context, dy, weight, dx, Write::replace);
  cpu::relu_backward(context, dx, positive, dx);
}

void linear_backward_input(Context& context, ConstMatrixView dy, WeightView weight, MatrixView dx,
                           Write write) {
  if (weight.packed != nullptr) {
    multiply_packed_backward(context, dy, *weight.packed, dx, write);
  } else {
    product(context, dy, Transpose::no, weight.plain, Transpose::no, {}, dx, write);
  }
}

void linear_backward_weight(Context& context, ConstMatrixView dy, ConstMatrixView x, MatrixView dw) {
  product(context, dy, Transpose::yes, x, Transpose::no, {}, dw, Write::add);
}

void linear_backward_bias(Context& /*context*/, ConstMatrixView dy, std::span<float> dbias) {
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

}  // namespace cola::ops::cpu
