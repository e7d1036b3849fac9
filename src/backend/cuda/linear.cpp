#include <algorithm>

#include "backend/cuda/check.h"
#include "backend/cuda/cuda_backend.h"
#include "backend/cuda/dequantize.h"
#include "backend/cuda/elements.h"
#include "backend/cuda/kernels/elementwise.h"
#include "backend/cuda/ops.h"
#include "backend/weight_slabs.h"

namespace cola::ops::cuda {
namespace {

/// What of a quantised weight is expanded at a time.
constexpr std::int64_t slab_bytes = std::int64_t{32} << 20;

void multiply_plain(Context& context, const Product& product) {
  CudaBackend& backend = backend_of(context);
  backend.products().multiply(context, backend.queue(), product);
}

/// A product with columns [begin, end) of c alone.
Product columns_of(const Product& product, std::int64_t begin, std::int64_t end) {
  Product part = product;
  part.c = product.c.column_range(begin, end);
  if (!product.addend.empty()) part.addend = product.addend.column_range(begin, end);
  if (!product.bias.empty()) {
    const auto first = static_cast<std::size_t>(begin);
    part.bias.values = product.bias.values.subspan(first, static_cast<std::size_t>(end - begin));
    if (product.bias.rounded != nullptr) part.bias.rounded = product.bias.rounded + begin;
  }
  return part;
}

/// A product with a weight b, without relu: a quantised b is expanded a slab at a time.
void multiply(Context& context, const Product& product) {
  const ConstMatrixView w = product.b;
  if (!is_quantized(w.dtype)) return multiply_plain(context, product);
  const SlabOf side = product.transpose_b == Transpose::yes ? SlabOf::rows : SlabOf::columns;
  const std::int64_t step = slab_cols(w, side, product.a.dtype, slab_bytes);
  for (std::int64_t begin = 0; begin < product.c.cols; begin += step) {
    const std::int64_t end = std::min(begin + step, product.c.cols);
    const ConstMatrixView slab = slab_of(w, side, begin, end);
    const MatrixView expanded = context.scratch("cuda weight slab", product.a.dtype, slab.rows, slab.cols);
    cuda::dequantize(context, slab, nullptr, expanded);
    Product part = columns_of(product, begin, end);
    part.b = expanded;
    multiply_plain(context, part);
  }
}

}  // namespace

void linear_forward(Context& context, ConstMatrixView x, WeightView w, const BiasView& bias,
                    ConstMatrixView addend, MatrixView y) {
  multiply(context,
           {.a = x, .b = w.plain, .transpose_b = Transpose::yes, .bias = bias, .addend = addend, .c = y});
}

void linear_forward_together(Context& context, ConstMatrixView x, std::span<const LinearProduct> products) {
  for (const auto& [w, bias, addend, y] : products) cuda::linear_forward(context, x, w, bias, addend, y);
}

void linear_relu_forward(Context& context, ConstMatrixView x, WeightView w, const BiasView& bias,
                         MatrixView y, std::span<std::uint8_t> positive) {
  if (is_quantized(w.plain.dtype)) {  // slabs have no epilogue: its mask has rows of the whole result
    cuda::linear_forward(context, x, w, bias, {}, y);
    return cuda::relu_forward(context, y, positive);
  }
  multiply(context, {.a = x,
                     .b = w.plain,
                     .transpose_b = Transpose::yes,
                     .bias = bias,
                     .c = y,
                     .relu = Product::Relu::forward,
                     .positive = positive.empty() ? nullptr : positive.data()});
}

void linear_relu_backward(Context& context, ConstMatrixView dy, WeightView w,
                          std::span<const std::uint8_t> positive, MatrixView dx) {
  if (is_quantized(w.plain.dtype)) {
    cuda::linear_backward_input(context, dy, w, dx, Write::replace);
    return cuda::relu_backward(context, dx, positive, dx);
  }
  // cuBLASLt's epilogue reads the mask through a pointer that it has no const for.
  multiply(context, {.a = dy,
                     .b = w.plain,
                     .c = dx,
                     .relu = Product::Relu::backward,
                     .positive = const_cast<std::uint8_t*>(positive.data())});
}

// cuBLASLt has no such epilogue.
void linear_gate_forward(Context& context, Gate function, ConstMatrixView x, WeightView w,
                         const BiasView& bias, ConstMatrixView gate, MatrixView up, MatrixView h) {
  cuda::linear_forward(context, x, w, bias, {}, up);
  cuda::gate_forward(context, function, gate, up, h);
}

void linear_gate_backward(Context& context, Gate function, ConstMatrixView dy, WeightView w,
                          ConstMatrixView gate, ConstMatrixView up, MatrixView dh, MatrixView dgate,
                          MatrixView dup) {
  cuda::linear_backward_input(context, dy, w, dh, Write::replace);
  cuda::gate_backward(context, function, dh, gate, up, dgate, dup);
}

void linear_backward_input(Context& context, ConstMatrixView dy, WeightView w, MatrixView dx, Write write) {
  multiply(context, {.a = dy, .b = w.plain, .addend = write == Write::add ? dx : MatrixView(), .c = dx});
}

std::int64_t CudaBackend::expansion_bytes(DType dtype, ConstMatrixView w) const {
  return std::max(bytes_of(dtype, slab_cols(w, SlabOf::rows, dtype, slab_bytes) * w.cols),
                  bytes_of(dtype, slab_cols(w, SlabOf::columns, dtype, slab_bytes) * w.rows));
}

void linear_backward_weight(Context& context, ConstMatrixView dy, ConstMatrixView x, MatrixView dw) {
  multiply(context, {.a = dy, .transpose_a = Transpose::yes, .b = x, .addend = dw, .c = dw});
}

void linear_backward_bias(Context& context, ConstMatrixView dy, std::span<float> dbias) {
  if (dy.empty()) return;
  const MatrixView scratch =
      context.scratch("cuda column sums", DType::f32, 1, launch::column_sums_scratch(dy.rows, dy.cols));
  with_element_type(dy.dtype, "linear_backward_bias", [&]<class T>(T) {
    require(launch::column_sums<T>(backend_of(context).queue(), dy.rows, dy.cols, rows_of<T>(dy),
                                   scratch.as<float>(), dbias.data()),
            "linear_backward_bias");
  });
}

}  // namespace cola::ops::cuda
