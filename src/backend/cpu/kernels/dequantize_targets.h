#pragma once
#include <cstdint>
#include <type_traits>

#include "backend/cpu/kernels/rounding.h"
#include "backend/cpu/kernels/simd.h"

// Where the values of quantised blocks go. Each takes a vector of them (put), two whole vectors that are
// neighbours, or 32 values by their codes: what `ready` made of the 16 that there can be is looked up.
namespace cola::kernels::COLA_ISA_NAMESPACE {

using Bytes [[gnu::vector_size(16)]] = std::uint8_t;

/// Rounded to bf16, to nearest even, in the upper halves. Values of blocks are finite (cola::blocks_finite).
[[gnu::always_inline]] inline Words in_upper_half(Floats value) {
  const Words word = __builtin_bit_cast(Words, value);
  return (word + 0x7fffU + ((word >> 16) & 1U)) & 0xffff0000U;
}

#ifdef __AVX512F__
constexpr std::uint16_t all_lanes = 0xffff;  // GCC 12 warns of what intrinsics without masks are made of

[[gnu::always_inline]] inline Floats entries_of(Floats table, Bytes index) {
  const __m512i wide = _mm512_maskz_cvtepu8_epi32(all_lanes, __builtin_bit_cast(__m128i, index));
  return __builtin_bit_cast(Floats,
                            _mm512_maskz_permutexvar_ps(all_lanes, wide, __builtin_bit_cast(__m512, table)));
}

/// 16 values in bf16, twice.
using HalfTable [[gnu::vector_size(64)]] = std::uint16_t;

[[gnu::always_inline]] inline HalfTable entries_of(HalfTable table, Bytes first, Bytes second) {
  const auto both =
      __builtin_shufflevector(first, second, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18,
                              19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31);
  const __m512i wide = _mm512_cvtepu8_epi16(__builtin_bit_cast(__m256i, both));
  return __builtin_bit_cast(
      HalfTable, _mm512_maskz_permutexvar_epi16(0xffffffff, wide, __builtin_bit_cast(__m512i, table)));
}
#endif

struct StoreFloats {
  float* to;

  [[gnu::always_inline]] StoreFloats operator+(int i) const { return {to + i}; }
  [[gnu::always_inline]] void put(Floats value, int i) const { store(value, to + i); }
  [[gnu::always_inline]] void put(Floats low, Floats high, int i) const {
    put(low, i);
    put(high, i + lanes);
  }
#ifdef __AVX512F__
  [[gnu::always_inline]] static Floats ready(Floats values) { return values; }
  [[gnu::always_inline]] void put_codes(Floats table, Bytes first, Bytes second) const {
    put(entries_of(table, first), entries_of(table, second), 0);
  }
#endif
};

struct StoreRounded {
  std::uint16_t* to;

  [[gnu::always_inline]] StoreRounded operator+(int i) const { return {to + i}; }
  [[gnu::always_inline]] void put(Floats value, int i) const {
#ifdef __AVX512BF16__
    store_as(value, to + i);
#else
    const HalfWords halves = __builtin_convertvector(in_upper_half(value) >> 16, HalfWords);
    __builtin_memcpy(to + i, &halves, sizeof halves);
#endif
  }
  [[gnu::always_inline]] void put(Floats low, Floats high, int i) const {
#ifdef __AVX512BF16__
    store_as(low, high, to + i);
#else
    put(low, i);
    put(high, i + lanes);
#endif
  }
#ifdef __AVX512F__
  /// Values of codes may be subnormal, which the instruction for it would take for 0.
  [[gnu::always_inline]] static HalfTable ready(Floats values) {
    const HalfWords halves = __builtin_convertvector(in_upper_half(values) >> 16, HalfWords);
    return __builtin_shufflevector(halves, halves, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 0, 1,
                                   2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
  }
  [[gnu::always_inline]] void put_codes(HalfTable table, Bytes first, Bytes second) const {
    const HalfTable values = entries_of(table, first, second);
    __builtin_memcpy(to, &values, sizeof values);
  }
#endif
};

constexpr int sums_at_once = 4;  ///< of a dot product: none waits for the one before it

[[gnu::always_inline]] inline float total(const Floats* sums) {
  return sum_of((sums[0] + sums[1]) + (sums[2] + sums[3]));
}

/// Adds products with x, of values rounded to bf16 (then x is bf16, too) or not.
template <bool is_rounded>
struct Multiply {
  using Input = std::conditional_t<is_rounded, std::uint16_t, float>;
  static constexpr int step = lanes;  ///< values of a product

  const Input* x;
  Floats* sums;
  int place;  ///< of x[0], which says to which sum its products are added

  [[gnu::always_inline]] Multiply operator+(int i) const { return {x + i, sums, place + i}; }
  [[gnu::always_inline]] void put(Floats value, int i) const { add(ready(value), i); }
  [[gnu::always_inline]] void put(Floats low, Floats high, int i) const {
    put(low, i);
    put(high, i + lanes);
  }
  [[gnu::always_inline]] static Floats ready(Floats values) {
    return is_rounded ? __builtin_bit_cast(Floats, in_upper_half(values)) : values;
  }
#ifdef __AVX512F__
  [[gnu::always_inline]] void put_codes(Floats table, Bytes first, Bytes second) const {
    add(entries_of(table, first), 0);
    add(entries_of(table, second), lanes);
  }
#endif

 private:
  [[gnu::always_inline]] void add(Floats value, int i) const {
    sums[(place + i) / step % sums_at_once] += value * load(x + i);
  }
};

#ifdef __AVX512BF16__
/// As they are in bf16, in pairs. To the instructions for it subnormal values are 0.
template <>
struct Multiply<true> {
  using Input = std::uint16_t;
  static constexpr int step = 2 * lanes;

  const Input* x;
  Floats* sums;
  int place;

  [[gnu::always_inline]] Multiply operator+(int i) const { return {x + i, sums, place + i}; }
  [[gnu::always_inline]] void put(Floats low, Floats high, int i) const { add(rounded_row(low, high), i); }
  [[gnu::always_inline]] static HalfTable ready(Floats values) {
    return __builtin_bit_cast(HalfTable, rounded_row(values, values));
  }
  [[gnu::always_inline]] void put_codes(HalfTable table, Bytes first, Bytes second) const {
    add(__builtin_bit_cast(Words, entries_of(table, first, second)), 0);
  }

 private:
  [[gnu::always_inline]] void add(Words values, int i) const {
    Words other;
    __builtin_memcpy(&other, x + i, sizeof other);
    Floats& sum = sums[(place + i) / step % sums_at_once];
    sum = __builtin_bit_cast(
        Floats, _mm512_dpbf16_ps(__builtin_bit_cast(__m512, sum), __builtin_bit_cast(__m512bh, values),
                                 __builtin_bit_cast(__m512bh, other)));
  }
};
#endif

}  // namespace cola::kernels::COLA_ISA_NAMESPACE
