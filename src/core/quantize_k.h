#pragma once
#include <cstdint>

#include "core/dtype.h"

// The rounding of blocks of 256 values with scales of their own in groups: core/quantize.h.
namespace cola {

inline void put_half(float value, std::uint8_t* at) {
  const std::uint16_t bits = Float16(value).bits;
  at[0] = static_cast<std::uint8_t>(bits & 255U);
  at[1] = static_cast<std::uint8_t>(bits >> 8U);
}

void quantize_q4_k(const float* values, std::uint8_t* block);
void quantize_q5_k(const float* values, std::uint8_t* block);
void quantize_q6_k(const float* values, std::uint8_t* block);

}  // namespace cola
