#include "backend/cpu/kernels/dequantize.h"

#include "backend/cpu/kernels/bf16.h"
#include "backend/cpu/kernels/rounding.h"
#include "backend/cpu/kernels/simd.h"
#ifdef __AVX2__
#include <immintrin.h>
#endif

// Layouts: docs/gguf.md. A block is taken apart in pieces of 16 values, neighbours in the row, whose small
// integers fit bytes.
namespace cola::kernels::COLA_ISA_NAMESPACE {
namespace {

using Source = const std::uint8_t*;
using Bytes [[gnu::vector_size(16)]] = std::uint8_t;
using SignedBytes [[gnu::vector_size(16)]] = std::int8_t;

[[gnu::always_inline]] inline Bytes bytes_at(Source at) {
  Bytes bytes;
  __builtin_memcpy(&bytes, at, sizeof bytes);
  return bytes;
}
[[gnu::always_inline]] inline std::uint32_t word_at(Source at) {
  std::uint32_t word;
  __builtin_memcpy(&word, at, sizeof word);
  return word;
}
[[gnu::always_inline]] inline float half_at(Source at) {
  std::uint16_t bits;
  __builtin_memcpy(&bits, at, sizeof bits);
#ifdef __AVX2__
  return _cvtsh_ss(bits);
#else
  return float_of_half(bits);
#endif
}

[[gnu::always_inline]] inline Bytes low_nibbles(Bytes bytes) { return bytes & 15; }
[[gnu::always_inline]] inline Bytes high_nibbles(Bytes bytes) { return bytes >> 4; }

/// `lanes` of a piece's integers from `first` on. What GCC 12 makes of a generic conversion takes one byte at
/// a time with vectors longer than 16 bytes.
[[gnu::always_inline]] inline Floats floats_of(SignedBytes q, int first) {
#if defined(__AVX512F__)
  (void)first;  // all of them; with a mask, as GCC 12 warns of what the intrinsic without one is made of
  const __m512i wide = _mm512_maskz_cvtepi8_epi32(0xffff, __builtin_bit_cast(__m128i, q));
  return __builtin_convertvector(__builtin_bit_cast(Integers, wide), Floats);
#elif defined(__AVX2__)
  const auto all = __builtin_bit_cast(__m128i, q);
  const __m128i part = first == 0 ? all : _mm_unpackhi_epi64(all, all);
  return __builtin_bit_cast(Floats, _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(part)));
#else
  using LaneBytes [[gnu::vector_size(lanes)]] = std::int8_t;
  LaneBytes part;
  __builtin_memcpy(&part, reinterpret_cast<const char*>(&q) + first, sizeof part);
  return __builtin_convertvector(__builtin_convertvector(part, Integers), Floats);
#endif
}

/// Stores finish(q) of a piece's 16 integers, as floats.
template <class T, class Finish>
[[gnu::always_inline]] inline void put(SignedBytes q, T* to, const Finish& finish) {
#pragma GCC unroll 4
  for (int i = 0; i < 16; i += lanes) store_as(finish(floats_of(q, i)), to + i);
}
template <class T>
[[gnu::always_inline]] inline void put_scaled(SignedBytes q, float scale, T* to) {
  put(q, to, [=](Floats value) { return value * scale; });
}
template <class T>
[[gnu::always_inline]] inline void put_scaled(Bytes q, float scale, float minimum, T* to) {
  put(__builtin_bit_cast(SignedBytes, q), to, [=](Floats value) { return value * scale + minimum; });
}

template <class T>
[[gnu::always_inline]] inline void q8_0(Source block, T* to) {
  const float d = half_at(block);
#pragma GCC unroll 2
  for (int i = 0; i < 32; i += 16)
    put_scaled(__builtin_bit_cast(SignedBytes, bytes_at(block + 2 + i)), d, to + i);
}

/// 16 where a bit of `bits` is set, in the order of the bits.
[[gnu::always_inline]] inline Bytes fifth_bits(std::uint32_t bits) {
  using Pair [[gnu::vector_size(16)]] = std::uint64_t;
  constexpr std::uint64_t ones = 0x0101010101010101U;
  const Pair spread = {ones * (bits & 255U), ones * (bits >> 8 & 255U)};
  const Bytes one_each = {1, 2, 4, 8, 16, 32, 64, 128, 1, 2, 4, 8, 16, 32, 64, 128};
  const auto is_set = (__builtin_bit_cast(Bytes, spread) & one_each) == one_each;
  return __builtin_bit_cast(Bytes, is_set) & 16;
}

/// Q4_0 and Q4_1, and with fifth bits Q5_0 and Q5_1.
template <bool has_fifth_bit, bool has_minimum, class T>
[[gnu::always_inline]] inline void nibbles(Source block, T* to) {
  const float d = half_at(block);
  Source rest = block + (has_minimum ? 4 : 2);
  const std::uint32_t high = has_fifth_bit ? word_at(rest) : 0;
  if (has_fifth_bit) rest += 4;
  const Bytes both = bytes_at(rest);
  Bytes q[2] = {low_nibbles(both), high_nibbles(both)};
#pragma GCC unroll 2
  for (int i = 0; i < 2; ++i) {
    if (has_fifth_bit) q[i] |= fifth_bits(high >> (16 * i));
    if (has_minimum) {
      put_scaled(q[i], d, half_at(block + 2), to + 16 * i);
    } else {
      constexpr std::uint8_t zero = has_fifth_bit ? 16 : 8;
      put_scaled(__builtin_bit_cast(SignedBytes, q[i] - zero), d, to + 16 * i);
    }
  }
}

[[gnu::always_inline]] inline SignedBytes looked_up(const SignedBytes& table, Bytes index) {
#ifdef __AVX2__
  return __builtin_bit_cast(
      SignedBytes, _mm_shuffle_epi8(__builtin_bit_cast(__m128i, table), __builtin_bit_cast(__m128i, index)));
#else
  SignedBytes found;
  for (int i = 0; i < 16; ++i) found[i] = table[index[i]];
  return found;
#endif
}

constexpr SignedBytes iq4_values = {-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113};

template <class T>
[[gnu::always_inline]] inline void iq4(Source both, float scale, T* to) {
  const Bytes bytes = bytes_at(both);
  put_scaled(looked_up(iq4_values, low_nibbles(bytes)), scale, to);
  put_scaled(looked_up(iq4_values, high_nibbles(bytes)), scale, to + 16);
}

template <class T>
[[gnu::always_inline]] inline void iq4_nl(Source block, T* to) {
  iq4(block + 2, half_at(block), to);
}

template <class T>
[[gnu::always_inline]] inline void iq4_xs(Source block, T* to) {
  const float d = half_at(block);
  const auto scales_high = static_cast<unsigned>(block[2] | block[3] << 8);
  for (unsigned group = 0; group < 8; ++group) {
    const unsigned low = block[4 + group / 2] >> (4 * (group % 2)) & 15U;
    const auto scale = static_cast<int>(low | (scales_high >> (2 * group) & 3U) << 4U) - 32;
    iq4(block + 8 + 16 * group, d * static_cast<float>(scale), to + 32 * group);
  }
}

/// Subnormal values, which bf16 instructions would take for 0, are among these; the lower halves of all are
/// 0.
[[gnu::always_inline]] inline void store_upper_half(Floats value, float* to) { store(value, to); }
[[gnu::always_inline]] inline void store_upper_half(Floats value, std::uint16_t* to) {
  const auto bits = __builtin_convertvector(__builtin_bit_cast(Words, value) >> 16, HalfWords);
  __builtin_memcpy(to, &bits, sizeof bits);
}

/// The scale 2^(e - 128): half of e8m0's, whose table is doubled. 0 and 1 are subnormal.
template <class T>
[[gnu::always_inline]] inline void mxfp4(Source block, T* to) {
  constexpr SignedBytes values = {0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12};
  const std::uint32_t e = block[0];
  const float d = __builtin_bit_cast(float, e < 2 ? 0x00200000U << e : (e - 1) << 23);
  const Bytes bytes = bytes_at(block + 1);
  float scaled[32];
  put_scaled(looked_up(values, low_nibbles(bytes)), d, scaled);
  put_scaled(looked_up(values, high_nibbles(bytes)), d, scaled + 16);
  for (int i = 0; i < 32; i += lanes) store_upper_half(load(scaled + i), to + i);
}

template <class T>
[[gnu::always_inline]] inline void q2_k(Source block, T* to) {
  const Bytes packed = bytes_at(block);
  float scales[16], minimums[16];
  put_scaled(__builtin_bit_cast(SignedBytes, low_nibbles(packed)), half_at(block + 80), scales);
  put_scaled(__builtin_bit_cast(SignedBytes, high_nibbles(packed)), half_at(block + 82), minimums);
#pragma GCC unroll 16
  for (int piece = 0; piece < 16; ++piece) {
    const int half = piece / 8, k = piece % 8 / 2, part = piece % 2;
    const Bytes q = bytes_at(block + 16 + 32 * half + 16 * part) >> (2 * k) & 3;
    put_scaled(q, scales[piece], -minimums[piece], to + 16 * piece);
  }
}

template <class T>
[[gnu::always_inline]] inline void q3_k(Source block, T* to) {
  Source packed = block + 96;
  SignedBytes six_bits;
  for (unsigned i = 0; i < 16; ++i) {
    const unsigned low = i < 8 ? packed[i] & 15U : packed[i - 8] >> 4U;
    const unsigned high = packed[8 + i % 4] >> (2 * (i / 4)) & 3U;
    six_bits[i] = static_cast<std::int8_t>(static_cast<int>(low | high << 4U) - 32);
  }
  float scales[16];
  put_scaled(six_bits, half_at(block + 108), scales);
#pragma GCC unroll 16
  for (int piece = 0; piece < 16; ++piece) {
    const int half = piece / 8, k = piece % 8 / 2, part = piece % 2;
    const Bytes low = bytes_at(block + 32 + 32 * half + 16 * part) >> (2 * k) & 3;
    const Bytes high = (bytes_at(block + 16 * part) >> (4 * half + k) & 1) << 2;
    put_scaled(__builtin_bit_cast(SignedBytes, low + high - 4), scales[piece], to + 16 * piece);
  }
}

/// Q4_K and Q5_K: 8 groups of 32 values with 6-bit scales and minimums.
template <bool has_fifth_bit, class T>
[[gnu::always_inline]] inline void q45_k(Source block, T* to) {
  using Quarters [[gnu::vector_size(16)]] = std::uint32_t;
  const std::uint32_t first = word_at(block + 4), second = word_at(block + 8), third = word_at(block + 12);
  const Quarters packed = {first & 0x3f3f3f3fU, (third & 0x0f0f0f0fU) | (first >> 6 & 0x03030303U) << 4,
                           second & 0x3f3f3f3fU,
                           (third >> 4 & 0x0f0f0f0fU) | (second >> 6 & 0x03030303U) << 4};
  float factors[16];
  put_scaled(__builtin_bit_cast(SignedBytes, packed), 1.0F, factors);
  const float d = half_at(block);
  const float dmin = half_at(block + 2);
  Source low = block + (has_fifth_bit ? 48 : 16);
#pragma GCC unroll 8
  for (int group = 0; group < 8; ++group) {
    const float scale = d * factors[group];
    const float minimum = -(dmin * factors[8 + group]);
    for (int part = 0; part < 2; ++part) {
      const Bytes both = bytes_at(low + 32 * (group / 2) + 16 * part);
      Bytes q = group % 2 == 0 ? low_nibbles(both) : high_nibbles(both);
      if (has_fifth_bit) q |= (bytes_at(block + 16 + 16 * part) >> group & 1) << 4;
      put_scaled(q, scale, minimum, to + 32 * group + 16 * part);
    }
  }
}

template <class T>
[[gnu::always_inline]] inline void q6_k(Source block, T* to) {
  float scales[16];
  put_scaled(__builtin_bit_cast(SignedBytes, bytes_at(block + 192)), half_at(block + 208), scales);
#pragma GCC unroll 16
  for (int piece = 0; piece < 16; ++piece) {
    const int half = piece / 8, k = piece % 8 / 2, part = piece % 2;
    const Bytes both = bytes_at(block + 64 * half + 32 * (k % 2) + 16 * part);
    const Bytes low = k < 2 ? low_nibbles(both) : high_nibbles(both);
    const Bytes high = (bytes_at(block + 128 + 32 * half + 16 * part) >> (2 * k) & 3) << 4;
    put_scaled(__builtin_bit_cast(SignedBytes, (low | high) - 32), scales[piece], to + 16 * piece);
  }
}

template <auto expand, int values, int bytes, class T>
void each(std::int64_t blocks, Source from, T* to) {
  for (std::int64_t i = 0; i < blocks; ++i) expand(from + i * bytes, to + i * values);
}

template <class T>
constexpr ExpandKernels<T> table = {
    .q4_0 = each<nibbles<false, false, T>, 32, 18, T>,
    .q4_1 = each<nibbles<false, true, T>, 32, 20, T>,
    .q5_0 = each<nibbles<true, false, T>, 32, 22, T>,
    .q5_1 = each<nibbles<true, true, T>, 32, 24, T>,
    .q8_0 = each<q8_0<T>, 32, 34, T>,
    .q2_k = each<q2_k<T>, 256, 84, T>,
    .q3_k = each<q3_k<T>, 256, 110, T>,
    .q4_k = each<q45_k<false, T>, 256, 144, T>,
    .q5_k = each<q45_k<true, T>, 256, 176, T>,
    .q6_k = each<q6_k<T>, 256, 210, T>,
    .iq4_nl = each<iq4_nl<T>, 32, 18, T>,
    .iq4_xs = each<iq4_xs<T>, 256, 136, T>,
    .mxfp4 = each<mxfp4<T>, 32, 17, T>,
};

}  // namespace

const DequantizeKernels dequantize_table = {table<float>, table<std::uint16_t>};

}  // namespace cola::kernels::COLA_ISA_NAMESPACE
