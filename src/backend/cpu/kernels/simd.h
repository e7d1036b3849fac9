#pragma once
#include <cstdint>

#include "backend/cpu/kernels/bf16.h"
#ifdef __AVX512F__
#include <immintrin.h>
#endif

// Vectors as wide as the instruction set's, for kernels (*.isa.cpp) whose sums must have a fixed order: what
// a compiler makes of a reduction loop may depend on the alignment of the data.
namespace cola::kernels::COLA_ISA_NAMESPACE {

#if defined(__AVX512F__)
constexpr int vector_bytes = 64;
#elif defined(__AVX__)
constexpr int vector_bytes = 32;
#else
constexpr int vector_bytes = 16;
#endif
constexpr int lanes = vector_bytes / 4;
using Floats [[gnu::vector_size(vector_bytes)]] = float;
using Words [[gnu::vector_size(vector_bytes)]] = std::uint32_t;
using HalfWords [[gnu::vector_size(vector_bytes / 2)]] = std::uint16_t;

[[gnu::always_inline]] inline Floats load(const float* source) {
  Floats value;
  __builtin_memcpy(&value, source, sizeof value);
  return value;
}
[[gnu::always_inline]] inline Floats load(const std::uint16_t* source) {
  HalfWords bits;
  __builtin_memcpy(&bits, source, sizeof bits);
  return __builtin_bit_cast(Floats, __builtin_convertvector(bits, Words) << 16);
}
/// The first `count` elements, the others 0.
template <class T>
[[gnu::always_inline]] inline Floats load_first(const T* source, std::int64_t count) {
  T values[lanes] = {};
  __builtin_memcpy(values, source, static_cast<std::size_t>(count) * sizeof(T));
  return load(values);
}
[[gnu::always_inline]] inline void store(Floats value, float* destination) {
  __builtin_memcpy(destination, &value, sizeof value);
}

using Quad [[gnu::vector_size(16)]] = float;

/// Four rows of four floats to four columns.
[[gnu::always_inline]] inline void transpose_4x4(const float* from, std::int64_t from_stride, float* to,
                                                 std::int64_t to_stride) {
  Quad row[4];
  for (int i = 0; i < 4; ++i) __builtin_memcpy(&row[i], from + i * from_stride, sizeof(Quad));
  const Quad low01 = __builtin_shufflevector(row[0], row[1], 0, 4, 1, 5);
  const Quad high01 = __builtin_shufflevector(row[0], row[1], 2, 6, 3, 7);
  const Quad low23 = __builtin_shufflevector(row[2], row[3], 0, 4, 1, 5);
  const Quad high23 = __builtin_shufflevector(row[2], row[3], 2, 6, 3, 7);
  const Quad column[4] = {__builtin_shufflevector(low01, low23, 0, 1, 4, 5),
                          __builtin_shufflevector(low01, low23, 2, 3, 6, 7),
                          __builtin_shufflevector(high01, high23, 0, 1, 4, 5),
                          __builtin_shufflevector(high01, high23, 2, 3, 6, 7)};
  for (int i = 0; i < 4; ++i) __builtin_memcpy(to + i * to_stride, &column[i], sizeof(Quad));
}

/// The elements of a vector combined by an associative operation on vectors, by quarters, halves and
/// neighbours.
template <class Operation>
[[gnu::always_inline]] inline float fold(Floats vector, Operation operation) {
  Quad part[lanes / 4];
  __builtin_memcpy(part, &vector, sizeof vector);
  for (int count = lanes / 8; count > 0; count /= 2) {
#pragma GCC unroll 2
    for (int i = 0; i < count; ++i) part[i] = operation(part[i], part[i + count]);
  }
  const Quad pairs = operation(part[0], __builtin_shufflevector(part[0], part[0], 2, 3, 0, 1));
  return operation(pairs, __builtin_shufflevector(pairs, pairs, 1, 0, 3, 2))[0];
}
[[gnu::always_inline]] inline float sum_of(Floats vector) {
  return fold(vector, [](Quad a, Quad b) { return a + b; });
}
/// Of four vectors, each in the order of sum_of.
[[gnu::always_inline]] inline Quad sums_of(const Floats (&vectors)[4]) {
  Quad sum[4];
  for (int k = 0; k < 4; ++k) {
    Quad part[lanes / 4];
    __builtin_memcpy(part, &vectors[k], sizeof part);
    for (int count = lanes / 8; count > 0; count /= 2) {
#pragma GCC unroll 2
      for (int i = 0; i < count; ++i) part[i] += part[i + count];
    }
    sum[k] = part[0];
  }
  const auto pairs = [](Quad a, Quad b) {
    return __builtin_shufflevector(a, b, 0, 4, 1, 5) + __builtin_shufflevector(a, b, 2, 6, 3, 7);
  };
  const Quad first = pairs(sum[0], sum[1]);
  const Quad second = pairs(sum[2], sum[3]);
  return __builtin_shufflevector(first, second, 0, 1, 4, 5) +
         __builtin_shufflevector(first, second, 2, 3, 6, 7);
}
[[gnu::always_inline]] inline float max_of(Floats vector) {
  return fold(vector, [](Quad a, Quad b) { return a > b ? a : b; });
}

/// Sum over i < count of term(p[i]...), the pointers' elements widened to f32.
template <class Term, class... T>
[[gnu::always_inline]] inline float sum_over(std::int64_t count, Term term, const T*... p) {
  Floats sum[4] = {};
  std::int64_t i = 0;
  for (; i + 4 * lanes <= count; i += 4 * lanes) {
    for (int part = 0; part < 4; ++part) sum[part] += term(load(p + i + part * lanes)...);
  }
  for (; i + lanes <= count; i += lanes) sum[0] += term(load(p + i)...);
  float rest = 0.0F;
  for (; i < count; ++i) rest += term(to_float(p[i])...);
  return sum_of((sum[0] + sum[1]) + (sum[2] + sum[3])) + rest;
}

using Integers [[gnu::vector_size(vector_bytes)]] = std::int32_t;

/// value * 2^n, n being an integer within [-151, 129].
template <class Float, class Word, class Int>
[[gnu::always_inline]] inline Float scaled_by_power(Float value, Float n) {
#ifdef __AVX512F__
  if constexpr (sizeof(Float) == 64) {
    return __builtin_bit_cast(Float, _mm512_maskz_scalef_ps(0xffff, __builtin_bit_cast(__m512, value),
                                                            __builtin_bit_cast(__m512, n)));
  }
#endif
  // In two factors, so that neither over- nor underflows before the product does.
  const Int exponent = __builtin_bit_cast(Int, __builtin_bit_cast(Word, n + 12582912.0F) - 0x4B400000U);
  const Int half = exponent >> 1;
  const Word first = (__builtin_bit_cast(Word, half) + 127U) << 23;
  const Word second = (__builtin_bit_cast(Word, exponent - half) + 127U) << 23;
  return value * __builtin_bit_cast(Float, first) * __builtin_bit_cast(Float, second);
}

/// e^x to 2 ulp for Float = float (with Word = std::uint32_t, Int = std::int32_t) or a vector of floats;
/// over- and underflows as exp does, NaN stays NaN. Argument reduction and polynomial: Cephes' expf (Moshier,
/// 1989).
template <class Float, class Word, class Int>
[[gnu::always_inline]] inline Float exponential(Float x) {
  x = x > 89.0F ? Float{} + 89.0F : x;
  x = x < -104.0F ? Float{} - 104.0F : x;
  const Float magic =
      Float{} + 12582912.0F;  // 1.5 2^23: adding it rounds to an integer, kept in the low bits
  const Float n = x * 1.44269504F + magic - magic;
  const Float r = (x - n * 0.693359375F) - n * -2.12194440e-4F;
  Float p = r * 1.9875691500e-4F + 1.3981999507e-3F;
  p = p * r + 8.3334519073e-3F;
  p = p * r + 4.1665795894e-2F;
  p = p * r + 1.6666665459e-1F;
  p = p * r + 5.0000001201e-1F;
  p = p * (r * r) + r + 1.0F;
  return scaled_by_power<Float, Word, Int>(p, n);
}

[[gnu::always_inline]] inline Floats exp_of(Floats x) { return exponential<Floats, Words, Integers>(x); }
[[gnu::always_inline]] inline float exp_of(float x) {
  return exponential<float, std::uint32_t, std::int32_t>(x);
}

/// 2^x to 2 ulp, 0 below -126 (subnormal results take a processor hundreds of cycles); x is at most 127. NaN
/// stays NaN. Polynomial: Cephes' exp2f (Moshier, 1989).
[[gnu::always_inline]] inline Floats exp2_of(Floats exponent) {
  const auto too_small = exponent < -126.0F;
  const Floats x = too_small ? Floats{} : exponent;
  const Floats magic = Floats{} + 12582912.0F;  // as in exponential()
  const Floats n = x + magic - magic;
  const Floats r = x - n;
  Floats p = r * 1.535336188e-4F + 1.339887440e-3F;
  p = p * r + 9.618437357e-3F;
  p = p * r + 5.550332471e-2F;
  p = p * r + 2.402264791e-1F;
  p = p * r + 6.931472029e-1F;
  p = p * r + 1.0F;
  const Floats power = scaled_by_power<Floats, Words, Integers>(p, n);
  return too_small ? Floats{} : power;
}

/// tanh x to 3 ulp; NaN stays NaN. Near 0, where 1 - 2 / (e^2x + 1) cancels, Cephes' polynomial (Moshier,
/// 1989).
[[gnu::always_inline]] inline Floats tanh_of(Floats x) {
  const Words sign = __builtin_bit_cast(Words, x) & 0x80000000U;
  const Floats size = __builtin_bit_cast(Floats, __builtin_bit_cast(Words, x) ^ sign);
  const Floats far = 1.0F - 2.0F / (exp_of(size + size) + 1.0F);
  const Floats square = x * x;
  Floats p = square * -5.70498872745e-3F + 2.06390887954e-2F;
  p = p * square - 5.37397155531e-2F;
  p = p * square + 1.33314422036e-1F;
  p = p * square - 3.33332819422e-1F;
  const Floats near = p * square * x + x;
  return size < 0.625F ? near : __builtin_bit_cast(Floats, __builtin_bit_cast(Words, far) | sign);
}

}  // namespace cola::kernels::COLA_ISA_NAMESPACE
