#include "backend/elementwise.h"

#include "backend/backend.h"
#include "backend/checks.h"
#include "backend/profile.h"

namespace cola::ops {
namespace {

void check_elements(std::initializer_list<ConstMatrixView> views, std::string_view op) {
  check_alike(views, op);
  check(is_compute_dtype(views.begin()->dtype), op, "operands are neither f32 nor bf16");
}

[[nodiscard]] bool can_convert(DType from, DType to) {
  const auto is_float = [](DType dtype) { return dtype == DType::f32 || dtype == DType::bf16; };
  if (is_quantized(from)) return is_float(to);
  return (is_float(from) || from == DType::f16) && (is_float(to) || to == from);
}

}  // namespace

void fill_zero(Context& context, MatrixView x) {
  const ProfileScope scope(context, "fill_zero", bytes_of({x}));
  context.backend().ops().fill_zero(context, x);
}

void add(Context& context, ConstMatrixView a, ConstMatrixView b, MatrixView y, float scale) {
  const ProfileScope scope(context, "add", bytes_of({a, b, y}));
  check_elements({a, b, y}, "add");
  context.backend().ops().add(context, a, b, y, scale);
}

void scale(Context& context, ConstMatrixView x, float factor, MatrixView y) {
  const ProfileScope scope(context, "scale", bytes_of({x, y}));
  check_elements({x, y}, "scale");
  context.backend().ops().scale(context, x, factor, y);
}

void relu_forward(Context& context, MatrixView x, std::span<std::uint8_t> positive) {
  const ProfileScope scope(context, "relu_forward", bytes_of({x, x}));
  check_elements({x}, "relu_forward");
  check(positive.empty() || std::ssize(positive) == relu_mask_bytes(x.rows, x.cols), "relu_forward",
        "the mask must have relu_mask_bytes");
  context.backend().ops().relu_forward(context, x, positive);
}

void relu_backward(Context& context, ConstMatrixView dy, std::span<const std::uint8_t> positive,
                   MatrixView dx) {
  const ProfileScope scope(context, "relu_backward", bytes_of({dy, dx}));
  check_elements({dy, dx}, "relu_backward");
  check(std::ssize(positive) == relu_mask_bytes(dx.rows, dx.cols), "relu_backward",
        "the mask must have relu_mask_bytes");
  context.backend().ops().relu_backward(context, dy, positive, dx);
}

void gate_forward(Context& context, Gate function, ConstMatrixView gate, ConstMatrixView up, MatrixView h) {
  const ProfileScope scope(context, "gate_forward", bytes_of({gate, up, h}));
  check_elements({gate, up, h}, "gate_forward");
  context.backend().ops().gate_forward(context, function, gate, up, h);
}

void gate_backward(Context& context, Gate function, ConstMatrixView dh, ConstMatrixView gate,
                   ConstMatrixView up, MatrixView dgate, MatrixView dup) {
  const ProfileScope scope(context, "gate_backward", bytes_of({dh, gate, up, dgate, dup}));
  check_elements({dh, gate, up, dgate, dup}, "gate_backward");
  context.backend().ops().gate_backward(context, function, dh, gate, up, dgate, dup);
}

void dropout(Context& context, ConstMatrixView x, const DropoutKey& key,
             std::span<const std::uint64_t> token_keys, MatrixView y) {
  const ProfileScope scope(context, "dropout", bytes_of({x, y}));
  check_elements({x, y}, "dropout");
  check(std::ssize(token_keys) == x.rows, "dropout", "not one token key a row");
  check(key.probability >= 0.0F && key.probability < 1.0F, "dropout", "the probability is not in [0, 1)");
  context.backend().ops().dropout(context, x, key, token_keys, y);
}

void convert(Context& context, ConstMatrixView source, MatrixView destination) {
  const ProfileScope scope(context, "convert", bytes_of({source, destination}));
  check_shape(source, destination.rows, destination.cols, "convert", "the source");
  check(can_convert(source.dtype, destination.dtype), "convert", "no such conversion");
  context.backend().ops().convert(context, source, destination);
}

}  // namespace cola::ops
