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

}  // namespace

void linear_forward(Context& context, ConstMatrixView x, WeightView weight, std::span<const float> bias,
                    ConstMatrixView addend, MatrixView y) {
  const ConstMatrixView w = weight.plain;
  const ProfileScope scope(context, "linear_forward", bytes_of({x, w, addend, y}));
  check_shape(w, w.rows, x.cols, "linear_forward", "w");
  check_shape(y, x.rows, w.rows, "linear_forward", "y");
  check(bias.empty() || bias.size() == static_cast<std::size_t>(w.rows), "linear_forward",
        "bias must be [N] or empty");
  check_dtypes(x, w, y, "linear_forward");
  if (!addend.empty()) check_alike({y, addend}, "linear_forward");
  if (y.empty()) return;
  context.backend().ops().linear_forward(context, x, weight, bias, addend, y);
}

void linear_backward_input(Context& context, ConstMatrixView dy, WeightView weight, MatrixView dx,
                           Write write) {
  const ConstMatrixView w = weight.plain;
  const ProfileScope scope(context, "linear_backward_input", bytes_of({dy, w, dx}));
  check_shape(dy, dy.rows, w.rows, "linear_backward_input", "dy");
  check_shape(dx, dy.rows, w.cols, "linear_backward_input", "dx");
  check_dtypes(dy, w, dx, "linear_backward_input");
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
