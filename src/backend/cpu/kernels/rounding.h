#pragma once
#include <cstdint>

#include "backend/cpu/kernels/simd.h"
#ifdef __AVX512BF16__
#include <immintrin.h>
#endif

// Vectors of f32 rounded to bf16, to nearest even, for *.isa.cpp.
namespace cola::kernels::COLA_ISA_NAMESPACE {

/// bf16 of each element in the low half of its word.
[[gnu::always_inline]] inline Words rounded(Floats value) {
  const Words word = __builtin_bit_cast(Words, value);
  const Words nearest = (word + 0x7fffU + ((word >> 16) & 1U)) >> 16;
  const Words quiet = (word >> 16) | 0x40U;
  return (word & 0x7fffffffU) > 0x7f800000U ? quiet : nearest;
}

/// bf16 of each element of `low` and `high` in one word.
[[gnu::always_inline]] inline Words rounded_pair(Floats low, Floats high) {
#ifdef __AVX512BF16__
  const auto both = __builtin_bit_cast(
      __m512i, _mm512_cvtne2ps_pbh(__builtin_bit_cast(__m512, high), __builtin_bit_cast(__m512, low)));
  const __m512i in_turns = _mm512_set_epi16(31, 15, 30, 14, 29, 13, 28, 12, 27, 11, 26, 10, 25, 9, 24, 8, 23,
                                            7, 22, 6, 21, 5, 20, 4, 19, 3, 18, 2, 17, 1, 16, 0);
  return __builtin_bit_cast(Words, _mm512_permutexvar_epi16(in_turns, both));
#else
  return rounded(low) | (rounded(high) << 16);
#endif
}

/// bf16 of the elements of `low` and then of `high`, as 16-bit elements.
[[gnu::always_inline]] inline Words rounded_row(Floats low, Floats high) {
#ifdef __AVX512BF16__
  return __builtin_bit_cast(
      Words, _mm512_cvtne2ps_pbh(__builtin_bit_cast(__m512, high), __builtin_bit_cast(__m512, low)));
#else
  const HalfWords halves[2] = {__builtin_convertvector(rounded(low), HalfWords),
                               __builtin_convertvector(rounded(high), HalfWords)};
  return __builtin_bit_cast(Words, halves);
#endif
}

[[gnu::always_inline]] inline void store_as(Floats value, float* target) { store(value, target); }
[[gnu::always_inline]] inline void store_as(Floats value, std::uint16_t* target) {
#ifdef __AVX512BF16__
  const auto bits = _mm512_cvtneps_pbh(__builtin_bit_cast(__m512, value));
#else
  const auto bits = __builtin_convertvector(rounded(value), HalfWords);
#endif
  __builtin_memcpy(target, &bits, sizeof bits);
}
/// The first `count` elements.
template <class T>
[[gnu::always_inline]] inline void store_first(Floats value, std::int64_t count, T* target) {
  T values[lanes];
  store_as(value, values);
  __builtin_memcpy(target, values, static_cast<std::size_t>(count) * sizeof(T));
}
/// Two vectors, one after the other.
[[gnu::always_inline]] inline void store_as(Floats low, Floats high, float* target) {
  store(low, target);
  store(high, target + lanes);
}
[[gnu::always_inline]] inline void store_as(Floats low, Floats high, std::uint16_t* target) {
  const Words row = rounded_row(low, high);
  __builtin_memcpy(target, &row, sizeof row);
}

}  // namespace cola::kernels::COLA_ISA_NAMESPACE
