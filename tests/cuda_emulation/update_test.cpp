#include "backend/cuda/kernels/update.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "backend/ref/update.h"
#include "kernel_test.h"

namespace cola::cuda {
namespace {

using test::is_near;
using test::numbers;
using test::random_floats;
using test::succeeds;

constexpr std::int64_t count = 1000;  // not whole blocks
constexpr double scale = 0.75;
// Computed in double and rounded to f32 once: 2^-24, and as much again for a double that lies at a boundary.
constexpr test::Tolerance rounding = {1e-12, 0x1p-23, 1e-12};

/// A list of one tensor, whose description the caller keeps.
UpdateList one(const UpdatedArrays& tensor) { return {1, &tensor, tensor.count}; }

std::vector<float> positive(std::int64_t size, std::uint64_t seed) {
  auto values = random_floats(size, seed);
  for (float& value : values) value = std::abs(value);
  return values;
}

TEST(CudaUpdate, AdamWAgreesWithTheReference) {
  constexpr double lr = 0.01, beta1 = 0.9, beta2 = 0.999, epsilon = 1e-8, decay = 0.1;
  constexpr int step = 3;
  const auto gradient = random_floats(count, 1);
  auto parameter = random_floats(count, 2);
  auto m = random_floats(count, 3, 0.1);
  auto v = positive(count, 4);
  std::vector<double> expected_parameter, expected_m, expected_v;
  for (std::size_t i = 0; i < gradient.size(); ++i) {
    const auto element =
        ref::adamw<double>({parameter[i], m[i], v[i]}, scale * static_cast<double>(gradient[i]), lr, beta1,
                           beta2, epsilon, decay, step);
    expected_parameter.push_back(element.parameter);
    expected_m.push_back(element.m);
    expected_v.push_back(element.v);
  }
  const AdamWConstants constants = {lr / 2.0,
                                    decay,
                                    beta1,
                                    beta2,
                                    1.0 - std::pow(beta1, step),
                                    1.0 / std::sqrt(1.0 - std::pow(beta2, step)),
                                    epsilon};
  const UpdatedArrays tensor = {gradient.data(), parameter.data(), m.data(), v.data(), count, 2.0};
  ASSERT_TRUE(succeeds(adamw(nullptr, one(tensor), constants, scale)));
  EXPECT_TRUE(is_near(std::span<const float>(parameter), expected_parameter, rounding));
  EXPECT_TRUE(is_near(std::span<const float>(m), expected_m, rounding));
  EXPECT_TRUE(is_near(std::span<const float>(v), expected_v, rounding));
}

TEST(CudaUpdate, SgdAgreesWithTheReference) {
  constexpr double lr = 0.01, momentum = 0.9, decay = 0.1;
  const auto gradient = random_floats(count, 1);
  for (const int step : {1, 2}) {
    for (const bool with_buffer : {false, true}) {
      auto parameter = random_floats(count, 2);
      auto buffer = random_floats(count, 3);
      if (step == 1) buffer[5] = std::nanf("");
      std::vector<double> expected, expected_buffer;
      for (std::size_t i = 0; i < gradient.size(); ++i) {
        const auto element =
            ref::sgd<double>({parameter[i], buffer[i]}, scale * static_cast<double>(gradient[i]), lr,
                             with_buffer ? momentum : 0.0, decay, step);
        expected.push_back(element.parameter);
        expected_buffer.push_back(element.buffer);
      }
      const UpdatedArrays tensor = {
          gradient.data(), parameter.data(), with_buffer ? buffer.data() : nullptr, nullptr, count, 1.0};
      ASSERT_TRUE(succeeds(sgd(nullptr, one(tensor), {lr, step > 1 ? momentum : 0.0, decay}, scale)));
      EXPECT_TRUE(is_near(std::span<const float>(parameter), expected, rounding));
      if (with_buffer) {
        EXPECT_TRUE(is_near(std::span<const float>(buffer), expected_buffer, rounding));
      }
    }
  }
}

TEST(CudaUpdate, AdagradAgreesWithTheReference) {
  constexpr double lr = 0.01, epsilon = 1e-10, decay = 0.1;
  const auto gradient = random_floats(count, 1);
  auto parameter = random_floats(count, 2);
  auto sum = positive(count, 3);
  std::vector<double> expected, expected_sum;
  for (std::size_t i = 0; i < gradient.size(); ++i) {
    const auto element = ref::adagrad<double>({parameter[i], sum[i]},
                                              scale * static_cast<double>(gradient[i]), lr, epsilon, decay);
    expected.push_back(element.parameter);
    expected_sum.push_back(element.sum);
  }
  const UpdatedArrays tensor = {gradient.data(), parameter.data(), sum.data(), nullptr, count, 1.0};
  ASSERT_TRUE(succeeds(adagrad(nullptr, one(tensor), {lr, epsilon, decay}, scale)));
  EXPECT_TRUE(is_near(std::span<const float>(parameter), expected, rounding));
  EXPECT_TRUE(is_near(std::span<const float>(sum), expected_sum, rounding));
}

TEST(CudaUpdate, ReachesEveryElementOfEveryArray) {
  std::vector<std::vector<float>> values, zeroed;
  std::vector<UpdatedArrays> tensors;
  std::vector<Array<float>> arrays;
  const auto gradient = random_floats(300'000, 1);
  for (const std::int64_t size : {1, 0, 700, 300'000}) {  // the last: more than most_blocks blocks
    values.push_back(random_floats(size, 2));
    zeroed.push_back(random_floats(size, 3));
    tensors.push_back({gradient.data(), values.back().data(), nullptr, nullptr, size, 2.0});
    arrays.push_back({zeroed.back().data(), size});
  }
  const auto before = values;
  ASSERT_TRUE(succeeds(sgd(nullptr, {4, tensors.data(), 300'000}, {0.5, 0.0, 0.0}, 1.0)));
  ASSERT_TRUE(succeeds(zero(nullptr, {4, arrays.data(), 300'000})));
  for (std::size_t t = 0; t < values.size(); ++t) {
    for (std::size_t i = 0; i < values[t].size(); ++i)
      ASSERT_EQ(values[t][i],
                static_cast<float>(static_cast<double>(before[t][i]) - static_cast<double>(gradient[i])));
    EXPECT_EQ(zeroed[t], std::vector<float>(zeroed[t].size()));
  }
}

TEST(CudaUpdate, SumOfSquaresIsADoubleSum) {
  for (const std::int64_t size : {0, 1, 100, 8192, 20001}) {
    const auto values = random_floats(size, 1);
    double expected = 36.0;
    for (const float value : values) expected += static_cast<double>(value) * static_cast<double>(value);
    const std::vector<float> sixes(1, 6.0F);
    const std::vector<Array<const float>> arrays = {{values.data(), size}, {sixes.data(), 1}};
    const std::int64_t longest = std::max<std::int64_t>(size, 1);
    std::vector<double> scratch(static_cast<std::size_t>(sum_of_squares_scratch(2, longest)));
    double total = 0.0;
    test::run_in_every_order([&] {
      total = 5.0;
      EXPECT_TRUE(succeeds(sum_of_squares(nullptr, {2, arrays.data(), longest}, scratch.data(), &total)));
      return std::vector<double>{total};
    });
    EXPECT_NEAR(total, expected, 1e-13 * expected);
  }
}

}  // namespace
}  // namespace cola::cuda
