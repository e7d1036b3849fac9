#include "core/rounding.h"

#include <gtest/gtest.h>

#include <vector>

namespace cola {
namespace {

TEST(Rounding, GoesToTheNearestValueOfTheDtype) {
  const std::vector<float> values{1.0F, 1.001F, -1.0F / 3.0F, 3000.7F};
  auto rounded = values;
  round_to(DType::f32, rounded);
  EXPECT_EQ(rounded, values);
  round_to(DType::bf16, rounded);
  EXPECT_EQ(rounded, (std::vector<float>{1.0F, 1.0F, -0.333984375F, 3008.0F}));
  rounded = values;
  round_to(DType::f16, rounded);
  EXPECT_EQ(rounded, (std::vector<float>{1.0F, 1.0009765625F, -0.333251953125F, 3000.0F}));
}

TEST(Rounding, ErrorIsTheSquaredDistance) {
  const std::vector<float> values{1.0F, 1.00390625F, 3000.0F};  // 2^-8 and 8 from the nearest in bf16
  EXPECT_EQ(squared_rounding_error(values, DType::bf16), 0x1p-16 + 64.0);
  EXPECT_EQ(squared_rounding_error(values, DType::f16), 0.0);
  EXPECT_EQ(squared_rounding_error(values, DType::f32), 0.0);
}

}  // namespace
}  // namespace cola
