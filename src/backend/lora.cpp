#include "backend/lora.h"

#include "backend/backend.h"
#include "backend/checks.h"
#include "backend/profile.h"

namespace cola::ops {
namespace {

void check_f32(ConstMatrixView view, std::string_view op, std::string_view name) {
  if (view.dtype != DType::f32) throw std::logic_error(fmt::format("{}: {} must be f32", op, name));
}

}  // namespace

void lora_forward(Context& context, ConstMatrixView x, std::span<const LoraForward> branches) {
  std::uint64_t bytes = bytes_of({x});
  for (const auto& [a, b, scale, u, y] : branches) {
    bytes += bytes_of({a, b, u, y, y});
    check_shape(a, a.rows, x.cols, "lora_forward", "A");
    check_shape(u, x.rows, a.rows, "lora_forward", "u");
    check_f32(a, "lora_forward", "A");
    check_f32(u, "lora_forward", "u");
    if (y.empty()) continue;
    check_shape(b, y.cols, a.rows, "lora_forward", "B");
    check_shape(y, x.rows, b.rows, "lora_forward", "y");
    check_f32(b, "lora_forward", "B");
    check(is_compute_dtype(y.dtype), "lora_forward", "y must be f32 or bf16");
  }
  check(is_compute_dtype(x.dtype), "lora_forward", "x must be f32 or bf16");
  const ProfileScope scope(context, "lora_forward", bytes);
  context.backend().ops().lora_forward(context, x, branches);
}

void lora_backward_b(Context& context, std::span<const LoraBackwardB> branches) {
  std::uint64_t bytes = 0;
  for (const auto& [dy, u, b, scale, du, db] : branches) {
    bytes += bytes_of({dy, u, b, du, db, dy});
    check(dy.rows == branches.front().dy.rows && dy.dtype == branches.front().dy.dtype, "lora_backward_b",
          "branches differ in T or dtype");
    check_shape(b, dy.cols, b.cols, "lora_backward_b", "B");
    check_shape(du, dy.rows, b.cols, "lora_backward_b", "du");
    check_f32(b, "lora_backward_b", "B");
    check_f32(du, "lora_backward_b", "du");
    check(is_compute_dtype(dy.dtype), "lora_backward_b", "dy must be f32 or bf16");
    if (db.empty()) continue;
    check_shape(u, dy.rows, b.cols, "lora_backward_b", "u");
    check_shape(db, b.rows, b.cols, "lora_backward_b", "dB");
    check_f32(u, "lora_backward_b", "u");
    check_f32(db, "lora_backward_b", "dB");
  }
  const ProfileScope scope(context, "lora_backward_b", bytes);
  context.backend().ops().lora_backward_b(context, branches);
}

void lora_backward_a(Context& context, ConstMatrixView x, std::span<const LoraBackwardA> branches,
                     MatrixView dx) {
  std::uint64_t bytes = bytes_of({x, dx, dx});
  for (const auto& [du, a, da] : branches) {
    bytes += bytes_of({du, a, da, da});
    check_f32(du, "lora_backward_a", "du");
    if (!da.empty()) {
      check_shape(x, du.rows, da.cols, "lora_backward_a", "x");
      check_shape(da, du.cols, x.cols, "lora_backward_a", "dA");
      check_f32(da, "lora_backward_a", "dA");
      check(is_compute_dtype(x.dtype), "lora_backward_a", "x must be f32 or bf16");
    }
    if (!dx.empty()) {
      check_shape(a, du.cols, dx.cols, "lora_backward_a", "A");
      check_shape(dx, du.rows, a.cols, "lora_backward_a", "dx");
      check_f32(a, "lora_backward_a", "A");
      check(is_compute_dtype(dx.dtype), "lora_backward_a", "dx must be f32 or bf16");
    }
  }
  const ProfileScope scope(context, "lora_backward_a", bytes);
  context.backend().ops().lora_backward_a(context, x, branches, dx);
}

void lora_delta(Context& context, ConstMatrixView a, ConstMatrixView b, float scale, MatrixView delta) {
  const ProfileScope scope(context, "lora_delta", bytes_of({a, b, delta, delta}));
  check_shape(b, b.rows, a.rows, "lora_delta", "B");
  check_shape(delta, b.rows, a.cols, "lora_delta", "delta");
  check_f32(a, "lora_delta", "A");
  check_f32(b, "lora_delta", "B");
  check_f32(delta, "lora_delta", "delta");
  context.backend().ops().lora_delta(context, a, b, scale, delta);
}

}  // namespace cola::ops
