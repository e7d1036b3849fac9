#pragma once
#include <cstdint>
#include <utility>

#include "backend/cpu/kernels/simd.h"

// Blocks of a matrix transposed in registers, for *.isa.cpp.
namespace cola::kernels::COLA_ISA_NAMESPACE {

/// Of a block's rows i and i + distance: element j of the first where j has not the bit `distance`, of the
/// second (at j - distance) where it has; and what is left, likewise.
template <int distance, int... j>
[[gnu::always_inline]] inline void exchange(Floats& a, Floats& b,
                                            std::integer_sequence<int, j...> /*lanes*/) {
  const Floats low = __builtin_shufflevector(a, b, ((j & distance) != 0 ? lanes + j - distance : j)...);
  const Floats high = __builtin_shufflevector(a, b, ((j & distance) != 0 ? lanes + j : j + distance)...);
  a = low;
  b = high;
}

template <int distance>
[[gnu::always_inline]] inline void transpose_parts(Floats (&row)[lanes]) {
  if constexpr (distance < lanes) {
#pragma GCC unroll 16
    for (int i = 0; i < lanes; ++i) {
      if ((i & distance) == 0)
        exchange<distance>(row[i], row[i + distance], std::make_integer_sequence<int, lanes>());
    }
    transpose_parts<2 * distance>(row);
  }
}

/// to[col * to_stride + row] = from[row * from_stride + col], widened, for rows < count, cols < length.
template <class T>
[[gnu::always_inline]] inline void transpose(std::int64_t count, std::int64_t length, const T* from,
                                             std::int64_t from_stride, float* to, std::int64_t to_stride) {
  std::int64_t row = 0;
  for (; row + lanes <= count; row += lanes) {
    std::int64_t col = 0;
    for (; col + lanes <= length; col += lanes) {
      Floats block[lanes];
#pragma GCC unroll 16
      for (int i = 0; i < lanes; ++i) block[i] = load(from + (row + i) * from_stride + col);
      transpose_parts<1>(block);
#pragma GCC unroll 16
      for (int i = 0; i < lanes; ++i) store(block[i], to + (col + i) * to_stride + row);
    }
    for (; col < length; ++col) {
      for (int i = 0; i < lanes; ++i)
        to[col * to_stride + row + i] = to_float(from[(row + i) * from_stride + col]);
    }
  }
  for (; row < count; ++row) {
    for (std::int64_t col = 0; col < length; ++col)
      to[col * to_stride + row] = to_float(from[row * from_stride + col]);
  }
}

}  // namespace cola::kernels::COLA_ISA_NAMESPACE
