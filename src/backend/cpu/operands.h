#pragma once
#include <cstdint>
#include <string_view>

#include "backend/checks.h"
#include "backend/cpu/kernels/rows.h"
#include "core/matrix.h"

// What the CPU ops share: the step from views to kernels' rows, and cutting.
namespace cola::ops {

template <class T>
[[nodiscard]] kernels::Rows<const T> rows_of(ConstMatrixView view) {
  return {static_cast<const T*>(view.data), view.stride};
}
template <class T>
[[nodiscard]] kernels::Rows<T> rows_of(MatrixView view) {
  return {static_cast<T*>(view.data), view.stride};
}

/// Calls body(T{}) with the kernels' element type of a compute dtype: float for f32, std::uint16_t for bf16.
template <class Body>
void with_element_type(DType dtype, std::string_view op, const Body& body) {
  if (dtype == DType::f32) return body(float{});
  if (dtype == DType::bf16) return body(std::uint16_t{});
  check(false, op, "operands are neither f32 nor bf16");
}

/// Pieces of up to `size` that `count` is cut into.
[[nodiscard]] constexpr std::int64_t pieces(std::int64_t count, std::int64_t size) {
  return (count + size - 1) / size;
}

/// Rows that are worth a thread of their own, for work that grows with the elements.
[[nodiscard]] inline std::int64_t row_grain(std::int64_t cols) {
  constexpr std::int64_t elements = 16384;
  return cols > 0 ? (elements + cols - 1) / cols : elements;
}

}  // namespace cola::ops
