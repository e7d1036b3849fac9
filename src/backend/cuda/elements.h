#pragma once
#include <string_view>

#include "backend/checks.h"
#include "backend/cuda/kernels/rows.h"
#include "core/dtype.h"
#include "core/matrix.h"

// What the CUDA ops share: the step from views to the kernels' rows.
namespace cola::cuda {}

namespace cola::ops::cuda {

namespace launch = cola::cuda;  // the kernels' launchers

template <class T>
[[nodiscard]] launch::Rows<const T> rows_of(ConstMatrixView view) {
  return {static_cast<const T*>(view.data), view.stride};
}
template <class T>
[[nodiscard]] launch::Rows<T> rows_of(MatrixView view) {
  return {static_cast<T*>(view.data), view.stride};
}

/// Calls body(T{}) with the element type of a compute dtype.
template <class Body>
void with_element_type(DType dtype, std::string_view op, const Body& body) {
  if (dtype == DType::f32) return body(float{});
  if (dtype == DType::bf16) return body(BFloat16{});
  check(false, op, "operands are neither f32 nor bf16");
}

/// Calls body(From{}, To{}) for the dtypes that ops::convert takes, but for a copy of f16 to f16.
template <class Body>
void with_conversion(DType from, DType to, std::string_view op, const Body& body) {
  with_element_type(to, op, [&]<class To>(To) {
    if (from == DType::f16) return body(Float16{}, To{});
    with_element_type(from, op, [&]<class From>(From) { body(From{}, To{}); });
  });
}

}  // namespace cola::ops::cuda
