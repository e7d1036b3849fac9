#include "core/quantize_k.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstddef>

#include "core/dtype.h"

// The sums are f32 and in the order of ggml's: other bits of a sum may choose another scale.
namespace cola {
namespace {

constexpr int block_values = 256;

float rounded_to_half(float value) { return static_cast<float>(Float16(value)); }

/// To the nearest integer, ties to even, of a magnitude below 2^22; the low bits of anything else.
int nearest(float value) {
  const auto bits = std::bit_cast<std::uint32_t>(value + 12582912.0F);  // 1.5 2^23
  return static_cast<int>(bits & 0x007fffffU) - 0x00400000;
}

/// Values as scale * q - minimum, q >= 0.
struct AffineFit {
  float scale, minimum;
};

/// What weighted least squares are solved from.
struct Sums {
  float w = 0.0F, x = 0.0F, q = 0.0F, qq = 0.0F, xq = 0.0F;  ///< of w, w x, w q, w q^2, w q x
};

template <std::size_t count>
float error_of(const float* x, const std::array<float, count>& weights, const std::array<int, count>& q,
               float scale, float least) {
  float sum = 0.0F;
  for (std::size_t i = 0; i < count; ++i) {
    const float difference = scale * static_cast<float>(q[i]) + least - x[i];
    sum += weights[i] * (difference * difference);
  }
  return sum;
}

/// Tries steps + 1 scales that divide the range into most + first levels, a tenth more each time, with q to
/// nearest and the least-squares scale and minimum of that q, and keeps what has the least weighted error;
/// `q` gets its integers.
template <std::size_t count>
AffineFit fit(const float* x, const std::array<float, count>& weights, int most, float first, int steps,
              std::array<int, count>& q) {
  float least = x[0], greatest = x[0];
  Sums sums;
  for (std::size_t i = 0; i < count; ++i) {
    least = std::min(least, x[i]);
    greatest = std::max(greatest, x[i]);
    sums.w += weights[i];
    sums.x += weights[i] * x[i];
  }
  least = std::min(least, 0.0F);
  q.fill(0);
  if (greatest == least) return {0.0F, -least};
  const auto round_all = [&](float inverse, std::array<int, count>& to) {
    for (std::size_t i = 0; i < count; ++i) to[i] = std::clamp(nearest(inverse * (x[i] - least)), 0, most);
  };
  const float inverse = static_cast<float>(most) / (greatest - least);
  float scale = 1.0F / inverse;
  round_all(inverse, q);
  float best = error_of(x, weights, q, scale, least);
  std::array<int, count> trial{};
  for (int step = 0; step <= steps; ++step) {
    const float levels = first + 0.1F * static_cast<float>(step) + static_cast<float>(most);
    round_all(levels / (greatest - least), trial);  // from the best minimum so far
    sums.q = sums.qq = sums.xq = 0.0F;
    for (std::size_t i = 0; i < count; ++i) {
      const auto value = static_cast<float>(trial[i]);
      sums.q += weights[i] * value;
      sums.qq += weights[i] * value * value;
      sums.xq += weights[i] * value * x[i];
    }
    const float determinant = sums.w * sums.qq - sums.q * sums.q;
    if (!(determinant > 0.0F)) continue;
    float this_scale = (sums.w * sums.xq - sums.x * sums.q) / determinant;
    float this_least = (sums.qq * sums.x - sums.q * sums.xq) / determinant;
    if (this_least > 0.0F) {
      this_least = 0.0F;
      this_scale = sums.xq / sums.qq;
    }
    const float error = error_of(x, weights, trial, this_scale, this_least);
    if (error < best) {
      q = trial;
      best = error;
      scale = this_scale;
      least = this_least;
    }
  }
  return {scale, -least};
}

constexpr std::size_t group_values = 32;
constexpr std::size_t groups = block_values / group_values;

std::array<float, group_values> weights_of(const float* x) {
  float squares = 0.0F;
  for (std::size_t i = 0; i < group_values; ++i) squares += x[i] * x[i];
  const float mean = std::sqrt(squares / static_cast<float>(group_values));
  std::array<float, group_values> weights{};
  for (std::size_t i = 0; i < group_values; ++i) weights[i] = mean + std::fabs(x[i]);
  return weights;
}

/// Six-bit scales and minimums in 12 bytes (docs/gguf.md).
void put_scales(const std::array<int, groups>& scales, const std::array<int, groups>& minimums,
                std::uint8_t* at) {
  for (std::size_t j = 0; j < groups / 2; ++j) {
    const auto high = [](int six_bits) { return six_bits >> 4 << 6; };
    at[j] = static_cast<std::uint8_t>(scales[j] | high(scales[j + 4]));
    at[j + 4] = static_cast<std::uint8_t>(minimums[j] | high(minimums[j + 4]));
    at[j + 8] = static_cast<std::uint8_t>((scales[j + 4] & 15) | (minimums[j + 4] & 15) << 4);
  }
}

/// Scales, minimums and the integers of Q4_K and Q5_K: writes the first 16 bytes of the block.
std::array<int, block_values> affine_block(const float* values, int most, float first, int steps,
                                           std::uint8_t* block) {
  std::array<std::array<int, group_values>, groups> q{};
  std::array<AffineFit, groups> fits{};
  float largest_scale = 0.0F, largest_minimum = 0.0F;
  for (std::size_t j = 0; j < groups; ++j) {
    const float* x = values + j * group_values;
    fits[j] = fit(x, weights_of(x), most, first, steps, q[j]);
    largest_scale = std::max(largest_scale, fits[j].scale);
    largest_minimum = std::max(largest_minimum, fits[j].minimum);
  }
  constexpr float most_scale = 63.0F;
  const float per_scale = largest_scale > 0.0F ? most_scale / largest_scale : 0.0F;
  const float per_minimum = largest_minimum > 0.0F ? most_scale / largest_minimum : 0.0F;
  std::array<int, groups> scales{}, minimums{};
  for (std::size_t j = 0; j < groups; ++j) {
    const auto six_bits = [](float value) { return std::min(63, nearest(value) & 255); };
    scales[j] = six_bits(per_scale * fits[j].scale);
    minimums[j] = six_bits(per_minimum * fits[j].minimum);
  }
  put_half(largest_scale / most_scale, block);
  put_half(largest_minimum / most_scale, block + 2);
  put_scales(scales, minimums, block + 4);
  const float d = rounded_to_half(largest_scale / most_scale);
  const float dmin = rounded_to_half(largest_minimum / most_scale);
  std::array<int, block_values> all{};
  for (std::size_t j = 0; j < groups; ++j) {
    const float scale = d * static_cast<float>(scales[j]);
    const float minimum = dmin * static_cast<float>(minimums[j]);
    for (std::size_t i = 0; i < group_values; ++i) {
      const std::size_t at = j * group_values + i;
      all[at] = scale != 0.0F ? std::clamp(nearest((values[at] + minimum) / scale), 0, most) : q[j][i];
    }
  }
  return all;
}

/// The low nibbles of 64 values in 32 bytes: the first half's low, the second's high.
void put_low_nibbles(const std::array<int, block_values>& q, std::uint8_t* at) {
  for (std::size_t i = 0; i < block_values / 2; ++i) {
    const std::size_t first = i / 32 * 64 + i % 32;
    at[i] = static_cast<std::uint8_t>((q[first] & 15) | (q[first + 32] & 15) << 4);
  }
}

constexpr std::size_t six_bit_group = 16;
constexpr float least_group = 1e-15F;  ///< groups of smaller values are 0

/// The scale of a group of Q6_K: of 19 trial scales with q from -32 to 31 to nearest, the least-squares one
/// of the q that explains most, with weights x^2. `q` gets the integers + 32.
float symmetric_fit(const float* x, int* q) {
  constexpr int most = 32;
  float extreme = 0.0F;
  for (std::size_t i = 0; i < six_bit_group; ++i)
    if (std::fabs(x[i]) > std::fabs(extreme)) extreme = x[i];
  std::fill_n(q, six_bit_group, 0);
  if (std::fabs(extreme) < least_group) return 0.0F;
  float scale = 0.0F, best = 0.0F;
  const auto attempt = [&](float steps, bool is_first) {
    const float inverse = -steps / extreme;
    std::array<int, six_bit_group> trial{};
    float xq = 0.0F, qq = 0.0F;
    for (std::size_t i = 0; i < six_bit_group; ++i) {
      trial[i] = std::clamp(nearest(inverse * x[i]), -most, most - 1);
      const float weight = x[i] * x[i];
      const auto value = static_cast<float>(trial[i]);
      xq += weight * x[i] * value;
      qq += weight * value * value;
    }
    if (!is_first && !(qq > 0.0F && xq * xq > best * qq)) return;
    for (std::size_t i = 0; i < six_bit_group; ++i) q[i] = trial[i] + most;
    scale = qq != 0.0F ? xq / qq : 0.0F;
    best = scale * xq;
  };
  attempt(static_cast<float>(most), true);
  for (int step = -9; step <= 9; ++step)
    if (step != 0) attempt(static_cast<float>(most) + 0.1F * static_cast<float>(step), false);
  return scale;
}

}  // namespace

void quantize_q4_k(const float* values, std::uint8_t* block) {
  put_low_nibbles(affine_block(values, 15, -1.0F, 20, block), block + 16);
}

void quantize_q5_k(const float* values, std::uint8_t* block) {
  const auto q = affine_block(values, 31, -0.5F, 15, block);
  for (std::size_t i = 0; i < 32; ++i) {
    int bits = 0;
    for (std::size_t group = 0; group < groups; ++group) bits |= (q[32 * group + i] >> 4) << group;
    block[16 + i] = static_cast<std::uint8_t>(bits);
  }
  put_low_nibbles(q, block + 48);
}

void quantize_q6_k(const float* values, std::uint8_t* block) {
  constexpr std::size_t count = block_values / six_bit_group;
  std::array<int, block_values> q{};
  std::array<float, count> scales{};
  float extreme = 0.0F;
  for (std::size_t j = 0; j < count; ++j) {
    scales[j] = symmetric_fit(values + j * six_bit_group, q.data() + j * six_bit_group);
    if (std::fabs(scales[j]) > std::fabs(extreme)) extreme = scales[j];
  }
  std::fill_n(block, layout_of(DType::q6_k).bytes, std::uint8_t{0});
  if (std::fabs(extreme) < least_group) return;
  const float per_scale = -128.0F / extreme;
  put_half(1.0F / per_scale, block + 208);
  const float d = rounded_to_half(1.0F / per_scale);
  for (std::size_t j = 0; j < count; ++j) {
    const int whole = std::min(127, nearest(per_scale * scales[j]));
    block[192 + j] = static_cast<std::uint8_t>(whole);
    const float scale = d * static_cast<float>(static_cast<std::int8_t>(whole));
    if (scale == 0.0F) continue;
    for (std::size_t i = j * six_bit_group; i < (j + 1) * six_bit_group; ++i)
      q[i] = std::clamp(nearest(values[i] / scale), -32, 31) + 32;
  }
  for (std::size_t i = 0; i < block_values; ++i) {
    const std::size_t half = i / 128, k = i % 128 / 32, l = i % 32;
    block[64 * half + 32 * (k % 2) + l] |= static_cast<std::uint8_t>((q[i] & 15) << (4 * (k / 2)));
    block[128 + 32 * half + l] |= static_cast<std::uint8_t>(q[i] >> 4 << (2 * k));
  }
}

}  // namespace cola
