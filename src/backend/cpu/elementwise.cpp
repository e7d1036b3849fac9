#include <cstring>

#include "backend/cpu/kernels/elementwise.h"
#include "backend/cpu/operands.h"
#include "backend/cpu/ops.h"
#include "core/parallel.h"

namespace cola::ops::cpu {

void fill_zero(Context& /*context*/, MatrixView x) {
  const std::size_t bytes = static_cast<std::size_t>(x.cols) * size_of(x.dtype);
  parallel_for(x.rows, row_grain(x.cols), [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t row = begin; row < end; ++row) std::memset(x.row_range(row, row + 1).data, 0, bytes);
  });
}

void add(Context& /*context*/, ConstMatrixView a, ConstMatrixView b, MatrixView y, float scale) {
  with_element_type(y.dtype, "add", [&]<class T>(T) {
    parallel_for(y.rows, row_grain(y.cols), [&](std::int64_t begin, std::int64_t end) {
      kernels::elementwise_kernels<T>().add(end - begin, y.cols, rows_of<T>(a.row_range(begin, end)),
                                            rows_of<T>(b.row_range(begin, end)), scale,
                                            rows_of<T>(y.row_range(begin, end)));
    });
  });
}

void scale(Context& /*context*/, ConstMatrixView x, float factor, MatrixView y) {
  with_element_type(y.dtype, "scale", [&]<class T>(T) {
    parallel_for(y.rows, row_grain(y.cols), [&](std::int64_t begin, std::int64_t end) {
      kernels::elementwise_kernels<T>().scale(end - begin, y.cols, rows_of<T>(x.row_range(begin, end)),
                                              factor, rows_of<T>(y.row_range(begin, end)));
    });
  });
}

void relu_forward(Context& /*context*/, MatrixView x, std::span<std::uint8_t> positive) {
  const std::int64_t mask_row = positive.empty() ? 0 : relu_mask_bytes(1, x.cols);
  with_element_type(x.dtype, "relu_forward", [&]<class T>(T) {
    parallel_for(x.rows, row_grain(x.cols), [&](std::int64_t begin, std::int64_t end) {
      std::uint8_t* mask = positive.empty() ? nullptr : positive.data() + begin * mask_row;
      kernels::elementwise_kernels<T>().relu_forward(end - begin, x.cols, rows_of<T>(x.row_range(begin, end)),
                                                     {mask, mask_row});
    });
  });
}

void relu_backward(Context& /*context*/, ConstMatrixView dy, std::span<const std::uint8_t> positive,
                   MatrixView dx) {
  const std::int64_t mask_row = relu_mask_bytes(1, dx.cols);
  with_element_type(dx.dtype, "relu_backward", [&]<class T>(T) {
    parallel_for(dx.rows, row_grain(dx.cols), [&](std::int64_t begin, std::int64_t end) {
      kernels::elementwise_kernels<T>().relu_backward(
          end - begin, dx.cols, rows_of<T>(dy.row_range(begin, end)),
          {positive.data() + begin * mask_row, mask_row}, rows_of<T>(dx.row_range(begin, end)));
    });
  });
}

void gate_forward(Context& /*context*/, Gate function, ConstMatrixView gate, ConstMatrixView up,
                  MatrixView h) {
  with_element_type(h.dtype, "gate_forward", [&]<class T>(T) {
    const auto& kernel = kernels::gate_kernels<T>(function);
    parallel_for(h.rows, row_grain(h.cols), [&](std::int64_t begin, std::int64_t end) {
      kernel.forward(end - begin, h.cols, rows_of<T>(gate.row_range(begin, end)),
                     rows_of<T>(up.row_range(begin, end)), rows_of<T>(h.row_range(begin, end)));
    });
  });
}

void gate_backward(Context& /*context*/, Gate function, ConstMatrixView dh, ConstMatrixView gate,
                   ConstMatrixView up, MatrixView dgate, MatrixView dup) {
  with_element_type(dh.dtype, "gate_backward", [&]<class T>(T) {
    const auto& kernel = kernels::gate_kernels<T>(function);
    parallel_for(dh.rows, row_grain(dh.cols), [&](std::int64_t begin, std::int64_t end) {
      kernel.backward(end - begin, dh.cols, rows_of<T>(dh.row_range(begin, end)),
                      rows_of<T>(gate.row_range(begin, end)), rows_of<T>(up.row_range(begin, end)),
                      rows_of<T>(dgate.row_range(begin, end)), rows_of<T>(dup.row_range(begin, end)));
    });
  });
}

}  // namespace cola::ops::cpu
