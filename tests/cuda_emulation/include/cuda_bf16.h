#pragma once
#include <cstdint>

#include "core/dtype.h"

// NOLINTBEGIN: CUDA's names. cola::BFloat16 rounds to nearest even, as the device does.
struct __nv_bfloat16 {
  std::uint16_t bits;
};
inline float __bfloat162float(__nv_bfloat16 value) {
  cola::BFloat16 number;
  number.bits = value.bits;
  return static_cast<float>(number);
}
inline __nv_bfloat16 __float2bfloat16_rn(float value) { return {cola::BFloat16(value).bits}; }
// NOLINTEND
