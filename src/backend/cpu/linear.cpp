#include <algorithm>
#include <vector>

#include "backend/cpu/gemm.h"
#include "backend/cpu/gemm_packed.h"
#include "backend/cpu/kernels/elementwise.h"
#include "backend/cpu/kernels/thin_product.h"
#include "backend/cpu/operands.h"
#include "backend/cpu/ops.h"
#include "backend/cpu/weight_slabs.h"
#include "backend/cpu_isa.h"
#include "core/parallel.h"

namespace cola::ops::cpu {
namespace {

/// Whether a product is our blocked one: of bf16 but where there are tiles, and of what it expands in
/// packing.
bool is_blocked(DType dtype, DType weight) {
  return dtype == DType::bf16 ? !prefers_packed(dtype) : is_quantized(weight);
}

void product(Context& context, ConstMatrixView a, Transpose transpose_a, ConstMatrixView b,
             Transpose transpose_b, std::span<const float> bias, MatrixView c, Write write) {
  if (is_blocked(a.dtype, b.dtype)) {
    multiply_blocked(context, a, transpose_a, b, transpose_b, bias, c, write);
  } else {
    multiply(context, a, transpose_a, b, transpose_b, bias, c, write);
  }
}

/// Up to so many rows, a product takes little longer than reading w does, and oneDNN 2.6 and a blocked
/// product are slower than one pass over w; tiles catch up earlier.
std::int64_t most_rows_of_one_pass(DType dtype) { return prefers_packed(dtype) ? 4 : few_rows; }

template <class T, class View>
kernels::Rows<T> rows_at(View view, const BlockRange& block) {
  return {static_cast<T*>(view.data) + block.row_begin * view.stride + block.col_begin, view.stride};
}

/// A block's part of relu's mask of a matrix of so many columns; null if there is none.
template <class Byte>
kernels::Rows<Byte> mask_at(std::span<Byte> positive, std::int64_t cols, const BlockRange& block) {
  static_assert(epilogue_cols % kernels::mask_group == 0);
  const std::int64_t row_bytes = relu_mask_bytes(1, cols);
  if (positive.empty()) return {nullptr, row_bytes};
  return {positive.data() + block.row_begin * row_bytes + block.col_begin / 8, row_bytes};
}

/// Of a product whose kernel takes no epilogue.
void run_by_rows(ConstMatrixView result, const BlockEpilogue& epilogue) {
  parallel_for(result.rows, row_grain(result.cols),
               [&](std::int64_t begin, std::int64_t end) { epilogue({begin, end, 0, result.cols}); });
}

/// Whether a product is of tiles whose quantised weight is packed a slab at a time.
bool is_by_slabs(ConstMatrixView activations, ConstMatrixView w) {
  return is_quantized(w.dtype) && !is_blocked(activations.dtype, w.dtype);
}

/// y = x w^T + bias, and then the epilogue.
void forward_then(Context& context, ConstMatrixView x, WeightView weight, const BiasView& bias, MatrixView y,
                  const BlockEpilogue& epilogue) {
  const ConstMatrixView w = weight.plain;
  if (weight.packed != nullptr) {
    multiply_packed_forward(context, x, *weight.packed, bias.values, y, Write::replace, epilogue);
  } else if (is_blocked(x.dtype, w.dtype) && x.rows > most_rows_of_one_pass(x.dtype)) {
    multiply_blocked(context, x, Transpose::no, w, Transpose::yes, bias.values, y, Write::replace, epilogue);
  } else if (is_by_slabs(x, w) && x.rows > most_rows_of_one_pass(x.dtype)) {
    multiply_packed(context, x, {w, Transpose::yes, bias.values, y, epilogue}, Write::replace);
  } else {
    cpu::linear_forward(context, x, weight, bias, {}, y);
    run_by_rows(y, epilogue);
  }
}

/// dx = dy w, and then the epilogue.
void backward_then(Context& context, ConstMatrixView dy, WeightView weight, MatrixView dx,
                   const BlockEpilogue& epilogue) {
  const ConstMatrixView w = weight.plain;
  if (weight.packed != nullptr) {
    multiply_packed_backward(context, dy, *weight.packed, dx, Write::replace, epilogue);
  } else if (is_blocked(dy.dtype, w.dtype)) {
    multiply_blocked(context, dy, Transpose::no, w, Transpose::no, {}, dx, Write::replace, epilogue);
  } else if (is_by_slabs(dy, w)) {
    multiply_packed(context, dy, {w, Transpose::no, {}, dx, epilogue}, Write::replace);
  } else {
    cpu::linear_backward_input(context, dy, weight, dx, Write::replace);
    run_by_rows(dx, epilogue);
  }
}

}  // namespace

void linear_forward(Context& context, ConstMatrixView x, WeightView weight, const BiasView& bias,
                    ConstMatrixView addend, MatrixView y) {
  const ConstMatrixView w = weight.plain;
  const Write write = addend.empty() ? Write::replace : Write::add;
  if (!addend.empty() && addend.data != y.data) cpu::convert(context, addend, y);
  if (weight.packed != nullptr) {
    multiply_packed_forward(context, x, *weight.packed, bias.values, y, write);
  } else if (x.rows <= most_rows_of_one_pass(x.dtype)) {
    const FewRowsProduct few = {w, bias.values, y, write};
    multiply_few_rows(context, x, {&few, 1});
  } else if (is_by_slabs(x, w)) {
    multiply_packed(context, x, {w, Transpose::yes, bias.values, y, {}}, write);
  } else {
    product(context, x, Transpose::no, w, Transpose::yes, bias.values, y, write);
  }
}

void linear_forward_together(Context& context, ConstMatrixView x, std::span<const LinearProduct> products) {
  std::vector<FewRowsProduct> few;
  std::vector<PackedProduct> packed;
  for (const auto& [w, bias, addend, y] : products) {
    if (w.packed == nullptr && x.rows > most_rows_of_one_pass(x.dtype)) {
      cpu::linear_forward(context, x, w, bias, addend, y);
      continue;
    }
    if (!addend.empty() && addend.data != y.data) cpu::convert(context, addend, y);
    const Write write = addend.empty() ? Write::replace : Write::add;
    if (w.packed != nullptr) {
      packed.push_back({w.packed, bias.values, y, write});
    } else {
      few.push_back({w.plain, bias.values, y, write});
    }
  }
  multiply_packed_together(context, x, packed);
  if (!few.empty()) multiply_few_rows(context, x, few);
}

void linear_relu_forward(Context& context, ConstMatrixView x, WeightView weight, const BiasView& bias,
                         MatrixView y, std::span<std::uint8_t> positive) {
  with_element_type(y.dtype, "linear_relu_forward", [&]<class T>(T) {
    const auto& kernel = kernels::elementwise_kernels<T>();
    const auto relu = [&](const BlockRange& block) {
      kernel.relu_forward(block.rows(), block.cols(), rows_at<T>(y, block), mask_at(positive, y.cols, block));
    };
    forward_then(context, x, weight, bias, y, BlockEpilogue(relu));
  });
}

void linear_relu_backward(Context& context, ConstMatrixView dy, WeightView weight,
                          std::span<const std::uint8_t> positive, MatrixView dx) {
  with_element_type(dx.dtype, "linear_relu_backward", [&]<class T>(T) {
    const auto& kernel = kernels::elementwise_kernels<T>();
    const auto relu = [&](const BlockRange& block) {
      kernel.relu_backward(block.rows(), block.cols(), rows_at<const T>(dx, block),
                           mask_at(positive, dx.cols, block), rows_at<T>(dx, block));
    };
    backward_then(context, dy, weight, dx, BlockEpilogue(relu));
  });
}

void linear_gate_forward(Context& context, Gate function, ConstMatrixView x, WeightView weight,
                         const BiasView& bias, ConstMatrixView gate, MatrixView up, MatrixView h) {
  with_element_type(h.dtype, "linear_gate_forward", [&]<class T>(T) {
    const auto& kernel = kernels::gate_kernels<T>(function);
    const auto run = [&](const BlockRange& block) {
      kernel.forward(block.rows(), block.cols(), rows_at<const T>(gate, block), rows_at<const T>(up, block),
                     rows_at<T>(h, block));
    };
    forward_then(context, x, weight, bias, up, BlockEpilogue(run));
  });
}

void linear_gate_backward(Context& context, Gate function, ConstMatrixView dy, WeightView weight,
                          ConstMatrixView gate, ConstMatrixView up, MatrixView dh, MatrixView dgate,
                          MatrixView dup) {
  with_element_type(dh.dtype, "linear_gate_backward", [&]<class T>(T) {
    const auto& kernel = kernels::gate_kernels<T>(function);
    const auto run = [&](const BlockRange& block) {
      kernel.backward(block.rows(), block.cols(), rows_at<const T>(dh, block), rows_at<const T>(gate, block),
                      rows_at<const T>(up, block), rows_at<T>(dgate, block), rows_at<T>(dup, block));
    };
    backward_then(context, dy, weight, dh, BlockEpilogue(run));
  });
}

void linear_backward_input(Context& context, ConstMatrixView dy, WeightView weight, MatrixView dx,
                           Write write) {
  if (weight.packed != nullptr) {
    multiply_packed_backward(context, dy, *weight.packed, dx, write);
  } else if (is_by_slabs(dy, weight.plain)) {
    multiply_packed(context, dy, {weight.plain, Transpose::no, {}, dx, {}}, write);
  } else {
    product(context, dy, Transpose::no, weight.plain, Transpose::no, {}, dx, write);
  }
}

std::int64_t expansion_bytes(DType dtype, ConstMatrixView w) {
  std::int64_t most = few_rows_expansion_bytes(dtype, w.cols);
  if (is_blocked(dtype, w.dtype)) return most;
  for (const Transpose transpose : {Transpose::yes, Transpose::no}) {
    const ConstMatrixView slab = largest_slab(w, transpose);
    most = std::max(most, bytes_of(dtype, packed_elements(slab.rows, slab.cols)));
  }
  return most;
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
