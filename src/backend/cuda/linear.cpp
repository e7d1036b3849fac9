#include "backend/cuda/check.h"
#include "backend/cuda/cuda_backend.h"
#include "backend/cuda/elements.h"
#include "backend/cuda/kernels/elementwise.h"
#include "backend/cuda/ops.h"

namespace cola::ops::cuda {
namespace {

void multiply(Context& context, const Product& product) {
  CudaBackend& backend = backend_of(context);
  backend.products().multiply(context, backend.queue(), product);
}

}  // namespace

void linear_forward(Context& context, ConstMatrixView x, WeightView w, const BiasView& bias,
                    ConstMatrixView addend, MatrixView y) {
  multiply(context,
           {.a = x, .b = w.plain, .transpose_b = Transpose::yes, .bias = bias, .addend = addend, .c = y});
}

void linear_relu_forward(Context& context, ConstMatrixView x, WeightView w, const BiasView& bias,
                         MatrixView y, std::span<std::uint8_t> positive) {
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
