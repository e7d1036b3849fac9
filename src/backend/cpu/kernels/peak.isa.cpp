#include "backend/cpu/kernels/peak.h"

#include "backend/cpu/kernels/simd.h"
#ifdef __AVX512BF16__
#include <immintrin.h>
#endif

namespace cola::kernels::COLA_ISA_NAMESPACE {
namespace {

// Sums in flight: more than latency times instructions a cycle (4 x 2 FMAs, Zen 4's 6 x 1 bf16 products), and
// with the two operands no more than 16 registers.
constexpr int sums = 12;

float multiply_add_f32(std::int64_t passes) {
  Floats sum[sums];
  for (int i = 0; i < sums; ++i) sum[i] = Floats{} + (static_cast<float>(i) + 0.25F);
  const Floats factor = Floats{} + 0.5F;
  const Floats summand = Floats{} + 1.0F;  // the sums tend to 2: neither overflow nor subnormals
  for (std::int64_t pass = 0; pass < passes; ++pass) {
#pragma GCC unroll 12
    for (Floats& one : sum) one = one * factor + summand;
  }
  Floats total{};
  for (const Floats one : sum) total += one;
  return sum_of(total);
}

constexpr PeakLoop f32_loop = {lanes == 16  ? "AVX-512 f32 multiply-add"
                               : lanes == 8 ? "AVX2 f32 multiply-add"
                                            : "SSE f32 multiply and add",
                               2.0 * sums* lanes, multiply_add_f32};

#ifdef __AVX512BF16__
float multiply_add_bf16(std::int64_t passes) {
  __m512 sum[sums];
  for (int i = 0; i < sums; ++i) sum[i] = _mm512_set1_ps(static_cast<float>(i));
  const __m512 small = _mm512_set1_ps(0x1p-10F);  // sums of 2^-20: far from overflow for any number of passes
  const __m512bh operand = _mm512_cvtne2ps_pbh(small, small);
  for (std::int64_t pass = 0; pass < passes; ++pass) {
#pragma GCC unroll 12
    for (__m512& one : sum) one = _mm512_dpbf16_ps(one, operand, operand);
  }
  __m512 total = _mm512_setzero_ps();
  for (const __m512 one : sum) total += one;
  return sum_of(__builtin_bit_cast(Floats, total));
}

constexpr PeakLoop bf16_loop = {"AVX-512 vdpbf16ps", 4.0 * sums* lanes, multiply_add_bf16};
#else
constexpr PeakLoop bf16_loop = f32_loop;
#endif

float read(const float* values, std::int64_t count) {
  return sum_over(count, [](auto value) { return value; }, values);
}

}  // namespace

const PeakLoops peak_loops = {f32_loop, bf16_loop, read};

}  // namespace cola::kernels::COLA_ISA_NAMESPACE
