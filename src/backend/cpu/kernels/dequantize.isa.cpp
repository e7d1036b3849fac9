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

/// Rounded to bf16, to nearest even, in the upper halves. Values of blocks are finite (cola::blocks_finite).
[[gnu::always_inline]] inline Words in_upper_half(Floats value) {
  const Words word = __builtin_bit_cast(Words, value);
  return (word + 0x7fffU + ((word >> 16) & 1U)) & 0xffff0000U;
}
[[gnu::always_inline]] inline HalfWords upper_halves(Words words) {
  return __builtin_convertvector(words >> 16, HalfWords);
}

#ifdef __AVX512F__
constexpr std::uint16_t all_lanes = 0xffff;  // GCC 12 warns of what intrinsics without masks are made of

[[gnu::always_inline]] inline Floats entries_of(Floats table, Bytes index) {
  const __m512i wide = _mm512_maskz_cvtepu8_epi32(all_lanes, __builtin_bit_cast(__m128i, index));
  return __builtin_bit_cast(Floats,
                            _mm512_maskz_permutexvar_ps(all_lanes, wide, __builtin_bit_cast(__m512, table)));
}
[[gnu::always_inline]] inline HalfWords entries_of(HalfWords table, Bytes index) {
  const __m256i wide = _mm256_cvtepu8_epi16(__builtin_bit_cast(__m128i, index));
  return __builtin_bit_cast(
      HalfWords, _mm256_maskz_permutexvar_epi16(all_lanes, wide, __builtin_bit_cast(__m256i, table)));
}
#endif

// Where values go. `ready` makes of values what is looked up and `put_ready` takes that.
struct StoreFloats {
  float* to;

  [[gnu::always_inline]] StoreFloats operator+(int i) const { return {to + i}; }
  [[gnu::always_inline]] static Floats ready(Floats value) { return value; }
  [[gnu::always_inline]] void put_ready(Floats value, int i) const { store(value, to + i); }
  [[gnu::always_inline]] void put(Floats value, int i) const { put_ready(value, i); }
};

struct StoreRounded {
  std::uint16_t* to;

  [[gnu::always_inline]] StoreRounded operator+(int i) const { return {to + i}; }
  /// Values of code tables may be subnormal, which the instruction for it would take for 0.
  [[gnu::always_inline]] static HalfWords ready(Floats value) { return upper_halves(in_upper_half(value)); }
  [[gnu::always_inline]] void put_ready(HalfWords value, int i) const {
    __builtin_memcpy(to + i, &value, sizeof value);
  }
  [[gnu::always_inline]] void put(Floats value, int i) const {
#ifdef __AVX512BF16__
    store_as(value, to + i);
#else
    put_ready(ready(value), i);
#endif
  }
};

/// Adds products with x, of values rounded to bf16 or not.
template <bool is_rounded>
struct Multiply {
  const float* x;
  Floats* sum;

  [[gnu::always_inline]] Multiply operator+(int i) const { return {x + i, sum}; }
  [[gnu::always_inline]] static Floats ready(Floats value) {
    return is_rounded ? __builtin_bit_cast(Floats, in_upper_half(value)) : value;
  }
  [[gnu::always_inline]] void put_ready(Floats value, int i) const { *sum += value * load(x + i); }
  [[gnu::always_inline]] void put(Floats value, int i) const { put_ready(ready(value), i); }
};

/// Puts finish(q) of a piece's 16 integers, as floats.
template <class To, class Finish>
[[gnu::always_inline]] inline void put(SignedBytes q, To to, const Finish& finish) {
#pragma GCC unroll 4
  for (int i = 0; i < 16; i += lanes) to.put(finish(floats_of(q, i)), i);
}
template <class To>
[[gnu::always_inline]] inline void put_scaled(SignedBytes q, float scale, To to) {
  put(q, to, [=](Floats value) { return value * scale; });
}
template <class To>
[[gnu::always_inline]] inline void put_scaled(Bytes q, float scale, float minimum, To to) {
  put(__builtin_bit_cast(SignedBytes, q), to, [=](Floats value) { return value * scale + minimum; });
}

template <class To>
[[gnu::always_inline]] inline void q8_0(Source block, To to) {
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
  const auto table = To::ready(finish(floats_of(Code::of(every), 0)));
  to.put_ready(entries_of(table, first), 0);
  to.put_ready(entries_of(table, second), 16);
#else
  put(Code::of(first), to, finish);
  put(Code::of(second), to + 16, finish);
#endif
}
template <class Code, class To>
[[gnu::always_inline]] inline void put_nibbles(Source at, float scale, To to) {
  const Bytes both = bytes_at(at);
  put_codes<Code>(low_nibbles(both), high_nibbles(both), to, [=](Floats value) { return value * scale; });
}

template <class To>
[[gnu::always_inline]] inline void q4_0(Source block, To to) {
  put_nibbles<Steps<8>>(block + 2, half_at(block), to);
}

template <class To>
[[gnu::always_inline]] inline void q4_1(Source block, To to) {
  const float d = half_at(block);
  const float minimum = half_at(block + 2);
  const Bytes both = bytes_at(block + 4);
  put_codes<Steps<0>>(low_nibbles(both), high_nibbles(both), to,
                      [=](Floats value) { return value * d + minimum; });
}

template <class To>
[[gnu::always_inline]] inline void q5_0(Source block, To to) {
  const float d = half_at(block);
  const std::uint32_t high = word_at(block + 2);
  const Bytes both = bytes_at(block + 6);
  put_scaled(Steps<16>::of(low_nibbles(both) | fifth_bits(high)), d, to);
  put_scaled(Steps<16>::of(high_nibbles(both) | fifth_bits(high >> 16)), d, to + 16);
}

template <class To>
[[gnu::always_inline]] inline void q5_1(Source block, To to) {
  const float d = half_at(block);
  const float minimum = half_at(block + 2);
  const std::uint32_t high = word_at(block + 4);
  const Bytes both = bytes_at(block + 8);
  put_scaled(low_nibbles(both) | fifth_bits(high), d, minimum, to);
  put_scaled(high_nibbles(both) | fifth_bits(high >> 16), d, minimum, to + 16);
}

template <class To>
[[gnu::always_inline]] inline void iq4_nl(Source block, To to) {
  put_nibbles<Iq4>(block + 2, half_at(block), to);
}

template <class To>
[[gnu::always_inline]] inline void iq4_xs(Source block, To to) {
  const float d = half_at(block);
  const auto scales_high = static_cast<unsigned>(block[2] | block[3] << 8);
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
  put_scaled(__builtin_bit_cast(SignedBytes, low_nibbles(packed)), half_at(block + 80), StoreFloats{scales});
  put_scaled(__builtin_bit_cast(SignedBytes, high_nibbles(packed)), half_at(block + 82),
             StoreFloats{minimums});
#pragma GCC unroll 16
  for (int piece = 0; piece < 16; ++piece) {
    const int half = piece / 8, k = piece % 8 / 2, part = piece % 2;
    const Bytes q = bytes_at(block + 16 + 32 * half + 16 * part) >> (2 * k) & 3;
    put_scaled(q, scales[piece], -minimums[piece], to + 16 * piece);
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
  put_scaled(six_bits, half_at(block + 108), StoreFloats{scales});
#pragma GCC unroll 16
  for (int piece = 0; piece < 16; ++piece) {
    const int half = piece / 8, k = piece % 8 / 2, part = piece % 2;
    const Bytes low = bytes_at(block + 32 + 32 * half + 16 * part) >> (2 * k) & 3;
    const Bytes high = (bytes_at(block + 16 * part) >> (4 * half + k) & 1) << 2;
    put_scaled(__builtin_bit_cast(SignedBytes, low + high - 4), scales[piece], to + 16 * piece);
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
  put_scaled(__builtin_bit_cast(SignedBytes, packed), 1.0F, StoreFloats{factors});
  const float d = half_at(block);
  const float dmin = half_at(block + 2);
  Source low = block + (has_fifth_bit ? 48 : 16);
#pragma GCC unroll 8
  for (int group = 0; group < 8; ++group) {
    const float scale = d * factors[group];
    const float minimum = -(dmin * factors[8 + group]);
    Bytes q[2];
    for (int part = 0; part < 2; ++part) {
      const Bytes both = bytes_at(low + 32 * (group / 2) + 16 * part);
      q[part] = group % 2 == 0 ? low_nibbles(both) : high_nibbles(both);
      if (has_fifth_bit) q[part] |= (bytes_at(block + 16 + 16 * part) >> group & 1) << 4;
    }
    if constexpr (has_fifth_bit) {
      put_scaled(q[0], scale, minimum, to + 32 * group);
      put_scaled(q[1], scale, minimum, to + 32 * group + 16);
    } else {
      put_codes<Steps<0>>(q[0], q[1], to + 32 * group, [=](Floats value) { return value * scale + minimum; });
    }
  }
}

template <class To>
[[gnu::always_inline]] inline void q6_k(Source block, To to) {
  float scales[16];
  put_scaled(__builtin_bit_cast(SignedBytes, bytes_at(block + 192)), half_at(block + 208),
             StoreFloats{scales});
#pragma GCC unroll 16
  for (int piece = 0; piece < 16; ++piece) {
    const int half = piece / 8, k = piece % 8 / 2, part = piece % 2;
    const Bytes both = bytes_at(block + 64 * half + 32 * (k % 2) + 16 * part);
    const Bytes low = k < 2 ? low_nibbles(both) : high_nibbles(both);
    const Bytes high = (bytes_at(block + 128 + 32 * half + 16 * part) >> (2 * k) & 3) << 4;
    put_scaled(__builtin_bit_cast(SignedBytes, (low | high) - 32), scales[piece], to + 16 * piece);
  }
}

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
  static float dot(std::int64_t blocks, Source from, const float* x) {
    Floats sum = {};
    for (std::int64_t i = 0; i < blocks; ++i)
      put_block(from + i * bytes, Multiply<is_rounded>{x + i * values, &sum});
    return sum_of(sum);
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
