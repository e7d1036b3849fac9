#include "backend/cuda/check.h"
#include "backend/cuda/cuda_backend.h"
#include "backend/cuda/elements.h"
#include "backend/cuda/kernels/elementwise.h"
#include "backend/cuda/ops.h"

namespace cola::ops::cuda {
namespace {

void multiply(Context& context, ConstMatrixView a, Transpose transpose_a, ConstMatrixView b,
              Transpose transpose_b, std::span<const float> bias, ConstMatrixView addend, MatrixView c) {
  CudaBackend& backend = backend_of(context);
  backend.products().multiply(context, backend.queue(), a, transpose_a, b, transpose_b, bias, addend, c);
}

}  // namespace

void linear_forward(Context& context, ConstMatrixView x, WeightView w, std::span<const float> bias,
                    ConstMatrixView addend, MatrixView y) {
  multiply(context, x, Transpose::no, w.plain, Transpose::yes, bias, addend, y);
}

void linear_backward_input(Context& context, ConstMatrixView dy, WeightView w, MatrixView dx, Write write) {
  multiply(context, dy, Transpose::no, w.plain, Transpose::no, {},
           write == Write::add ? ConstMatrixView(dx) : ConstMatrixView(), dx);
}

void linear_backward_weight(Context& context, ConstMatrixView dy, ConstMatrixView x, MatrixView dw) {
  multiply(context, dy, Transpose::yes, x, Transpose::no, {}, dw, dw);
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
