#include "core/finite_values.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <limits>
#include <vector>

namespace cola {
namespace {

constexpr float infinity = std::numeric_limits<float>::infinity();
constexpr float nan = std::numeric_limits<float>::quiet_NaN();

/// Finite values at the edges of the dtype: zeros of both signs, subnormal, the largest.
template <class T>
std::vector<T> edges(float largest, float smallest) {
  std::vector<T> values;
  for (const float value : {0.0F, -0.0F, 1.0F, -1.0F, largest, -largest, smallest, -smallest})
    values.push_back(T(value));
  return values;
}

template <class T>
void expect_found(const std::vector<T>& finite) {
  EXPECT_TRUE(all_finite(std::as_bytes(std::span(finite)), dtype_of<T>));
  EXPECT_EQ(first_not_finite(std::as_bytes(std::span(finite)), dtype_of<T>), finite.size());
  for (const float bad : {nan, -nan, infinity, -infinity}) {
    for (const std::size_t place :
         {std::size_t{0}, std::size_t{5}, std::size_t{70'000}, std::size_t{200'001}}) {
      std::vector<T> values(200'002, finite.back());
      values[place] = T(bad);
      EXPECT_FALSE(all_finite(std::as_bytes(std::span(values)), dtype_of<T>)) << bad << " at " << place;
      EXPECT_EQ(first_not_finite(std::as_bytes(std::span(values)), dtype_of<T>), place) << bad;
    }
  }
}

TEST(FiniteValues, AreAllButNanAndInfinityInEachDtype) {
  expect_found(edges<float>(std::numeric_limits<float>::max(), std::numeric_limits<float>::denorm_min()));
  expect_found(edges<BFloat16>(3.38953139e38F, 9.2e-41F));
  expect_found(edges<Float16>(65504.0F, 6e-8F));
}

TEST(FiniteValues, MayBeUnaligned) {
  std::vector<std::byte> bytes(1 + 3 * sizeof(float));
  const float values[] = {1.0F, 2.0F, nan};
  std::memcpy(bytes.data() + 1, values, sizeof values);
  EXPECT_TRUE(all_finite(std::span(bytes).subspan(1, 2 * sizeof(float)), DType::f32));
  EXPECT_EQ(first_not_finite(std::span(bytes).subspan(1), DType::f32), 2U);
}

TEST(FiniteValues, IntegersAreAlways) {
  const std::vector<std::int32_t> values{0x7f800000, -1};  // infinity's bits, and a NaN's
  EXPECT_TRUE(all_finite(std::as_bytes(std::span(values)), DType::i32));
  EXPECT_EQ(first_not_finite(std::as_bytes(std::span(values)), DType::i32), 2U);
}

}  // namespace
}  // namespace cola
