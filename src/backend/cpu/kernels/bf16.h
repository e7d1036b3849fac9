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
/// Rounds to nearest even; a NaN stays a (quiet) NaN.
[[gnu::always_inline]] static inline void store_float(float value, std::uint16_t* destination) {
  const auto word = __builtin_bit_cast(std::uint32_t, value);
  const std::uint32_t rounded = (word + 0x7fffU + ((word >> 16) & 1U)) >> 16;
  const std::uint32_t quiet = (word >> 16) | 0x40U;
  *destination = static_cast<std::uint16_t>((word & 0x7fffffffU) > 0x7f800000U ? quiet : rounded);
}

}  // namespace cola::kernels
