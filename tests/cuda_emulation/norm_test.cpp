#include "backend/cuda/kernels/norm.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <vector>

#include "backend/ref/norm.h"
#include "kernel_test.h"

namespace cola::cuda {
namespace {

using ref::Norm;
using test::elements_of;
using test::for_each_dtype;
using test::in;
using test::is_near;
using test::numbers;
using test::random_floats;
using test::random_matrix;
using test::succeeds;
using test::TestMatrix;
using test::to;

constexpr float eps = 1e-5F;

struct Shape {
  std::int64_t rows, cols, padding;
};
// A warp, several, more columns than threads; by single elements and by 16 bytes.
const std::vector<Shape> shapes = {{3, 1, 0}, {2, 5, 1}, {35, 64, 0}, {2, 331, 2}, {2, 2312, 8}};

// f32: a few roundings of 2^-24 on values of order 1 to 10. bf16: the result is rounded once more, by at most
// 2^-9 of itself; 2^-8 leaves room for a value that f32 errors push over a rounding boundary.
test::Tolerance tolerance(DType dtype) {
  if (dtype == DType::f32) return {2e-6, 4e-6, 1e-11};
  return {1e-4, 0x1p-8, 1e-5};
}

template <class T>
void check(Norm norm, const Shape& shape) {
  SCOPED_TRACE(testing::Message() << name_of(dtype_of<T>) << " " << shape.rows << " x " << shape.cols);
  const auto [rows, cols, padding] = shape;
  const bool layer = norm == Norm::layer;
  const TestMatrix x = random_matrix(dtype_of<T>, rows, cols, 1, 2.0, padding);
  const TestMatrix dy = random_matrix(dtype_of<T>, rows, cols, 2, 1.0, padding);
  const std::vector<float> weight = random_floats(cols, 3);
  const std::vector<float> bias = random_floats(cols, 4);
  TestMatrix y(dtype_of<T>, rows, cols, padding);
  std::vector<float> mean(static_cast<std::size_t>(rows));
  std::vector<float> rstd(mean.size());
  const NormForward<T> forward = {rows,
                                  cols,
                                  in<T>(x),
                                  weight.data(),
                                  layer ? bias.data() : nullptr,
                                  eps,
                                  to<T>(y),
                                  layer ? mean.data() : nullptr,
                                  rstd.data(),
                                  norm == Norm::rms_unit_offset};
  test::run_in_every_order([&] {
    EXPECT_TRUE(succeeds(layer ? layer_norm_forward(nullptr, forward) : rms_norm_forward(nullptr, forward)));
    return elements_of({&y});
  });
  EXPECT_TRUE(is_near(y.view(),
                      ref::norm_forward<double>(norm, numbers(x.view()), numbers(weight),
                                                layer ? numbers(bias) : std::vector<double>{}, eps),
                      tolerance(dtype_of<T>)));
  const auto statistics = ref::norm_statistics<double>(norm, numbers(x.view()), weight.size(), eps);
  EXPECT_TRUE(is_near(std::span<const float>(rstd), statistics.rstd, {1e-6, 4e-6, 1e-11}));

  const auto expected =
      ref::norm_backward<double>(norm, numbers(dy.view()), numbers(x.view()), numbers(weight), eps);
  std::vector<float> scratch(static_cast<std::size_t>(norm_backward_scratch(rows, cols)));
  for (const bool add : {false, true}) {
    TestMatrix dx(dtype_of<T>, rows, cols, padding);
    std::vector<float> dweight, dbias;
    std::vector<double> expected_dx = expected.dx;
    test::run_in_every_order([&] {
      dx = random_matrix(dtype_of<T>, rows, cols, 5, 1.0, padding);
      const auto before = numbers(dx.view());
      for (std::size_t i = 0; add && i < before.size(); ++i) expected_dx[i] = expected.dx[i] + before[i];
      dweight.assign(weight.size(), 1.0F);
      dbias.assign(weight.size(), 1.0F);
      const NormBackward<T> backward = {rows,
                                        cols,
                                        in<T>(dy),
                                        in<T>(x),
                                        weight.data(),
                                        layer ? mean.data() : nullptr,
                                        rstd.data(),
                                        to<T>(dx),
                                        add,
                                        dweight.data(),
                                        layer ? dbias.data() : nullptr,
                                        scratch.data(),
                                        norm == Norm::rms_unit_offset};
      EXPECT_TRUE(
          succeeds(layer ? layer_norm_backward(nullptr, backward) : rms_norm_backward(nullptr, backward)));
      return elements_of({&dx});
    });
    EXPECT_TRUE(is_near(dx.view(), expected_dx, tolerance(dtype_of<T>)));
    EXPECT_TRUE(dx.padding_intact());
    auto expected_dweight = expected.dweight;
    auto expected_dbias = expected.dbias;
    for (double& value : expected_dweight) value += 1.0;
    for (double& value : expected_dbias) value += 1.0;
    EXPECT_TRUE(is_near(std::span<const float>(dweight), expected_dweight, {1e-5, 1e-5, 1e-10}));
    if (layer) {
      EXPECT_TRUE(is_near(std::span<const float>(dbias), expected_dbias, {1e-5, 1e-5, 1e-10}));
    }
  }
}

TEST(CudaNorm, AgreesWithTheReference) {
  for_each_dtype([]<class T>(T) {
    for (const Norm norm : {Norm::layer, Norm::rms, Norm::rms_unit_offset}) {
      for (const Shape& shape : shapes) check<T>(norm, shape);
    }
  });
}

TEST(CudaNorm, RoundsBeforeTheWeightWhereAsked) {
  for (const std::int64_t cols : {37, 128}) {
    for (const bool unit_offset : {false, true}) {
      const TestMatrix x = random_matrix(DType::bf16, 3, cols, 1);
      const std::vector<float> weight = random_floats(cols, 2);
      TestMatrix y(DType::bf16, 3, cols);
      std::vector<float> rstd(3);
      ASSERT_TRUE(succeeds(
          rms_norm_forward<BFloat16>(nullptr, {3, cols, in<BFloat16>(x), weight.data(), nullptr, eps,
                                               to<BFloat16>(y), nullptr, rstd.data(), unit_offset, true})));
      for (std::int64_t row = 0; row < 3; ++row) {
        for (std::int64_t col = 0; col < cols; ++col) {
          const auto value = static_cast<float>(test::element(x.view(), row, col));
          const BFloat16 normalised(value * rstd[static_cast<std::size_t>(row)]);
          const float factor = weight[static_cast<std::size_t>(col)] + (unit_offset ? 1.0F : 0.0F);
          EXPECT_EQ(test::element(y.view(), row, col),
                    static_cast<float>(BFloat16(static_cast<float>(normalised) * factor)));
        }
      }
    }
  }
}

TEST(CudaNorm, TheGradientMayTakeTheInputsPlace) {
  TestMatrix x = random_matrix(DType::f32, 40, 72, 1);
  TestMatrix dy = random_matrix(DType::f32, 40, 72, 2);
  const std::vector<float> weight = random_floats(72, 3);
  const auto statistics = ref::norm_statistics<double>(Norm::rms, numbers(x.view()), 72, eps);
  const std::vector<float> rstd(statistics.rstd.begin(), statistics.rstd.end());
  const auto expected =
      ref::norm_backward<double>(Norm::rms, numbers(dy.view()), numbers(x.view()), numbers(weight), eps);
  std::vector<float> dweight(72);
  std::vector<float> scratch(static_cast<std::size_t>(norm_backward_scratch(40, 72)));
  ASSERT_TRUE(succeeds(rms_norm_backward<float>(
      nullptr, {40, 72, in<float>(dy), in<float>(x), weight.data(), nullptr, rstd.data(), to<float>(dy),
                false, dweight.data(), nullptr, scratch.data()})));
  EXPECT_TRUE(is_near(dy.view(), expected.dx, tolerance(DType::f32)));
  EXPECT_TRUE(is_near(std::span<const float>(dweight), expected.dweight, {1e-5, 1e-5, 1e-10}));
}

TEST(CudaNorm, ARowThatOverflowsIsNotANumber) {
  TestMatrix x = random_matrix(DType::f32, 3, 72, 1);
  test::set_element(x.view(), 1, 5, 2e19);
  const std::vector<float> weight = random_floats(72, 3);
  TestMatrix y(DType::f32, 3, 72);
  std::vector<float> mean(3);
  std::vector<float> rstd(3);
  for (const bool layer : {false, true}) {
    const NormForward<float> work = {3,
                                     72,
                                     in<float>(x),
                                     weight.data(),
                                     layer ? weight.data() : nullptr,
                                     eps,
                                     to<float>(y),
                                     layer ? mean.data() : nullptr,
                                     rstd.data()};
    ASSERT_TRUE(succeeds(layer ? layer_norm_forward(nullptr, work) : rms_norm_forward(nullptr, work)));
    for (std::int64_t row = 0; row < 3; ++row) {
      EXPECT_EQ(std::isnan(rstd[static_cast<std::size_t>(row)]), row == 1);
      EXPECT_EQ(std::isnan(test::element(y.view(), row, 0)), row == 1);
    }
  }
}

TEST(CudaNorm, VarianceSurvivesALargeMean) {
  TestMatrix x = random_matrix(DType::f32, 1, 500, 7);
  for (std::int64_t i = 0; i < 500; ++i)
    test::set_element(x.view(), 0, i, 1e4 + test::element(x.view(), 0, i));
  const std::vector<float> weight(500, 1.0F);
  const std::vector<float> bias(500, 0.0F);
  TestMatrix y(DType::f32, 1, 500);
  float mean = 0.0F;
  float rstd = 0.0F;
  ASSERT_TRUE(succeeds(layer_norm_forward<float>(
      nullptr, {1, 500, in<float>(x), weight.data(), bias.data(), eps, to<float>(y), &mean, &rstd})));
  const auto expected =
      ref::norm_forward<double>(Norm::layer, numbers(x.view()), numbers(weight), numbers(bias), eps);
  // 2e-3: the spacing of floats at 1e4, 1e-3, twice
  EXPECT_TRUE(is_near(y.view(), expected, {2e-3, 0.0, 1e-6}));
}

}  // namespace
}  // namespace cola::cuda
