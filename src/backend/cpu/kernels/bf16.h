#pragma once
#include <cstdint>

// Conversions for kernels (*.isa.cpp): static and always inlined, so that no copy is shared between
// instruction sets. bf16 is a std::uint16_t here: the upper half of an IEEE float32.
namespace cola::kernels {

[[gnu::always_inline]] static inline float to_float(float value) { return value; }
[[gnu::always_inline]] static inline float to_float(std::uint16_t bits) {
  return __builtin_bit_cast(float, static_cast<std::uint32_t>(bits) << 16);
}

[[gnu::always_inline]] static inline void store_float(float value, float* destination) {
  *destination = value;
}
/// Of a 16-bit half. Moving the bits into place leaves the exponent 112 too small, for subnormals too, so a
/// product with 2^112 makes it right; infinities and NaN need the largest exponent.
[[gnu::always_inline]] static inline float float_of_half(std::uint16_t bits) {
  const std::uint32_t magnitude = static_cast<std::uint32_t>(bits & 0x7fffU) << 13;
  const float scaled = __builtin_bit_cast(float, magnitude) * 0x1p112F;
  const std::uint32_t special = (bits & 0x7c00U) == 0x7c00U ? 0x7f800000U : 0U;
  const std::uint32_t sign = static_cast<std::uint32_t>(bits & 0x8000U) << 16;
  return __builtin_bit_cast(float, __builtin_bit_cast(std::uint32_t, scaled) | special | sign);
}

/// Rounds to nearest even; a NaN stays a (quiet) NaN.
[[gnu::always_inline]] static inline void store_float(float value, std::uint16_t* destination) {
  const auto word = __builtin_bit_cast(std::uint32_t, value);
  const std::uint32_t rounded = (word + 0x7fffU + ((word >> 16) & 1U)) >> 16;
  const std::uint32_t quiet = (word >> 16) | 0x40U;
  *destination = static_cast<std::uint16_t>((word & 0x7fffffffU) > 0x7f800000U ? quiet : rounded);
}

}  // namespace cola::kernels
