#include "backend/cpu/kernels/dequantize.h"

#include <algorithm>

#include "backend/cpu/kernels/bf16.h"
#include "backend/cpu/kernels/dequantize_targets.h"
#include "backend/cpu/kernels/simd.h"
#ifdef __AVX2__
#include <immintrin.h>
#endif

// Layouts: docs/gguf.md. A block is taken apart in pieces of 16 values, neighbours in the row, whose small
// integers fit bytes.
namespace cola::kernels::COLA_ISA_NAMESPACE {
namespace {

using Source = const std::uint8_t*;
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

/// The same in every lane. A finite normal number is widened by the ports of integers, which have less to do.
[[gnu::always_inline]] inline Floats halves_at(Source at) {
  std::uint16_t bits;
  __builtin_memcpy(&bits, at, sizeof bits);
  constexpr std::uint32_t exponent = 0x7c00U, bias = 112U << 23;
  if ((bits & exponent) == 0) [[unlikely]]
    return Floats{} + half_at(at);
  return __builtin_bit_cast(Floats, Words{} + ((bits & 0x8000U) << 16 | (((bits & 0x7fffU) << 13) + bias)));
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

/// Puts finish(q) of a piece's 16 integers, as floats.
template <class To, class Finish>
[[gnu::always_inline]] inline void put(SignedBytes q, To to, const Finish& finish) {
#pragma GCC unroll 4
  for (int i = 0; i < 16; i += lanes) to.put(finish(floats_of(q, i)), i);
}
/// The same of two neighbours.
template <class To, class First, class Second>
[[gnu::always_inline]] inline void put(SignedBytes q_first, SignedBytes q_second, To to, const First& first,
                                       const Second& second) {
#ifdef __AVX512F__
  to.put(first(floats_of(q_first, 0)), second(floats_of(q_second, 0)), 0);
#else
  put(q_first, to, first);
  put(q_second, to + 16, second);
#endif
}

[[gnu::always_inline]] inline SignedBytes as_signed(Bytes bytes) {
  return __builtin_bit_cast(SignedBytes, bytes);
}
template <class Scale>
[[gnu::always_inline]] inline auto scaled_by(Scale scale) {
  return [scale](Floats value) __attribute__((always_inline)) { return value * scale; };
}
template <class Scale>
[[gnu::always_inline]] inline auto scaled_by(Scale scale, Scale minimum) {
  return [scale, minimum](Floats value) __attribute__((always_inline)) { return value * scale + minimum; };
}

template <class To>
[[gnu::always_inline]] inline void q8_0(Source block, To to) {
  const auto scaled = scaled_by(halves_at(block));
  put(as_signed(bytes_at(block + 2)), as_signed(bytes_at(block + 18)), to, scaled, scaled);
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

// What nibbles stand for.
template <int zero>
struct Steps {
  [[gnu::always_inline]] static SignedBytes of(Bytes nibbles) {
    return __builtin_bit_cast(SignedBytes, nibbles - static_cast<std::uint8_t>(zero));
  }
};
struct Iq4 {
  [[gnu::always_inline]] static SignedBytes of(Bytes nibbles) {
    constexpr SignedBytes values = {-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113};
    return looked_up(values, nibbles);
  }
};
struct Fp4 {
  [[gnu::always_inline]] static SignedBytes of(Bytes nibbles) {
    constexpr SignedBytes values = {0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12};
    return looked_up(values, nibbles);
  }
};

/// Puts finish(what the code is), of two pieces of nibbles: where a vector holds 16 floats, by looking up the
/// 16 values that there can be.
template <class Code, class To, class Finish>
[[gnu::always_inline]] inline void put_codes(Bytes first, Bytes second, To to, const Finish& finish) {
#ifdef __AVX512F__
  constexpr Bytes every = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
  to.put_codes(To::ready(finish(floats_of(Code::of(every), 0))), first, second);
#else
  put(Code::of(first), Code::of(second), to, finish, finish);
#endif
}
template <class Code, class Scale, class To>
[[gnu::always_inline]] inline void put_nibbles(Source at, Scale scale, To to) {
  const Bytes both = bytes_at(at);
  put_codes<Code>(low_nibbles(both), high_nibbles(both), to, scaled_by(scale));
}

template <class To>
[[gnu::always_inline]] inline void q4_0(Source block, To to) {
  put_nibbles<Steps<8>>(block + 2, halves_at(block), to);
}

template <class To>
[[gnu::always_inline]] inline void q4_1(Source block, To to) {
  const Bytes both = bytes_at(block + 4);
  put_codes<Steps<0>>(low_nibbles(both), high_nibbles(both), to,
                      scaled_by(halves_at(block), halves_at(block + 2)));
}

template <class To>
[[gnu::always_inline]] inline void q5_0(Source block, To to) {
  const std::uint32_t high = word_at(block + 2);
  const Bytes both = bytes_at(block + 6);
  const auto scaled = scaled_by(halves_at(block));
  put(Steps<16>::of(low_nibbles(both) | fifth_bits(high)),
      Steps<16>::of(high_nibbles(both) | fifth_bits(high >> 16)), to, scaled, scaled);
}

template <class To>
[[gnu::always_inline]] inline void q5_1(Source block, To to) {
  const std::uint32_t high = word_at(block + 4);
  const Bytes both = bytes_at(block + 8);
  const auto scaled = scaled_by(halves_at(block), halves_at(block + 2));
  put(as_signed(low_nibbles(both) | fifth_bits(high)), as_signed(high_nibbles(both) | fifth_bits(high >> 16)),
      to, scaled, scaled);
}

template <class To>
[[gnu::always_inline]] inline void iq4_nl(Source block, To to) {
  put_nibbles<Iq4>(block + 2, halves_at(block), to);
}

template <class To>
[[gnu::always_inline]] inline void iq4_xs(Source block, To to) {
  const float d = half_at(block);
  const auto scales_high = static_cast<unsigned>(block[2] | block[3] << 8);
#pragma GCC unroll 8
  for (unsigned group = 0; group < 8; ++group) {
    const unsigned low = block[4 + group / 2] >> (4 * (group % 2)) & 15U;
    const auto scale = static_cast<int>(low | (scales_high >> (2 * group) & 3U) << 4U) - 32;
    put_nibbles<Iq4>(block + 8 + 16 * group, d * static_cast<float>(scale), to + 32 * group);
  }
}

/// The scale 2^(e - 128): half of e8m0's, whose table is doubled. 0 and 1 are subnormal.
template <class To>
[[gnu::always_inline]] inline void mxfp4(Source block, To to) {
  const std::uint32_t e = block[0];
  put_nibbles<Fp4>(block + 1, __builtin_bit_cast(float, e < 2 ? 0x00200000U << e : (e - 1) << 23), to);
}

template <class To>
[[gnu::always_inline]] inline void q2_k(Source block, To to) {
  const Bytes packed = bytes_at(block);
  float scales[16], minimums[16];
  put(as_signed(low_nibbles(packed)), StoreFloats{scales}, scaled_by(half_at(block + 80)));
  put(as_signed(high_nibbles(packed)), StoreFloats{minimums}, scaled_by(-half_at(block + 82)));
#pragma GCC unroll 8
  for (int group = 0; group < 8; ++group) {
    const int half = group / 4, k = group % 4;
    Source low = block + 16 + 32 * half;
    const auto scaled = [&](int piece) { return scaled_by(scales[piece], minimums[piece]); };
    put(as_signed(bytes_at(low) >> (2 * k) & 3), as_signed(bytes_at(low + 16) >> (2 * k) & 3),
        to + 32 * group, scaled(2 * group), scaled(2 * group + 1));
  }
}

template <class To>
[[gnu::always_inline]] inline void q3_k(Source block, To to) {
  Source packed = block + 96;
  SignedBytes six_bits;
  for (unsigned i = 0; i < 16; ++i) {
    const unsigned low = i < 8 ? packed[i] & 15U : packed[i - 8] >> 4U;
    const unsigned high = packed[8 + i % 4] >> (2 * (i / 4)) & 3U;
    six_bits[i] = static_cast<std::int8_t>(static_cast<int>(low | high << 4U) - 32);
  }
  float scales[16];
  put(six_bits, StoreFloats{scales}, scaled_by(half_at(block + 108)));
#pragma GCC unroll 8
  for (int group = 0; group < 8; ++group) {
    const int half = group / 4, k = group % 4;
    const auto piece = [&](int part) {
      const Bytes low = bytes_at(block + 32 + 32 * half + 16 * part) >> (2 * k) & 3;
      const Bytes high = (bytes_at(block + 16 * part) >> (4 * half + k) & 1) << 2;
      return as_signed(low + high - 4);
    };
    put(piece(0), piece(1), to + 32 * group, scaled_by(scales[2 * group]), scaled_by(scales[2 * group + 1]));
  }
}

/// Q4_K and Q5_K: 8 groups of 32 values with 6-bit scales and minimums.
template <bool has_fifth_bit, class To>
[[gnu::always_inline]] inline void q45_k(Source block, To to) {
  using Quarters [[gnu::vector_size(16)]] = std::uint32_t;
  const std::uint32_t first = word_at(block + 4), second = word_at(block + 8), third = word_at(block + 12);
  const Quarters packed = {first & 0x3f3f3f3fU, (third & 0x0f0f0f0fU) | (first >> 6 & 0x03030303U) << 4,
                           second & 0x3f3f3f3fU,
                           (third >> 4 & 0x0f0f0f0fU) | (second >> 6 & 0x03030303U) << 4};
  float factors[16];
  put(__builtin_bit_cast(SignedBytes, packed), StoreFloats{factors}, [](Floats value) { return value; });
  const float d = half_at(block);
  const float dmin = half_at(block + 2);
  Source low = block + (has_fifth_bit ? 48 : 16);
#pragma GCC unroll 8
  for (int group = 0; group < 8; ++group) {
    const auto scaled = scaled_by(d * factors[group], -(dmin * factors[8 + group]));
    Bytes q[2];
    for (int part = 0; part < 2; ++part) {
      const Bytes both = bytes_at(low + 32 * (group / 2) + 16 * part);
      q[part] = group % 2 == 0 ? low_nibbles(both) : high_nibbles(both);
      if (has_fifth_bit) q[part] |= (bytes_at(block + 16 + 16 * part) >> group & 1) << 4;
    }
    if constexpr (has_fifth_bit) {
      put(as_signed(q[0]), as_signed(q[1]), to + 32 * group, scaled, scaled);
    } else {
      put_codes<Steps<0>>(q[0], q[1], to + 32 * group, scaled);
    }
  }
}

template <class To>
[[gnu::always_inline]] inline void q6_k(Source block, To to) {
  float scales[16];
  put(as_signed(bytes_at(block + 192)), StoreFloats{scales}, scaled_by(half_at(block + 208)));
#pragma GCC unroll 8
  for (int group = 0; group < 8; ++group) {
    const int half = group / 4, k = group % 4;
    const auto piece = [&](int part) {
      const Bytes both = bytes_at(block + 64 * half + 32 * (k % 2) + 16 * part);
      const Bytes low = k < 2 ? low_nibbles(both) : high_nibbles(both);
      const Bytes high = (bytes_at(block + 128 + 32 * half + 16 * part) >> (2 * k) & 3) << 4;
      return as_signed((low | high) - 32);
    };
    put(piece(0), piece(1), to + 32 * group, scaled_by(scales[2 * group]), scaled_by(scales[2 * group + 1]));
  }
}

constexpr std::int64_t bytes_ahead = 6144;  ///< a processor's own prefetching ends with a page

/// The kernels of a type from what takes a block apart.
template <int values, int bytes, auto put_block>
struct Type {
  static void to_f32(std::int64_t blocks, Source from, float* to) {
    for (std::int64_t i = 0; i < blocks; ++i) put_block(from + i * bytes, StoreFloats{to + i * values});
  }
  static void to_bf16(std::int64_t blocks, Source from, std::uint16_t* to) {
    for (std::int64_t i = 0; i < blocks; ++i) put_block(from + i * bytes, StoreRounded{to + i * values});
  }
  template <bool is_rounded>
  static float dot(std::int64_t blocks, Source from, const typename Multiply<is_rounded>::Input* x) {
    using To = Multiply<is_rounded>;
    constexpr int together = std::max(sums_at_once * To::step / values, 1);
    Floats sums[sums_at_once] = {};
    std::int64_t i = 0;
    for (; i + together <= blocks; i += together) {
      __builtin_prefetch(from + i * bytes + bytes_ahead);
#pragma GCC unroll 8
      for (int part = 0; part < together; ++part)
        put_block(from + (i + part) * bytes, To{x + (i + part) * values, sums, part * values});
    }
    for (; i < blocks; ++i) put_block(from + i * bytes, To{x + i * values, sums, 0});
    return total(sums);
  }
};

/// In the order of KernelsByType.
template <class... Types>
constexpr DequantizeKernels kernels_of() {
  return {{Types::to_f32...},
          {Types::to_bf16...},
          {Types::template dot<false>...},
          {Types::template dot<true>...}};
}

}  // namespace

const DequantizeKernels dequantize_table =
    kernels_of<Type<32, 18, [](Source block, auto to) { q4_0(block, to); }>,
               Type<32, 20, [](Source block, auto to) { q4_1(block, to); }>,
               Type<32, 22, [](Source block, auto to) { q5_0(block, to); }>,
               Type<32, 24, [](Source block, auto to) { q5_1(block, to); }>,
               Type<32, 34, [](Source block, auto to) { q8_0(block, to); }>,
               Type<256, 84, [](Source block, auto to) { q2_k(block, to); }>,
               Type<256, 110, [](Source block, auto to) { q3_k(block, to); }>,
               Type<256, 144, [](Source block, auto to) { q45_k<false>(block, to); }>,
               Type<256, 176, [](Source block, auto to) { q45_k<true>(block, to); }>,
               Type<256, 210, [](Source block, auto to) { q6_k(block, to); }>,
               Type<32, 18, [](Source block, auto to) { iq4_nl(block, to); }>,
               Type<256, 136, [](Source block, auto to) { iq4_xs(block, to); }>,
               Type<32, 17, [](Source block, auto to) { mxfp4(block, to); }>>();

}  // namespace cola::kernels::COLA_ISA_NAMESPACE
