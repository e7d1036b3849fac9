#include "backend/linear.h"

#include "backend/backend.h"
#include "backend/checks.h"
#include "backend/profile.h"

namespace cola::ops {
namespace {

void check_dtypes(ConstMatrixView a, ConstMatrixView b, ConstMatrixView result, std::string_view op) {
  check(is_compute_dtype(a.dtype) && a.dtype == b.dtype, op, "operands must both be f32 or both bf16");
  check(result.dtype == DType::f32 || result.dtype == a.dtype, op,
        "the result must be f32 or have the operands' dtype");
}

/// Of a product with a weight, which may be quantised.
void check_weight_dtypes(ConstMatrixView x, ConstMatrixView w, ConstMatrixView result, std::string_view op) {
  check_dtypes(x, is_quantized(w.dtype) ? x : w, result, op);
}

void check_forward(ConstMatrixView x, ConstMatrixView w, const BiasView& bias, ConstMatrixView y,
                   std::string_view op) {
  check_shape(w, w.rows, x.cols, op, "w");
  check_shape(y, x.rows, w.rows, op, "y");
  check(bias.empty() || bias.values.size() == static_cast<std::size_t>(w.rows), op,
        "bias must be [N] or empty");
  check_weight_dtypes(x, w, y, op);
}

void check_backward(ConstMatrixView dy, ConstMatrixView w, ConstMatrixView dx, std::string_view op) {
  check_shape(dy, dy.rows, w.rows, op, "dy");
  check_shape(dx, dy.rows, w.cols, op, "dx");
  check_weight_dtypes(dy, w, dx, op);
}

}  // namespace

void linear_forward(Context& context, ConstMatrixView x, WeightView weight, const BiasView& bias,
                    ConstMatrixView addend, MatrixView y) {
  const ProfileScope scope(context, "linear_forward", bytes_of({x, weight.plain, addend, y}));
  check_forward(x, weight.plain, bias, y, "linear_forward");
  if (!addend.empty()) check_alike({y, addend}, "linear_forward");
  if (y.empty()) return;
  context.backend().ops().linear_forward(context, x, weight, bias, addend, y);
}

void linear_forward_together(Context& context, ConstMatrixView x, std::span<const LinearProduct> products) {
  std::int64_t bytes = 0;
  for (const auto& [w, bias, addend, y] : products) {
    check_forward(x, w.plain, bias, y, "linear_forward_together");
    if (!addend.empty()) check_alike({y, addend}, "linear_forward_together");
    bytes += bytes_of({x, w.plain, addend, y});
  }
  const ProfileScope scope(context, "linear_forward", bytes);
  if (x.rows > 0) context.backend().ops().linear_forward_together(context, x, products);
}

void linear_relu_forward(Context& context, ConstMatrixView x, WeightView weight, const BiasView& bias,
                         MatrixView y, std::span<std::uint8_t> positive) {
  const ProfileScope scope(context, "linear_relu_forward", bytes_of({x, weight.plain, y}));
  check_forward(x, weight.plain, bias, y, "linear_relu_forward");
  check(y.dtype == x.dtype, "linear_relu_forward", "y must have the operands' dtype");
  check(positive.empty() || std::ssize(positive) == relu_mask_bytes(y.rows, y.cols), "linear_relu_forward",
        "the mask must have relu_mask_bytes");
  if (y.empty()) return;
  context.backend().ops().linear_relu_forward(context, x, weight, bias, y, positive);
}

void linear_relu_backward(Context& context, ConstMatrixView dy, WeightView weight,
                          std::span<const std::uint8_t> positive, MatrixView dx) {
  const ProfileScope scope(context, "linear_relu_backward", bytes_of({dy, weight.plain, dx}));
  check_backward(dy, weight.plain, dx, "linear_relu_backward");
  check(dx.dtype == dy.dtype, "linear_relu_backward", "dx must have the operands' dtype");
  check(std::ssize(positive) == relu_mask_bytes(dx.rows, dx.cols), "linear_relu_backward",
        "the mask must have relu_mask_bytes");
  if (dx.empty()) return;
  context.backend().ops().linear_relu_backward(context, dy, weight, positive, dx);
}

void linear_gate_forward(Context& context, Gate function, ConstMatrixView x, WeightView weight,
                         const BiasView& bias, ConstMatrixView gate, MatrixView up, MatrixView h) {
  const ProfileScope scope(context, "linear_gate_forward", bytes_of({x, weight.plain, gate, up, h}));
  check_forward(x, weight.plain, bias, up, "linear_gate_forward");
  check_alike({up, gate, h}, "linear_gate_forward");
  check(up.dtype == x.dtype, "linear_gate_forward", "up must have the operands' dtype");
  if (up.empty()) return;
  context.backend().ops().linear_gate_forward(context, function, x, weight, bias, gate, up, h);
}

void linear_gate_backward(Context& context, Gate function, ConstMatrixView dy, WeightView weight,
                          ConstMatrixView gate, ConstMatrixView up, MatrixView dh, MatrixView dgate,
                          MatrixView dup) {
  const ProfileScope scope(context, "linear_gate_backward",
                           bytes_of({dy, weight.plain, dh, gate, up, dgate, dup}));
  check_backward(dy, weight.plain, dh, "linear_gate_backward");
  check_alike({dh, gate, up, dgate, dup}, "linear_gate_backward");
  check(dh.dtype == dy.dtype, "linear_gate_backward", "dh must have the operands' dtype");
  if (dh.empty()) return;
  context.backend().ops().linear_gate_backward(context, function, dy, weight, gate, up, dh, dgate, dup);
}

void linear_backward_input(Context& context, ConstMatrixView dy, WeightView weight, MatrixView dx,
                           Write write) {
  const ProfileScope scope(context, "linear_backward_input", bytes_of({dy, weight.plain, dx}));
  check_backward(dy, weight.plain, dx, "linear_backward_input");
  if (dx.empty()) return;
  context.backend().ops().linear_backward_input(context, dy, weight, dx, write);
}

void linear_backward_weight(Context& context, ConstMatrixView dy, ConstMatrixView x, MatrixView dw) {
  const ProfileScope scope(context, "linear_backward_weight", bytes_of({dy, x, dw}));
  check_shape(x, dy.rows, x.cols, "linear_backward_weight", "x");
  check_shape(dw, dy.cols, x.cols, "linear_backward_weight", "dw");
  check_dtypes(dy, x, dw, "linear_backward_weight");
  check(dw.dtype == DType::f32, "linear_backward_weight", "dw must be f32");
  if (dy.rows == 0) return;
  context.backend().ops().linear_backward_weight(context, dy, x, dw);
}

void linear_backward_bias(Context& context, ConstMatrixView dy, std::span<float> dbias) {
  const ProfileScope scope(context, "linear_backward_bias", bytes_of({dy}));
  check(dbias.size() == static_cast<std::size_t>(dy.cols), "linear_backward_bias", "dbias must be [N]");
  check(is_compute_dtype(dy.dtype), "linear_backward_bias", "dy must be f32 or bf16");
  context.backend().ops().linear_backward_bias(context, dy, dbias);
}

}  // namespace cola::ops
