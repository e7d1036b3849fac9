#include "backend/cuda/kernels/cross_entropy.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "backend/ref/cross_entropy.h"
#include "kernel_test.h"

namespace cola::cuda {
namespace {

using test::elements_of;
using test::for_each_dtype;
using test::in;
using test::is_near;
using test::numbers;
using test::random_matrix;
using test::succeeds;
using test::TestMatrix;
using test::to;

struct Shape {
  std::int64_t rows, vocabulary, padding;
};
const std::vector<Shape> shapes = {{3, 1, 0}, {4, 31, 1}, {3, 64, 0}, {2, 1003, 5}, {3, 8200, 8}};

std::vector<std::int32_t> some_targets(const Shape& shape) {
  std::vector<std::int32_t> targets;
  for (std::int64_t row = 0; row < shape.rows; ++row) {
    targets.push_back(static_cast<std::int32_t>((row * 7919 + 5) % shape.vocabulary));
  }
  return targets;
}

// Logits are exact; nll is a sum of up to 8200 exponentials in f32, each good to some 1e-7 relative, of
// numbers up to 30. A gradient is at most the weight; in bf16 it is rounded to 2^-9 of itself.
TEST(CudaCrossEntropy, AgreesWithTheReference) {
  for_each_dtype([]<class T>(T) {
    for (const Shape& shape : shapes) {
      SCOPED_TRACE(testing::Message() << shape.rows << " x " << shape.vocabulary);
      const auto [rows, vocabulary, padding] = shape;
      const TestMatrix logits = random_matrix(DType::f32, rows, vocabulary, 1, 4.0, padding);
      const auto values = numbers(logits.view());
      const auto targets = some_targets(shape);
      std::vector<float> weights = test::random_floats(rows, 2);
      weights[1] = 0.0F;
      const auto expected = ref::logit_gradient(values, targets, numbers(weights));
      const auto expected_nll = ref::negative_log_likelihoods(values, targets);
      const LogitRows work = {rows, vocabulary, in<float>(logits), targets.data()};
      std::vector<float> nll(targets.size());
      std::vector<float> nll_forward(targets.size());
      std::vector<std::uint8_t> correct(targets.size());
      TestMatrix gradient(dtype_of<T>, rows, vocabulary, padding);
      test::run_in_every_order([&] {
        EXPECT_TRUE(succeeds(cross_entropy_forward(nullptr, work, nll_forward.data(), correct.data())));
        EXPECT_TRUE(
            succeeds(cross_entropy_gradient<T>(nullptr, work, weights.data(), nll.data(), to<T>(gradient))));
        return elements_of({&gradient});
      });
      EXPECT_EQ(nll, nll_forward);
      EXPECT_TRUE(is_near(std::span<const float>(nll), expected_nll, {5e-6, 1e-6, 1e-10}));
      EXPECT_TRUE(is_near(gradient.view(), expected,
                          dtype_of<T> == DType::f32 ? test::Tolerance{1e-6, 5e-6, 1e-10}
                                                    : test::Tolerance{1e-6, 0x1p-8, 1e-5}));
      EXPECT_TRUE(gradient.padding_intact());
      for (std::size_t row = 0; row < targets.size(); ++row) {
        const auto begin = values.begin() + static_cast<std::ptrdiff_t>(row) * vocabulary;
        const auto best = std::max_element(begin, begin + vocabulary) - begin;
        EXPECT_EQ(correct[row], best == targets[row] ? 1 : 0);
      }
    }
  });
}

// The tolerances of untransformed logits, which are larger and steeper.
TEST(CudaCrossEntropy, OfTransformedLogitsAgreesWithTheReference) {
  for_each_dtype([]<class T>(T) {
    for (const Shape& shape : shapes) {
      for (const auto& [scale, soft_cap] : {std::pair(0.25F, 0.0F), {1.0F, 3.0F}, {0.5F, 5.0F}}) {
        const auto [rows, vocabulary, padding] = shape;
        TestMatrix logits = random_matrix(DType::f32, rows, vocabulary, 1, 4.0, padding);
        const ops::LogitTransform transform = {scale, soft_cap};
        const auto transformed = ref::transform_logits(transform, numbers(logits.view()));
        const auto targets = some_targets(shape);
        const std::vector<float> weights = test::random_floats(rows, 2);
        const auto expected = ref::transform_logits_backward(
            transform, ref::logit_gradient(transformed, targets, numbers(weights)), transformed);
        const LogitRows work = {rows, vocabulary, in<float>(logits), targets.data(), {scale, soft_cap}};
        std::vector<float> nll(targets.size());
        std::vector<float> nll_forward(targets.size());
        TestMatrix gradient(dtype_of<T>, rows, vocabulary, padding);
        ASSERT_TRUE(succeeds(cross_entropy_forward(nullptr, work, nll_forward.data(), nullptr)));
        ASSERT_TRUE(
            succeeds(cross_entropy_gradient<T>(nullptr, work, weights.data(), nll.data(), to<T>(gradient))));
        EXPECT_EQ(nll, nll_forward);
        EXPECT_TRUE(is_near(std::span<const float>(nll), ref::negative_log_likelihoods(transformed, targets),
                            {5e-6, 1e-6, 1e-10}));
        EXPECT_TRUE(is_near(gradient.view(), expected,
                            dtype_of<T> == DType::f32 ? test::Tolerance{1e-6, 5e-6, 1e-10}
                                                      : test::Tolerance{1e-6, 0x1p-8, 1e-5}));
        ASSERT_TRUE(
            succeeds(transform_logits(nullptr, {scale, soft_cap}, rows, vocabulary, to<float>(logits))));
        EXPECT_TRUE(is_near(logits.view(), transformed, {0.0, 5e-7, 1e-12}));
        EXPECT_TRUE(logits.padding_intact() && gradient.padding_intact());
      }
    }
  });
}

TEST(CudaCrossEntropy, TheGradientMayTakeTheLogitsPlace) {
  for (const std::int64_t vocabulary : {37, 640}) {
    const Shape shape = {5, vocabulary, 0};
    TestMatrix logits = random_matrix(DType::f32, 5, vocabulary, 1, 3.0);
    const auto targets = some_targets(shape);
    const std::vector<float> weights = test::random_floats(5, 2);
    const auto expected = ref::logit_gradient(numbers(logits.view()), targets, numbers(weights));
    std::vector<float> nll(5);
    test::run_in_every_order([&] {
      logits = random_matrix(DType::f32, 5, vocabulary, 1, 3.0);
      EXPECT_TRUE(
          succeeds(cross_entropy_gradient<float>(nullptr, {5, vocabulary, in<float>(logits), targets.data()},
                                                 weights.data(), nll.data(), to<float>(logits))));
      return elements_of({&logits});
    });
    EXPECT_TRUE(is_near(logits.view(), expected, {1e-6, 5e-6, 1e-10}));
  }
}

TEST(CudaCrossEntropy, TheFirstOfEqualLogitsWins) {
  for (const std::int64_t vocabulary : {600, 601}) {
    TestMatrix logits(DType::f32, 3, vocabulary);
    for (std::int64_t row = 0; row < 3; ++row) {
      for (const std::int64_t col : {5, 21, 599}) test::set_element(logits.view(), row, col, 2.0);
    }
    const std::vector<std::int32_t> targets = {5, 21, 0};
    std::vector<float> nll(3);
    std::vector<std::uint8_t> correct(3);
    ASSERT_TRUE(succeeds(cross_entropy_forward(nullptr, {3, vocabulary, in<float>(logits), targets.data()},
                                               nll.data(), correct.data())));
    EXPECT_EQ(correct, (std::vector<std::uint8_t>{1, 0, 0}));
  }
}

TEST(CudaCrossEntropy, LargeLogitsStayFiniteLikelyTargetsKeepTheirGradientAndNaNIsSeen) {
  TestMatrix logits(DType::f32, 4, 3);
  test::set_element(logits.view(), 0, 1, 1e4);
  test::set_element(logits.view(), 1, 1, 20.0);
  test::set_element(logits.view(), 2, 2, std::nan(""));
  test::set_element(logits.view(), 3, 0, -INFINITY);
  test::set_element(logits.view(), 3, 1, -INFINITY);
  const std::vector<std::int32_t> targets = {0, 1, 0, 2};
  const std::vector<float> weights(4, 1.0F);
  std::vector<float> nll(4);
  TestMatrix gradient(DType::f32, 4, 3);
  ASSERT_TRUE(succeeds(cross_entropy_gradient<float>(nullptr, {4, 3, in<float>(logits), targets.data()},
                                                     weights.data(), nll.data(), to<float>(gradient))));
  EXPECT_FLOAT_EQ(nll[0], 1e4F);
  EXPECT_FLOAT_EQ(nll[1], static_cast<float>(std::log1p(2.0 * std::exp(-20.0))));
  // softmax - 1 is -4.1e-9 here: less than half an ulp of 1 in f32.
  EXPECT_NEAR(test::element(gradient.view(), 1, 1) / -(2.0 * std::exp(-20.0)), 1.0, 1e-5);
  EXPECT_TRUE(std::isnan(nll[2]));
  EXPECT_EQ(nll[3], 0.0F);
}

}  // namespace
}  // namespace cola::cuda
