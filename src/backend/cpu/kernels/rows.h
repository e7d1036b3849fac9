#pragma once
#include <cstdint>

namespace cola::kernels {

/// Rows of a matrix for kernels: `stride` elements from one row to the next.
template <class T>
struct Rows {
  T* data;
  std::int64_t stride;

  [[gnu::always_inline]] T* operator[](std::int64_t row) const { return data + row * stride; }
};

}  // namespace cola::kernels
