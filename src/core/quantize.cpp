#include "core/quantize.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <limits>
#include <stdexcept>

#include "core/parallel.h"
#include "core/quantize_k.h"

namespace cola {
namespace {

constexpr int block_values = 32;

/// The low byte of an integer towards 0, as x86 converts: scales of subnormal values overflow.
std::int8_t truncated(float value) {
  constexpr float bound = 0x1p31F;
  const bool fits = value > -bound && value < bound;
  return static_cast<std::int8_t>(fits ? static_cast<std::int32_t>(value)
                                       : std::numeric_limits<std::int32_t>::min());
}

float inverse(float value) { return value != 0.0F ? 1.0F / value : 0.0F; }

/// The first value of the greatest magnitude; +0 of zeros of either sign.
float extreme(const float* values) {
  const float found = *std::max_element(values, values + block_values,
                                        [](float a, float b) { return std::fabs(a) < std::fabs(b); });
  return found + 0.0F;
}

void q8_0(const float* values, std::uint8_t* block) {
  const float d = std::fabs(extreme(values)) / 127.0F;
  const float id = inverse(d);
  put_half(d, block);
  for (int j = 0; j < block_values; ++j)
    block[2 + j] = static_cast<std::uint8_t>(truncated(std::round(values[j] * id)));
}

/// Puts q's low nibbles, and its fifth bits in front of them if there are any.
template <bool has_fifth_bit>
void put_nibbles(const std::array<unsigned, block_values>& q, std::uint8_t* at) {
  if (has_fifth_bit) {
    std::uint32_t high = 0;
    for (unsigned j = 0; j < block_values; ++j) high |= (q[j] >> 4U & 1U) << j;
    for (unsigned j = 0; j < 4; ++j) *at++ = static_cast<std::uint8_t>(high >> (8 * j) & 255U);
  }
  for (std::size_t j = 0; j < block_values / 2; ++j)
    at[j] = static_cast<std::uint8_t>((q[j] & 15U) | (q[j + block_values / 2] & 15U) << 4U);
}

/// Q4_0 and Q5_0: the value of greatest magnitude is so many steps below 0.
template <bool has_fifth_bit>
void symmetric(const float* values, std::uint8_t* block) {
  constexpr int zero = has_fifth_bit ? 16 : 8;
  const float d = extreme(values) / static_cast<float>(-zero);
  const float id = inverse(d);
  put_half(d, block);
  std::array<unsigned, block_values> q{};
  for (std::size_t j = 0; j < block_values; ++j) {
    const int step = truncated(values[j] * id + (static_cast<float>(zero) + 0.5F));
    q[j] = static_cast<unsigned>(std::min(2 * zero - 1, step));
  }
  put_nibbles<has_fifth_bit>(q, block + 2);
}

/// Q4_1 and Q5_1: steps from the least value to the greatest.
template <bool has_fifth_bit>
void with_minimum(const float* values, std::uint8_t* block) {
  constexpr int most = has_fifth_bit ? 31 : 15;
  const auto [least, greatest] = std::minmax_element(values, values + block_values);
  const float d = (*greatest - *least) / static_cast<float>(most);
  const float id = inverse(d);
  put_half(d, block);
  put_half(*least, block + 2);
  std::array<unsigned, block_values> q{};
  for (std::size_t j = 0; j < block_values; ++j) {
    const int step = truncated((values[j] - *least) * id + 0.5F);
    q[j] = static_cast<unsigned>(has_fifth_bit ? step : std::min(most, step));
  }
  put_nibbles<has_fifth_bit>(q, block + 4);
}

/// The scale 2^(e - 128) of a doubled table, the greatest value's power of two less 2: core/quantized_blocks.
void mxfp4(const float* values, std::uint8_t* block) {
  constexpr std::array<float, 16> table{0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12};
  const float greatest = std::fabs(extreme(values));
  // Below 0 only where all values are subnormal.
  const float power = greatest > 0.0F ? std::floor(std::log2(greatest)) - 2.0F + 127.0F : 0.0F;
  const int e = std::max(0, static_cast<int>(power));
  const float d = std::ldexp(1.0F, e - 128);
  block[0] = static_cast<std::uint8_t>(e);
  std::array<unsigned, block_values> q{};
  for (std::size_t j = 0; j < block_values; ++j) {
    const auto error = [&](std::size_t i) { return std::fabs(table[i] * d - values[j]); };
    std::size_t nearest = 0;
    for (std::size_t i = 1; i < table.size(); ++i)
      if (error(i) < error(nearest)) nearest = i;
    q[j] = static_cast<unsigned>(nearest);
  }
  put_nibbles<false>(q, block + 1);
}

using Round = void (*)(const float* values, std::uint8_t* block);

/// Null for a type that nothing is rounded to.
Round rounding_to(DType dtype) {
  switch (dtype) {
    case DType::q8_0:
      return q8_0;
    case DType::q4_0:
      return symmetric<false>;
    case DType::q5_0:
      return symmetric<true>;
    case DType::q4_1:
      return with_minimum<false>;
    case DType::q5_1:
      return with_minimum<true>;
    case DType::mxfp4:
      return mxfp4;
    case DType::q4_k:
      return quantize_q4_k;
    case DType::q5_k:
      return quantize_q5_k;
    case DType::q6_k:
      return quantize_q6_k;
    default:
      return nullptr;
  }
}

}  // namespace

bool can_quantize(DType dtype) { return rounding_to(dtype) != nullptr; }

void quantize(DType dtype, std::span<const float> values, std::byte* blocks) {
  const Round round = rounding_to(dtype);
  if (round == nullptr) throw std::logic_error("nothing is rounded to this type");
  const BlockLayout layout = layout_of(dtype);
  auto* bytes = reinterpret_cast<std::uint8_t*>(blocks);
  constexpr std::int64_t grain = 16;  // blocks
  parallel_for(std::ssize(values) / layout.values, grain, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i)
      round(values.data() + i * layout.values, bytes + i * layout.bytes);
  });
}

}  // namespace cola
