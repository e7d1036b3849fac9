#include "core/quantized_blocks.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <bit>
#include <cmath>
#include <cstdint>
#include <stdexcept>

#include "core/parallel.h"

namespace cola {
namespace {

using Bytes = const std::uint8_t*;

constexpr std::array<std::int8_t, 16> iq4_values{-127, -104, -83, -65, -49, -35, -22, -10,
                                                 1,    13,   25,  38,  53,  69,  89,  113};
constexpr std::array<std::int8_t, 16> mxfp4_values{0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12};

float half_at(Bytes at) {
  Float16 half;
  half.bits = static_cast<std::uint16_t>(at[0] | at[1] << 8);
  return static_cast<float>(half);
}

std::uint32_t word_at(Bytes at) {
  return at[0] | static_cast<std::uint32_t>(at[1]) << 8 | static_cast<std::uint32_t>(at[2]) << 16 |
         static_cast<std::uint32_t>(at[3]) << 24;
}

/// 16 bytes of nibbles: the low ones are the first 16 values, the high ones the next. `value(nibble, index)`.
template <class Value>
void each_nibble(Bytes nibbles, float* out, const Value& value) {
  for (unsigned j = 0; j < 16; ++j) {
    out[j] = value(nibbles[j] & 15U, j);
    out[j + 16] = value(nibbles[j] >> 4U, j + 16);
  }
}

void q8_0(Bytes block, float* out) {
  const float d = half_at(block);
  for (int j = 0; j < 32; ++j) out[j] = static_cast<float>(static_cast<std::int8_t>(block[2 + j])) * d;
}

/// Q4_0 and Q4_1, and with fifth bits Q5_0 and Q5_1.
template <bool has_fifth_bit, bool has_minimum>
void nibbles(Bytes block, float* out) {
  const float d = half_at(block);
  const float minimum = has_minimum ? half_at(block + 2) : 0.0F;
  Bytes rest = block + (has_minimum ? 4 : 2);
  const std::uint32_t high = has_fifth_bit ? word_at(rest) : 0;
  if (has_fifth_bit) rest += 4;
  constexpr int zero = has_minimum ? 0 : has_fifth_bit ? 16 : 8;
  each_nibble(rest, out, [&](unsigned nibble, unsigned j) {
    const auto q = static_cast<int>(nibble | (high >> j & 1U) << 4U);
    const float scaled = static_cast<float>(q - zero) * d;
    return has_minimum ? scaled + minimum : scaled;  // -0 stays -0
  });
}

void iq4_nl(Bytes block, float* out) {
  const float d = half_at(block);
  each_nibble(block + 2, out, [&](unsigned nibble, unsigned) { return d * iq4_values[nibble]; });
}

/// The scale 2^(e - 128): half of e8m0's, whose table is doubled. 0 and 1 are subnormal.
void mxfp4(Bytes block, float* out) {
  const std::uint32_t e = block[0];
  const float d = std::bit_cast<float>(e < 2 ? 0x00200000U << e : (e - 1) << 23);
  each_nibble(block + 1, out, [&](unsigned nibble, unsigned) { return d * mxfp4_values[nibble]; });
}

void q2_k(Bytes block, float* out) {
  const float d = half_at(block + 80);
  const float dmin = half_at(block + 82);
  for (int i = 0; i < 256; ++i) {
    const int half = i / 128, k = i % 128 / 32, l = i % 32;
    const unsigned scale = block[8 * half + 2 * k + l / 16];
    const unsigned q = block[16 + 32 * half + l] >> (2 * k) & 3U;
    out[i] =
        d * static_cast<float>(scale & 15U) * static_cast<float>(q) - dmin * static_cast<float>(scale >> 4U);
  }
}

void q3_k(Bytes block, float* out) {
  Bytes packed = block + 96;
  const float d = half_at(block + 108);
  std::array<float, 16> scales{};
  for (unsigned i = 0; i < 16; ++i) {
    const unsigned low = i < 8 ? packed[i] & 15U : packed[i - 8] >> 4U;
    const unsigned high = packed[8 + i % 4] >> (2 * (i / 4)) & 3U;
    scales[i] = d * static_cast<float>(static_cast<int>(low | high << 4U) - 32);
  }
  for (int i = 0; i < 256; ++i) {
    const int half = i / 128, k = i % 128 / 32, l = i % 32;
    const int low = block[32 + 32 * half + l] >> (2 * k) & 3;
    const int high = (block[l] >> (4 * half + k) & 1) != 0 ? 0 : 4;
    out[i] = scales[static_cast<std::size_t>(8 * half + 2 * k + l / 16)] * static_cast<float>(low - high);
  }
}

/// The 6-bit scale and minimum of group `j` of 8, of Q4_K and Q5_K.
struct ScaleAndMinimum {
  float scale, minimum;
};
ScaleAndMinimum of_group(Bytes s, int j) {
  if (j < 4) return {static_cast<float>(s[j] & 63), static_cast<float>(s[j + 4] & 63)};
  return {static_cast<float>((s[j + 4] & 15) | (s[j - 4] >> 6) << 4),
          static_cast<float>((s[j + 4] >> 4) | (s[j] >> 6) << 4)};
}

template <bool has_fifth_bit>
void q45_k(Bytes block, float* out) {
  const float d = half_at(block);
  const float dmin = half_at(block + 2);
  Bytes high = block + 16;
  Bytes low = block + (has_fifth_bit ? 48 : 16);
  for (int group = 0; group < 8; ++group) {
    const auto [scale, minimum] = of_group(block + 4, group);
    for (int l = 0; l < 32; ++l) {
      int q = low[32 * (group / 2) + l] >> (4 * (group % 2)) & 15;
      if (has_fifth_bit) q += (high[l] >> group & 1) << 4;
      out[32 * group + l] = d * scale * static_cast<float>(q) - dmin * minimum;
    }
  }
}

void q6_k(Bytes block, float* out) {
  const float d = half_at(block + 208);
  for (int i = 0; i < 256; ++i) {
    const int half = i / 128, k = i % 128 / 32, l = i % 32;
    const int low = block[64 * half + 32 * (k % 2) + l] >> (4 * (k / 2)) & 15;
    const int high = block[128 + 32 * half + l] >> (2 * k) & 3;
    const auto scale = static_cast<std::int8_t>(block[192 + 8 * half + 2 * k + l / 16]);
    out[i] = d * static_cast<float>(scale) * static_cast<float>((low | high << 4) - 32);
  }
}

void iq4_xs(Bytes block, float* out) {
  const float d = half_at(block);
  const auto scales_high = static_cast<unsigned>(block[2] | block[3] << 8);
  for (unsigned group = 0; group < 8; ++group) {
    const unsigned low = block[4 + group / 2] >> (4 * (group % 2)) & 15U;
    const auto scale = static_cast<int>(low | (scales_high >> (2 * group) & 3U) << 4U) - 32;
    const float factor = d * static_cast<float>(scale);
    each_nibble(block + 8 + 16 * group, out + 32 * group,
                [&](unsigned nibble, unsigned) { return factor * iq4_values[nibble]; });
  }
}

using Expand = void (*)(Bytes block, float* out);

struct Format {
  Expand expand;
  std::array<int, 2> half_scales;  ///< where a block has its f16 scales; -1: not
};

Format format_of(DType dtype) {
  switch (dtype) {
    case DType::q4_0:
      return {nibbles<false, false>, {0, -1}};
    case DType::q4_1:
      return {nibbles<false, true>, {0, 2}};
    case DType::q5_0:
      return {nibbles<true, false>, {0, -1}};
    case DType::q5_1:
      return {nibbles<true, true>, {0, 2}};
    case DType::q8_0:
      return {q8_0, {0, -1}};
    case DType::q2_k:
      return {q2_k, {80, 82}};
    case DType::q3_k:
      return {q3_k, {108, -1}};
    case DType::q4_k:
      return {q45_k<false>, {0, 2}};
    case DType::q5_k:
      return {q45_k<true>, {0, 2}};
    case DType::q6_k:
      return {q6_k, {208, -1}};
    case DType::iq4_nl:
      return {iq4_nl, {0, -1}};
    case DType::iq4_xs:
      return {iq4_xs, {0, -1}};
    case DType::mxfp4:
      return {mxfp4, {-1, -1}};
    default:
      break;
  }
  throw std::logic_error("not a quantised type");
}

constexpr std::int64_t grain = 64;  // blocks

}  // namespace

void dequantize(DType dtype, const std::byte* blocks, std::span<float> values) {
  const Format format = format_of(dtype);
  const BlockLayout layout = layout_of(dtype);
  const auto* bytes = reinterpret_cast<Bytes>(blocks);
  parallel_for(std::ssize(values) / layout.values, grain, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i)
      format.expand(bytes + i * layout.bytes, values.data() + i * layout.values);
  });
}

bool blocks_finite(DType dtype, std::span<const std::byte> blocks) {
  const Format format = format_of(dtype);
  const BlockLayout layout = layout_of(dtype);
  constexpr int largest_exponent = 252;  // of MXFP4, whose 12 times its scale is finite
  const auto is_finite = [&](Bytes block) {
    if (dtype == DType::mxfp4 && block[0] > largest_exponent) {
      std::array<float, 32> values{};
      mxfp4(block, values.data());
      return std::ranges::all_of(values, [](float value) { return std::isfinite(value); });
    }
    return std::ranges::none_of(format.half_scales,
                                [&](int at) { return at >= 0 && (block[at + 1] & 0x7c) == 0x7c; });
  };
  const auto* bytes = reinterpret_cast<Bytes>(blocks.data());
  std::atomic<bool> finite = true;
  parallel_for(std::ssize(blocks) / layout.bytes, grain, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end && finite; ++i) {
      if (!is_finite(bytes + i * layout.bytes)) finite = false;
    }
  });
  return finite;
}

}  // namespace cola
