#include "backend/cuda/kernels/norm.h"

#include "backend/cuda/check.h"
#include "backend/cuda/cuda_backend.h"
#include "backend/cuda/elements.h"
#include "backend/cuda/ops.h"

namespace cola::ops::cuda {
namespace {

template <class T>
[[nodiscard]] launch::NormForward<T> forward_work(ConstMatrixView x, std::span<const float> weight,
                                                  std::span<const float> bias, float eps, MatrixView y,
                                                  std::span<float> mean, std::span<float> rstd) {
  return {x.rows,
          x.cols,
          rows_of<T>(x),
          weight.data(),
          bias.empty() ? nullptr : bias.data(),
          eps,
          rows_of<T>(y),
          mean.empty() ? nullptr : mean.data(),
          rstd.data()};
}

/// What both backwards are given; `mean` and `dbias` are empty for RMS norm.
struct Backward {
  ConstMatrixView dy, x;
  std::span<const float> weight, mean, rstd;
  MatrixView dx;
  Write write;
  std::span<float> dweight, dbias;
  bool unit_offset = false;
};

template <class T>
[[nodiscard]] launch::NormBackward<T> backward_work(Context& context, const Backward& op) {
  float* scratch = nullptr;
  if (!op.dweight.empty() || !op.dbias.empty()) {
    scratch =
        context
            .scratch("cuda norm backward", DType::f32, 1, launch::norm_backward_scratch(op.x.rows, op.x.cols))
            .template as<float>();
  }
  return {op.x.rows,
          op.x.cols,
          rows_of<T>(op.dy),
          rows_of<T>(op.x),
          op.weight.data(),
          op.mean.empty() ? nullptr : op.mean.data(),
          op.rstd.data(),
          rows_of<T>(op.dx),
          op.write == Write::add,
          op.dweight.empty() ? nullptr : op.dweight.data(),
          op.dbias.empty() ? nullptr : op.dbias.data(),
          scratch,
          op.unit_offset};
}

}  // namespace

void layer_norm_forward(Context& context, ConstMatrixView x, std::span<const float> weight,
                        std::span<const float> bias, float eps, MatrixView y, std::span<float> mean,
                        std::span<float> rstd) {
  with_element_type(x.dtype, "layer_norm_forward", [&]<class T>(T) {
    require(launch::layer_norm_forward<T>(backend_of(context).queue(),
                                          forward_work<T>(x, weight, bias, eps, y, mean, rstd)),
            "layer_norm_forward");
  });
}

void layer_norm_backward(Context& context, ConstMatrixView dy, ConstMatrixView x,
                         std::span<const float> weight, std::span<const float> mean,
                         std::span<const float> rstd, MatrixView dx, Write write, std::span<float> dweight,
                         std::span<float> dbias) {
  if (x.empty()) return;
  const Backward op = {dy, x, weight, mean, rstd, dx, write, dweight, dbias};
  with_element_type(x.dtype, "layer_norm_backward", [&]<class T>(T) {
    require(launch::layer_norm_backward<T>(backend_of(context).queue(), backward_work<T>(context, op)),
            "layer_norm_backward");
  });
}

void rms_norm_forward(Context& context, ConstMatrixView x, std::span<const float> weight, const RmsNorm& norm,
                      MatrixView y, std::span<float> rstd) {
  with_element_type(x.dtype, "rms_norm_forward", [&]<class T>(T) {
    auto work = forward_work<T>(x, weight, {}, norm.epsilon, y, {}, rstd);
    work.unit_offset = norm.unit_offset;
    work.rounds_before_weight = norm.rounds_before_weight;
    require(launch::rms_norm_forward<T>(backend_of(context).queue(), work), "rms_norm_forward");
  });
}

void rms_norm_backward(Context& context, ConstMatrixView dy, ConstMatrixView x, std::span<const float> weight,
                       const RmsNorm& norm, std::span<const float> rstd, MatrixView dx, Write write,
                       std::span<float> dweight) {
  if (x.empty()) return;
  const Backward op = {dy, x, weight, {}, rstd, dx, write, dweight, {}, norm.unit_offset};
  with_element_type(x.dtype, "rms_norm_backward", [&]<class T>(T) {
    require(launch::rms_norm_backward<T>(backend_of(context).queue(), backward_work<T>(context, op)),
            "rms_norm_backward");
  });
}

}  // namespace cola::ops::cuda
