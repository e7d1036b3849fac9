#include <algorithm>

#include "backend/cpu/kernels/norm.h"
#include "backend/cpu/operands.h"
#include "backend/cpu/ops.h"
#include "core/parallel.h"

namespace cola::ops::cpu {
namespace {

/// Rows whose weight gradients make one partial sum: fixed, so that the result does not depend on the
/// threads.
constexpr std::int64_t block_rows = 64;

template <class T>
[[nodiscard]] kernels::NormForward<T> forward_slice(ConstMatrixView x, std::span<const float> weight,
                                                    std::span<const float> bias, float eps, MatrixView y,
                                                    std::span<float> mean, std::span<float> rstd,
                                                    std::int64_t begin, std::int64_t end) {
  return {end - begin,
          x.cols,
          rows_of<T>(x.row_range(begin, end)),
          weight.data(),
          bias.data(),
          eps,
          rows_of<T>(y.row_range(begin, end)),
          mean.empty() ? nullptr : mean.data() + begin,
          rstd.data() + begin};
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
[[nodiscard]] kernels::NormBackward<T> backward_slice(const Backward& op, std::int64_t begin,
                                                      std::int64_t end) {
  return {end - begin,
          op.x.cols,
          rows_of<T>(op.dy.row_range(begin, end)),
          rows_of<T>(op.x.row_range(begin, end)),
          op.weight.data(),
          op.mean.empty() ? nullptr : op.mean.data() + begin,
          op.rstd.data() + begin,
          rows_of<T>(op.dx.row_range(begin, end)),
          op.write == Write::add,
          nullptr,
          nullptr,
          op.unit_offset};
}

/// destination[i] += the sum over blocks, in order, of partial[block][i].
void add_partial_sums(ConstMatrixView partial, std::span<float> destination) {
  parallel_for(std::ssize(destination), 1024, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t block = 0; block < partial.rows; ++block) {
      const float* sums = partial.as<float>() + block * partial.stride;
      for (std::int64_t i = begin; i < end; ++i) destination[static_cast<std::size_t>(i)] += sums[i];
    }
  });
}

/// Runs a backward kernel over all rows, with partial sums of the weights' gradients where they are wanted.
template <class T, class Kernel>
void run_backward(Context& context, const Backward& op, Kernel kernel) {
  const std::int64_t cols = op.x.cols;
  if (op.dweight.empty() && op.dbias.empty()) {
    parallel_for(op.x.rows, row_grain(cols),
                 [&](std::int64_t begin, std::int64_t end) { kernel(backward_slice<T>(op, begin, end)); });
    return;
  }
  const std::int64_t blocks = (op.x.rows + block_rows - 1) / block_rows;
  const MatrixView partial = context.scratch("norm_backward", DType::f32, 2 * blocks, cols);
  parallel_for(blocks, 1, [&](std::int64_t first, std::int64_t last) {
    for (std::int64_t block = first; block < last; ++block) {
      auto work = backward_slice<T>(op, block * block_rows, std::min(op.x.rows, (block + 1) * block_rows));
      float* dweight = partial.as<float>() + block * cols;
      float* dbias = dweight + blocks * cols;
      if (!op.dweight.empty()) std::fill_n(work.dweight = dweight, cols, 0.0F);
      if (!op.dbias.empty()) std::fill_n(work.dbias = dbias, cols, 0.0F);
      kernel(work);
    }
  });
  add_partial_sums(partial.row_range(0, blocks), op.dweight);
  add_partial_sums(partial.row_range(blocks, 2 * blocks), op.dbias);
}

}  // namespace

void layer_norm_forward(Context& /*context*/, ConstMatrixView x, std::span<const float> weight,
                        std::span<const float> bias, float eps, MatrixView y, std::span<float> mean,
                        std::span<float> rstd) {
  with_element_type(x.dtype, "layer_norm_forward", [&]<class T>(T) {
    parallel_for(x.rows, row_grain(x.cols), [&](std::int64_t begin, std::int64_t end) {
      kernels::norm_kernels<T>().layer_norm_forward(
          forward_slice<T>(x, weight, bias, eps, y, mean, rstd, begin, end));
    });
  });
}

void layer_norm_backward(Context& context, ConstMatrixView dy, ConstMatrixView x,
                         std::span<const float> weight, std::span<const float> mean,
                         std::span<const float> rstd, MatrixView dx, Write write, std::span<float> dweight,
                         std::span<float> dbias) {
  const Backward op = {dy, x, weight, mean, rstd, dx, write, dweight, dbias};
  with_element_type(x.dtype, "layer_norm_backward", [&]<class T>(T) {
    run_backward<T>(context, op, kernels::norm_kernels<T>().layer_norm_backward);
  });
}

void rms_norm_forward(Context& /*context*/, ConstMatrixView x, std::span<const float> weight,
                      const RmsNorm& norm, MatrixView y, std::span<float> rstd) {
  with_element_type(x.dtype, "rms_norm_forward", [&]<class T>(T) {
    parallel_for(x.rows, row_grain(x.cols), [&](std::int64_t begin, std::int64_t end) {
      auto work = forward_slice<T>(x, weight, {}, norm.epsilon, y, {}, rstd, begin, end);
      work.unit_offset = norm.unit_offset;
      work.rounds_before_weight = norm.rounds_before_weight;
      kernels::norm_kernels<T>().rms_norm_forward(work);
    });
  });
}

void rms_norm_backward(Context& context, ConstMatrixView dy, ConstMatrixView x, std::span<const float> weight,
                       const RmsNorm& norm, std::span<const float> rstd, MatrixView dx, Write write,
                       std::span<float> dweight) {
  const Backward op = {dy, x, weight, {}, rstd, dx, write, dweight, {}, norm.unit_offset};
  with_element_type(x.dtype, "rms_norm_backward", [&]<class T>(T) {
    run_backward<T>(context, op, kernels::norm_kernels<T>().rms_norm_backward);
  });
}

}  // namespace cola::ops::cpu
