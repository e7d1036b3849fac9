#include "core/quantized_blocks.h"

#include <gtest/gtest.h>

#include <array>
#include <bit>
#include <cmath>
#include <limits>
#include <numeric>
#include <vector>

#include "core/quantize.h"

namespace cola {
namespace {

using Block = std::vector<std::uint8_t>;

Block zeros(DType dtype) { return Block(static_cast<std::size_t>(layout_of(dtype).bytes)); }

void put_half(Block& block, std::size_t at, float value) {
  const Float16 half(value);
  block[at] = static_cast<std::uint8_t>(half.bits & 255U);
  block[at + 1] = static_cast<std::uint8_t>(half.bits >> 8U);
}

std::vector<float> values_of(DType dtype, const Block& block) {
  std::vector<float> values(static_cast<std::size_t>(layout_of(dtype).values));
  dequantize(dtype, reinterpret_cast<const std::byte*>(block.data()), values);
  return values;
}

/// Byte j of `nibbles` is j | (15 - j) << 4: values j and 15 - j of a half.
void put_nibbles(Block& block, std::size_t at, std::size_t count = 16) {
  for (std::size_t j = 0; j < count; ++j)
    block[at + j] = static_cast<std::uint8_t>(j % 16 | (15 - j % 16) << 4U);
}

TEST(QuantizedBlocks, OfOneScale) {
  Block block = zeros(DType::q4_0);
  put_half(block, 0, 0.5F);
  put_nibbles(block, 2);
  auto values = values_of(DType::q4_0, block);
  for (std::size_t j = 0; j < 16; ++j) {
    EXPECT_EQ(values[j], 0.5F * (static_cast<float>(j) - 8.0F));
    EXPECT_EQ(values[j + 16], 0.5F * (7.0F - static_cast<float>(j)));
  }
  put_half(block, 0, -0.5F);
  EXPECT_TRUE(std::signbit(values_of(DType::q4_0, block)[8])) << "0 times a negative scale";

  block = zeros(DType::q4_1);
  put_half(block, 0, 0.5F);
  put_half(block, 2, -3.0F);
  put_nibbles(block, 4);
  values = values_of(DType::q4_1, block);
  EXPECT_EQ(values[3], -1.5F);
  EXPECT_EQ(values[19], 3.0F);

  block = zeros(DType::q5_0);
  put_half(block, 0, 2.0F);
  block[2] = 1U << 3U;  // of value 3
  block[5] = 1U << 7U;  // of value 31
  put_nibbles(block, 6);
  values = values_of(DType::q5_0, block);
  EXPECT_EQ(values[3], 6.0F);
  EXPECT_EQ(values[2], -28.0F);
  EXPECT_EQ(values[31], 0.0F);

  block = zeros(DType::q5_1);
  put_half(block, 0, 2.0F);
  put_half(block, 2, 1.0F);
  block[4] = 1;
  put_nibbles(block, 8);
  values = values_of(DType::q5_1, block);
  EXPECT_EQ(values[0], 33.0F);
  EXPECT_EQ(values[16], 31.0F);

  block = zeros(DType::q8_0);
  put_half(block, 0, 0.25F);
  block[2] = 0x80;
  block[33] = 0x7f;
  values = values_of(DType::q8_0, block);
  EXPECT_EQ(values[0], -32.0F);
  EXPECT_EQ(values[31], 31.75F);

  block = zeros(DType::iq4_nl);
  put_half(block, 0, 1.0F);
  put_nibbles(block, 2);
  values = values_of(DType::iq4_nl, block);
  EXPECT_EQ(values[0], -127.0F);
  EXPECT_EQ(values[16], 113.0F);

  block = zeros(DType::mxfp4);
  block[0] = 129;  // 2
  put_nibbles(block, 1);
  values = values_of(DType::mxfp4, block);
  EXPECT_EQ(values[7], 24.0F);
  EXPECT_EQ(values[15], -24.0F);
  EXPECT_EQ(values[16], -24.0F);
  for (const auto& [e, power] : std::vector<std::pair<int, int>>{{0, -128}, {1, -127}, {2, -126}}) {
    block[0] = static_cast<std::uint8_t>(e);
    EXPECT_EQ(values_of(DType::mxfp4, block)[1], std::ldexp(1.0F, power)) << e;
  }
}

TEST(QuantizedBlocks, OfScalesByGroup) {
  Block block = zeros(DType::q2_k);
  put_half(block, 80, 0.5F);
  put_half(block, 82, 0.25F);
  block[1] = 3 | 2 << 4;         // values 16 to 31
  block[16 + 17] = 2;            // value 17
  block[8 + 2 * 3 + 1] = 5;      // of the second half, k 3, l 16 and on
  block[16 + 32 + 20] = 3 << 6;  // value 128 + 96 + 20
  auto values = values_of(DType::q2_k, block);
  EXPECT_EQ(values[17], 3.0F - 0.5F);
  EXPECT_EQ(values[16], -0.5F);
  EXPECT_EQ(values[244], 7.5F);

  block = zeros(DType::q3_k);
  put_half(block, 108, 2.0F);
  block[96] = 5;   // scale 0: 5 - 32, and
  block[104] = 1;  // 16 more
  block[32] = 3;   // value 0, whose high bit is clear: -1
  block[1] = 1;    // value 1: high bit set: 0
  values = values_of(DType::q3_k, block);
  EXPECT_EQ(values[0], 2.0F * (21 - 32) * -1.0F);
  EXPECT_EQ(values[1], 0.0F);
  EXPECT_EQ(values[2], 2.0F * (21 - 32) * -4.0F);

  for (const DType dtype : {DType::q4_k, DType::q5_k}) {
    const bool five = dtype == DType::q5_k;
    block = zeros(dtype);
    put_half(block, 0, 0.5F);
    put_half(block, 2, 2.0F);
    block[4] = 7 | 1 << 6;   // scale 0 is 7; the high bits of scale 4: 16
    block[8] = 3 | 2 << 6;   // minimum 0 is 3; of minimum 4: 32
    block[12] = 2 | 5 << 4;  // scale 4: 18, minimum 4: 37
    const std::size_t low = five ? 48 : 16;
    block[low] = 9;            // value 0
    block[low + 64 + 3] = 11;  // value 128 + 3, of group 4
    if (five) block[16 + 3] = 1 << 4;
    values = values_of(dtype, block);
    EXPECT_EQ(values[0], 0.5F * 7 * 9 - 6.0F);
    EXPECT_EQ(values[1], -6.0F);
    EXPECT_EQ(values[131], 0.5F * 18 * (five ? 27 : 11) - 74.0F);
  }

  block = zeros(DType::q6_k);
  put_half(block, 208, 0.5F);
  block[192 + 8 + 7] = 0xfe;      // scale -2 of the last 16 values
  block[64 + 32 + 31] = 13 << 4;  // value 255
  block[128 + 32 + 31] = 2 << 6;  // and 32 of its 45
  values = values_of(DType::q6_k, block);
  EXPECT_EQ(values[255], -13.0F);
  EXPECT_EQ(values[254], 32.0F);

  block = zeros(DType::iq4_xs);
  put_half(block, 0, 1.0F);
  block[3] = 3 << 4;       // the high bits of scale 6: 48
  block[4 + 3] = 4;        // scale 6: 52 - 32
  block[8 + 16 * 6] = 15;  // value 192
  values = values_of(DType::iq4_xs, block);
  EXPECT_EQ(values[192], 20.0F * 113);
  EXPECT_EQ(values[0], -32.0F * -127);
}

TEST(QuantizedBlocks, FiniteOnesHaveFiniteScales) {
  Block block = zeros(DType::q4_k);
  const auto finite = [&](DType dtype) { return blocks_finite(dtype, std::as_bytes(std::span(block))); };
  EXPECT_TRUE(finite(DType::q4_k));
  put_half(block, 2, std::numeric_limits<float>::infinity());
  EXPECT_FALSE(finite(DType::q4_k));
  block = zeros(DType::mxfp4);
  block[0] = 255;
  EXPECT_TRUE(finite(DType::mxfp4));
  block[1] = 7;
  EXPECT_FALSE(finite(DType::mxfp4));
}

/// What a type gives back of values, and the blocks.
struct Rounded {
  Block blocks;
  std::vector<float> values;
};
Rounded rounded(DType dtype, const std::vector<float>& values) {
  Rounded result;
  result.blocks.resize(static_cast<std::size_t>(bytes_of(dtype, std::ssize(values))));
  result.values.resize(values.size());
  auto* bytes = reinterpret_cast<std::byte*>(result.blocks.data());
  quantize(dtype, values, bytes);
  dequantize(dtype, bytes, result.values);
  return result;
}

TEST(Quantize, KeepsWhatItsStepsHold) {
  std::vector<float> values(512);
  for (std::size_t i = 0; i < values.size(); ++i) {
    const auto group = static_cast<float>(1 + i / 32 % 3);
    values[i] = group * (static_cast<float>(i * 7 % 16) - 8.0F);
  }
  for (const DType dtype : {DType::q4_0, DType::q4_1, DType::q5_0})
    EXPECT_EQ(rounded(dtype, values).values, values) << name_of(dtype);
}

TEST(Quantize, ErrsLessThanItsSteps) {
  std::vector<float> values(1024);
  for (std::size_t i = 0; i < values.size(); ++i)
    values[i] = std::sin(static_cast<float>(i) * 1.7F) * (i % 5 == 0 ? 1.0F : 0.3F);
  const std::vector<std::pair<DType, double>> most = {
      {DType::q8_0, 0.005}, {DType::q4_0, 0.15}, {DType::q4_1, 0.08},
      {DType::q5_0, 0.07},  {DType::q5_1, 0.04}, {DType::q4_k, 0.12},
      {DType::q5_k, 0.06},  {DType::q6_k, 0.05}, {DType::mxfp4, 0.26}};
  for (const auto& [dtype, bound] : most) {
    EXPECT_TRUE(can_quantize(dtype));
    const auto back = rounded(dtype, values).values;
    for (std::size_t i = 0; i < values.size(); ++i)
      ASSERT_NEAR(back[i], values[i], bound) << name_of(dtype) << ' ' << i;
  }
  EXPECT_FALSE(can_quantize(DType::q2_k) || can_quantize(DType::iq4_nl) || can_quantize(DType::f16));
  EXPECT_THROW(quantize(DType::q2_k, values, nullptr), std::logic_error);
}

TEST(Quantize, ZerosAreZeros) {
  for (const float zero : {0.0F, -0.0F}) {
    const std::vector<float> values(256, zero);
    for (const DType dtype : {DType::q4_0, DType::q5_0}) {
      const auto& blocks = rounded(dtype, values).blocks;
      EXPECT_EQ(blocks[0], 0x00);
      EXPECT_EQ(blocks[1], 0x80) << "the scale is -0";
    }
    for (const DType dtype :
         {DType::q8_0, DType::q4_1, DType::q5_1, DType::q4_k, DType::q5_k, DType::q6_k, DType::mxfp4}) {
      for (const float value : rounded(dtype, values).values) EXPECT_EQ(value, 0.0F) << name_of(dtype);
    }
  }
}

}  // namespace
}  // namespace cola
