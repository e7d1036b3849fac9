#include "backend/norm.h"

#include "backend/backend.h"
#include "backend/checks.h"
#include "backend/profile.h"

namespace cola::ops {
namespace {

/// A span of `size` values, or of none where `may_be_empty`.
void check_size(std::span<const float> values, std::int64_t size, bool may_be_empty, std::string_view op) {
  check(std::ssize(values) == size || (may_be_empty && values.empty()), op, "a vector has the wrong length");
}

void check_forward(ConstMatrixView x, ConstMatrixView y, std::span<const float> weight,
                   std::span<const float> rstd, std::string_view op) {
  check_alike({x, y}, op);
  check(is_compute_dtype(x.dtype), op, "operands are neither f32 nor bf16");
  check_size(weight, x.cols, false, op);
  check_size(rstd, x.rows, false, op);
}

void check_backward(ConstMatrixView dy, ConstMatrixView x, ConstMatrixView dx, std::span<const float> weight,
                    std::span<const float> rstd, std::span<const float> dweight, std::string_view op) {
  check_forward(x, dx, weight, rstd, op);
  check_alike({x, dy}, op);
  check_size(dweight, x.cols, true, op);
}

}  // namespace

void layer_norm_forward(Context& context, ConstMatrixView x, std::span<const float> weight,
                        std::span<const float> bias, float eps, MatrixView y, std::span<float> mean,
                        std::span<float> rstd) {
  const std::string_view op = "layer_norm_forward";
  const ProfileScope scope(context, op, bytes_of({x, y}));
  check_forward(x, y, weight, rstd, op);
  check_size(bias, x.cols, false, op);
  check_size(mean, x.rows, false, op);
  context.backend().ops().layer_norm_forward(context, x, weight, bias, eps, y, mean, rstd);
}

void layer_norm_backward(Context& context, ConstMatrixView dy, ConstMatrixView x,
                         std::span<const float> weight, std::span<const float> mean,
                         std::span<const float> rstd, MatrixView dx, Write write, std::span<float> dweight,
                         std::span<float> dbias) {
  const std::string_view op = "layer_norm_backward";
  const ProfileScope scope(context, op, bytes_of({dy, x, dx}));
  check_backward(dy, x, dx, weight, rstd, dweight, op);
  check_size(mean, x.rows, false, op);
  check_size(dbias, x.cols, true, op);
  context.backend().ops().layer_norm_backward(context, dy, x, weight, mean, rstd, dx, write, dweight, dbias);
}

void rms_norm_forward(Context& context, ConstMatrixView x, std::span<const float> weight, const RmsNorm& norm,
                      MatrixView y, std::span<float> rstd) {
  const ProfileScope scope(context, "rms_norm_forward", bytes_of({x, y}));
  check_forward(x, y, weight, rstd, "rms_norm_forward");
  context.backend().ops().rms_norm_forward(context, x, weight, norm, y, rstd);
}

void rms_norm_backward(Context& context, ConstMatrixView dy, ConstMatrixView x, std::span<const float> weight,
                       const RmsNorm& norm, std::span<const float> rstd, MatrixView dx, Write write,
                       std::span<float> dweight) {
  const ProfileScope scope(context, "rms_norm_backward", bytes_of({dy, x, dx}));
  check_backward(dy, x, dx, weight, rstd, dweight, "rms_norm_backward");
  context.backend().ops().rms_norm_backward(context, dy, x, weight, norm, rstd, dx, write, dweight);
}

}  // namespace cola::ops
