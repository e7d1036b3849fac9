#pragma once
#include <fmt/format.h>

#include <initializer_list>
#include <stdexcept>
#include <string_view>

#include "core/matrix.h"

namespace cola::ops {

/// Wrong shapes and dtypes are mistakes of the program, not of its user.
inline void check(bool condition, std::string_view op, std::string_view what) {
  if (!condition) throw std::logic_error(fmt::format("{}: {}", op, what));
}

inline void check_shape(ConstMatrixView view, std::int64_t rows, std::int64_t cols, std::string_view op,
                        std::string_view name) {
  if (view.rows != rows || view.cols != cols || view.stride < cols) {
    throw std::logic_error(fmt::format("{}: {} is [{}, {}] with stride {}, expected [{}, {}]", op, name,
                                       view.rows, view.cols, view.stride, rows, cols));
  }
}

/// Requires every view to have the first one's shape and dtype.
inline void check_alike(std::initializer_list<ConstMatrixView> views, std::string_view op) {
  const ConstMatrixView& first = *views.begin();
  for (const ConstMatrixView& view : views) {
    check_shape(view, first.rows, first.cols, op, "an operand");
    check(view.dtype == first.dtype, op, "operands differ in dtype");
  }
}

inline bool is_compute_dtype(DType dtype) { return dtype == DType::f32 || dtype == DType::bf16; }
/// Of a weight that is not trained.
inline bool is_weight_dtype(DType dtype) { return is_compute_dtype(dtype) || is_quantized(dtype); }

}  // namespace cola::ops
