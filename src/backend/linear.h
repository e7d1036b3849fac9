#pragma once
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "backend/context.h"
#include "backend/elementwise.h"
#include "backend/packed_matrix.h"
#include "core/matrix.h"

namespace cola::ops {

/// Products with a weight w [N, K] (Hugging Face's layout: out x in). x, w, y have the compute dtype (f32 or
/// bf16); sums are accumulated in f32. bf16 products use the processor's bf16 multiplier where it has one;
/// elsewhere w is widened block by block and multiplied in f32. A packed w is bf16, and multiplied by tiles.
/// A quantised w (core/quantized_blocks.h) is expanded piece by piece where it is read: the product sees its
/// values rounded to the dtype of x (dy in a backward).

/// A bias [N]. `rounded`, if known, are the values in bf16, which a device may add to a bf16 result.
struct BiasView {
  BiasView() = default;
  // NOLINTBEGIN(google-explicit-constructor): values are what an op asks for
  BiasView(std::span<const float> of, const BFloat16* rounded_values = nullptr)
      : values(of), rounded(rounded_values) {}
  BiasView(std::span<float> of) : values(of) {}
  BiasView(const std::vector<float>& of) : values(of) {}
  // NOLINTEND(google-explicit-constructor)
  [[nodiscard]] bool empty() const { return values.empty(); }

  std::span<const float> values;  ///< not owned
  const BFloat16* rounded = nullptr;
};

/// y [T, N] = addend [T, N] + x [T, K] w^T + bias [N]. `bias` and `addend` may be empty; an addend has y's
/// dtype, and may be y itself.
void linear_forward(Context& context, ConstMatrixView x, WeightView w, const BiasView& bias,
                    ConstMatrixView addend, MatrixView y);

/// Rows of x up to which a product takes about as long as reading its weight.
constexpr std::int64_t few_rows = 8;

/// linear_forward of each of some products that read the same x: few rows of x meet all weights in one pass.
struct LinearProduct {
  WeightView w;
  BiasView bias;
  ConstMatrixView addend;
  MatrixView y;
};
void linear_forward_together(Context& context, ConstMatrixView x, std::span<const LinearProduct> products);

/// y [T, N] = relu(x w^T + bias) with relu_forward's mask (backend/elementwise.h), and dx [T, K] = dy w where
/// a mask of dx's shape says so: relu_backward of linear_backward_input. `bias` may be empty.
void linear_relu_forward(Context& context, ConstMatrixView x, WeightView w, const BiasView& bias,
                         MatrixView y, std::span<std::uint8_t> positive);
void linear_relu_backward(Context& context, ConstMatrixView dy, WeightView w,
                          std::span<const std::uint8_t> positive, MatrixView dx);

/// Llama's up_proj: up [T, N] = x w^T + bias, then gate_forward (backend/elementwise.h) of gate [T, N] and up
/// into h [T, N]. `bias` may be empty.
void linear_gate_forward(Context& context, Gate function, ConstMatrixView x, WeightView w,
                         const BiasView& bias, ConstMatrixView gate, MatrixView up, MatrixView h);
/// The backward of its down_proj w [N, K]: dh [T, K] = dy [T, N] w, then gate_backward of it into dgate and
/// dup, which may be gate and up (in place).
void linear_gate_backward(Context& context, Gate function, ConstMatrixView dy, WeightView w,
                          ConstMatrixView gate, ConstMatrixView up, MatrixView dh, MatrixView dgate,
                          MatrixView dup);

/// dx [T, K] = dy [T, N] w, or dx += dy w. dx may be f32 or the compute dtype.
void linear_backward_input(Context& context, ConstMatrixView dy, WeightView w, MatrixView dx, Write write);

/// What these products run on, for people to read: "AMX tiles" for frozen weights that prefers_packed(), "our
/// bf16 kernel", "our f32 kernel" (of bf16, widened) or "oneDNN".
[[nodiscard]] std::string_view product_kernel(DType dtype, bool frozen);

/// dw [N, K] += dy^T x, in f32.
void linear_backward_weight(Context& context, ConstMatrixView dy, ConstMatrixView x, MatrixView dw);

/// dbias [N] += column sums of dy [T, N], in f32.
void linear_backward_bias(Context& context, ConstMatrixView dy, std::span<float> dbias);

}  // namespace cola::ops
