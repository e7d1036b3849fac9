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

/// Elements of a matrix as transpose() reads them: widened.
template <class T>
struct Elements {
  const T* data;
  std::int64_t stride;
  [[gnu::always_inline]] Floats vector(std::int64_t row, std::int64_t col) const {
    return load(data + row * stride + col);
  }
  [[gnu::always_inline]] float value(std::int64_t row, std::int64_t col) const {
    return to_float(data[row * stride + col]);
  }
};

/// to[col * to_stride + row] = from.value(row, col) for rows < count, cols < length.
template <class Source>
[[gnu::always_inline]] inline void transpose(std::int64_t count, std::int64_t length, const Source& from,
                                             float* to, std::int64_t to_stride) {
  std::int64_t row = 0;
  for (; row + lanes <= count; row += lanes) {
    std::int64_t col = 0;
    for (; col + lanes <= length; col += lanes) {
      Floats block[lanes];
#pragma GCC unroll 16
      for (int i = 0; i < lanes; ++i) block[i] = from.vector(row + i, col);
      transpose_parts<1>(block);
#pragma GCC unroll 16
      for (int i = 0; i < lanes; ++i) store(block[i], to + (col + i) * to_stride + row);
    }
    for (; col < length; ++col) {
      for (int i = 0; i < lanes; ++i) to[col * to_stride + row + i] = from.value(row + i, col);
    }
  }
  for (; row < count; ++row) {
    for (std::int64_t col = 0; col < length; ++col) to[col * to_stride + row] = from.value(row, col);
  }
}

}  // namespace cola::kernels::COLA_ISA_NAMESPACE
