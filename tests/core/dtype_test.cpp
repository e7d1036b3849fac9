#include "core/dtype.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "core/error.h"

namespace cola {
namespace {

constexpr std::uint32_t patterns = 65536;

/// The value of an IEEE format's bits, by its definition.
double value_of_bits(std::uint32_t bits, int exponent_bits, int mantissa_bits) {
  const std::uint32_t exponent = (bits >> mantissa_bits) & ((1U << exponent_bits) - 1U);
  const std::uint32_t mantissa = bits & ((1U << mantissa_bits) - 1U);
  const int bias = (1 << (exponent_bits - 1)) - 1;
  const double sign = (bits & 0x8000U) != 0 ? -1.0 : 1.0;
  if (exponent == (1U << exponent_bits) - 1U) {
    return mantissa != 0 ? std::numeric_limits<double>::quiet_NaN()
                         : sign * std::numeric_limits<double>::infinity();
  }
  if (exponent == 0) return sign * std::ldexp(mantissa, 1 - bias - mantissa_bits);
  return sign *
         std::ldexp((1U << mantissa_bits) + mantissa, static_cast<int>(exponent) - bias - mantissa_bits);
}

template <class Half>
struct Format;
template <>
struct Format<BFloat16> {
  static constexpr int exponent_bits = 8, mantissa_bits = 7;
};
template <>
struct Format<Float16> {
  static constexpr int exponent_bits = 5, mantissa_bits = 10;
};

template <class Half>
class HalfTest : public testing::Test {
 protected:
  static constexpr int exponent_bits = Format<Half>::exponent_bits;
  static constexpr int mantissa_bits = Format<Half>::mantissa_bits;
  static constexpr std::uint32_t infinity = ((1U << exponent_bits) - 1U) << mantissa_bits;
  static double value(std::uint32_t bits) { return value_of_bits(bits, exponent_bits, mantissa_bits); }
};
using Halves = testing::Types<BFloat16, Float16>;
TYPED_TEST_SUITE(HalfTest, Halves);

TYPED_TEST(HalfTest, EveryPatternWidensToItsValueAndBack) {
  for (std::uint32_t bits = 0; bits < patterns; ++bits) {
    TypeParam half;
    half.bits = static_cast<std::uint16_t>(bits);
    const auto widened = static_cast<float>(half);
    const double expected = this->value(bits);
    if (std::isnan(expected)) {
      ASSERT_TRUE(std::isnan(widened)) << bits;
      const TypeParam back(widened);
      ASSERT_TRUE(std::isnan(this->value(back.bits))) << bits;
      ASSERT_EQ(back.bits & 0x8000U, bits & 0x8000U) << bits;
    } else {
      ASSERT_EQ(static_cast<double>(widened), expected) << bits;
      ASSERT_EQ(std::signbit(widened), (bits & 0x8000U) != 0) << bits;
      ASSERT_EQ(TypeParam(widened).bits, bits);
    }
  }
}

// Between every two neighbours: the midpoint goes to the even one, the floats next to the midpoint to the
// nearer one.
TYPED_TEST(HalfTest, RoundsToNearestEven) {
  for (std::uint32_t bits = 0; bits + 1 < this->infinity; ++bits) {
    const auto middle = static_cast<float>((this->value(bits) + this->value(bits + 1)) / 2);  // exact in f32
    const float below = std::nextafter(middle, 0.0F);
    const float above = std::nextafter(middle, std::numeric_limits<float>::infinity());
    const std::uint32_t even = bits % 2 == 0 ? bits : bits + 1;
    ASSERT_EQ(TypeParam(middle).bits, even) << bits;
    ASSERT_EQ(TypeParam(below).bits, bits);
    ASSERT_EQ(TypeParam(above).bits, bits + 1);
    ASSERT_EQ(TypeParam(-middle).bits, even | 0x8000U) << bits;
    ASSERT_EQ(TypeParam(-above).bits, (bits + 1) | 0x8000U);
  }
}

TYPED_TEST(HalfTest, OverflowsToInfinity) {
  const double largest = this->value(this->infinity - 1);
  const double ulp = largest - this->value(this->infinity - 2);
  const auto limit = static_cast<float>(largest + ulp / 2);  // first value that rounds away from the largest
  EXPECT_EQ(TypeParam(limit).bits, this->infinity);
  EXPECT_EQ(TypeParam(std::nextafter(limit, 0.0F)).bits, this->infinity - 1);
  EXPECT_EQ(TypeParam(-std::numeric_limits<float>::infinity()).bits, this->infinity | 0x8000U);
  EXPECT_EQ(TypeParam(std::numeric_limits<float>::max()).bits, this->infinity);
}

TEST(DType, SizesAndNames) {
  EXPECT_EQ(size_of(DType::f32), 4U);
  EXPECT_EQ(size_of(DType::bf16), 2U);
  EXPECT_EQ(size_of(DType::f16), 2U);
  EXPECT_EQ(size_of(DType::i64), 8U);
  EXPECT_EQ(size_of(DType::i32), 4U);
  for (const DType dtype : {DType::f32, DType::bf16, DType::f16})
    EXPECT_EQ(parse_dtype(name_of(dtype)), dtype);
  EXPECT_EQ(parse_dtype("bfloat16"), DType::bf16);
  EXPECT_EQ(parse_dtype("float16"), DType::f16);
  EXPECT_EQ(parse_dtype("float32"), DType::f32);
  EXPECT_THROW((void)parse_dtype("int8"), UsageError);
}

}  // namespace
}  // namespace cola
