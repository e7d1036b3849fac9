#pragma once
#include <cstdint>

#include "core/dtype.h"

// NOLINTBEGIN: CUDA's names
struct __half {
  std::uint16_t bits;
};
inline float __half2float(__half value) {
  cola::Float16 number;
  number.bits = value.bits;
  return static_cast<float>(number);
}
inline __half __ushort_as_half(unsigned short bits) { return {bits}; }
// NOLINTEND
