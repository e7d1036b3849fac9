#include "backend/norm.h"

#include <gtest/gtest.h>

#include <cmath>
#include <stdexcept>
#include <vector>

#include "backend/cpu/kernels/norm.h"
#include "backend/ref/norm.h"
#include "core/parallel.h"
#include "support/complex_step.h"
#include "support/near.h"
#include "support/tensors.h"

namespace cola {
namespace {

using ref::Norm;
using test::is_near;
using test::numbers;
using test::random_floats;
using test::random_matrix;
using test::TestMatrix;

constexpr float eps = 1e-5F;
using Complex = std::complex<double>;

// f32: a few roundings of 2^-24 on values of order 1 to 10. bf16: the result is rounded once more, by at most
// 2^-9 of itself; 2^-8 leaves room for a value that f32 errors push over a rounding boundary.
test::Tolerance tolerance(DType dtype) {
  if (dtype == DType::f32) return {2e-6, 4e-6, 1e-11};
  return {1e-4, 0x1p-8, 1e-5};
}

TEST(NormRef, BackwardIsTheComplexStepDerivative) {
  constexpr std::size_t rows = 3;
  constexpr std::size_t cols = 7;
  const auto x = numbers(random_floats(rows * cols, 1));
  const auto dy = numbers(random_floats(rows * cols, 2));
  const auto weight = numbers(random_floats(cols, 3));
  const auto bias = numbers(random_floats(cols, 4));
  for (const Norm norm : {Norm::layer, Norm::rms, Norm::rms_unit_offset}) {
    const auto loss = [&](std::vector<Complex> at, std::vector<Complex> w, std::vector<Complex> b) {
      const auto y = ref::norm_forward<Complex>(norm, at, w, b, eps);
      return test::weighted_sum<Complex>(dy, y);
    };
    const auto cx = test::complex_of(x);
    const auto cw = test::complex_of(weight);
    const auto cb = norm == Norm::layer ? test::complex_of(bias) : std::vector<Complex>{};
    const auto gradients = ref::norm_backward<double>(norm, dy, x, weight, eps);
    const test::Tolerance rounding = {1e-12, 1e-12, 1e-12};
    EXPECT_TRUE(is_near(gradients.dx,
                        test::complex_step_gradient(x, [&](auto at) { return loss(at, cw, cb); }), rounding));
    EXPECT_TRUE(is_near(gradients.dweight,
                        test::complex_step_gradient(weight, [&](auto at) { return loss(cx, at, cb); }),
                        rounding));
    if (norm == Norm::layer) {
      EXPECT_TRUE(is_near(gradients.dbias,
                          test::complex_step_gradient(bias, [&](auto at) { return loss(cx, cw, at); }),
                          rounding));
    }
  }
}

struct Case {
  Norm norm;
  DType dtype;
  std::int64_t rows, cols, padding;
};

/// Operands of a case and what ref computes from them.
struct Fixture {
  explicit Fixture(const Case& c)
      : x(random_matrix(c.dtype, c.rows, c.cols, 1, 2.0, c.padding)),
        dy(random_matrix(c.dtype, c.rows, c.cols, 2, 1.0, c.padding)),
        y(c.dtype, c.rows, c.cols, c.padding),
        dx(random_matrix(c.dtype, c.rows, c.cols, 5, 1.0, c.padding)),
        weight(random_floats(c.cols, 3)),
        bias(random_floats(c.cols, 4)),
        mean(static_cast<std::size_t>(c.rows)),
        rstd(static_cast<std::size_t>(c.rows)),
        expected_y(ref::norm_forward<double>(c.norm, numbers(x.view()), numbers(weight),
                                             c.norm == Norm::layer ? numbers(bias) : std::vector<double>{},
                                             eps)),
        expected(ref::norm_backward<double>(c.norm, numbers(dy.view()), numbers(x.view()), numbers(weight),
                                            eps)) {}

  TestMatrix x, dy, y, dx;
  std::vector<float> weight, bias, mean, rstd;
  std::vector<double> expected_y;
  ref::NormGradients<double> expected;
};

ops::RmsNorm setting(const Case& c) {
  return {.epsilon = eps, .unit_offset = c.norm == Norm::rms_unit_offset, .rounds_before_weight = false};
}

void forward(const Case& c, Fixture& f) {
  ops::Context context;
  if (c.norm == Norm::layer) {
    ops::layer_norm_forward(context, f.x.view(), f.weight, f.bias, eps, f.y.view(), f.mean, f.rstd);
  } else {
    ops::rms_norm_forward(context, f.x.view(), f.weight, setting(c), f.y.view(), f.rstd);
  }
}

void backward(const Case& c, Fixture& f, ops::Write write, std::span<float> dweight, std::span<float> dbias) {
  ops::Context context;
  if (c.norm == Norm::layer) {
    ops::layer_norm_backward(context, f.dy.view(), f.x.view(), f.weight, f.mean, f.rstd, f.dx.view(), write,
                             dweight, dbias);
  } else {
    ops::rms_norm_backward(context, f.dy.view(), f.x.view(), f.weight, setting(c), f.rstd, f.dx.view(), write,
                           dweight);
  }
}

std::vector<Case> cases() {
  std::vector<Case> result;
  for (const Norm norm : {Norm::layer, Norm::rms, Norm::rms_unit_offset}) {
    for (const DType dtype : {DType::f32, DType::bf16}) {
      for (const std::int64_t cols : {3, 5, 16, 63, 288, 771})
        result.push_back({norm, dtype, 5, cols, cols % 3});
      result.push_back({norm, dtype, 150, 33, 2});  // several blocks of rows, the last not full
    }
  }
  return result;
}

TEST(Norm, ForwardAndBackwardAgreeWithRef) {
  for (const Case& c : cases()) {
    SCOPED_TRACE(testing::Message() << static_cast<int>(c.norm) << " " << name_of(c.dtype) << " " << c.rows
                                    << " x " << c.cols);
    Fixture f(c);
    forward(c, f);
    EXPECT_TRUE(is_near(f.y.view(), f.expected_y, tolerance(c.dtype)));
    std::vector<float> dweight(f.weight.size(), 1.0F);  // gradients are added to what is there
    std::vector<float> dbias(f.weight.size(), -2.0F);
    backward(c, f, ops::Write::replace, dweight, dbias);
    EXPECT_TRUE(is_near(f.dx.view(), f.expected.dx, tolerance(c.dtype)));
    for (double& value : f.expected.dweight) value += 1.0;
    for (double& value : f.expected.dbias) value -= 2.0;
    // The sums are over f32 terms whatever the compute dtype; 150 of them, of order 1 to 10.
    EXPECT_TRUE(is_near(dweight, f.expected.dweight, {1e-4, 1e-5, 1e-10}));
    if (c.norm == Norm::layer) {
      EXPECT_TRUE(is_near(dbias, f.expected.dbias, {1e-4, 1e-5, 1e-10}));
    }
    EXPECT_TRUE(f.y.padding_intact() && f.dx.padding_intact());
  }
}

TEST(Norm, BackwardAddsWhereAsked) {
  for (const Case& c : cases()) {
    Fixture f(c);
    forward(c, f);
    auto expected = numbers(f.dx.view());
    for (std::size_t i = 0; i < expected.size(); ++i) expected[i] += f.expected.dx[i];
    backward(c, f, ops::Write::add, {}, {});
    EXPECT_TRUE(is_near(f.dx.view(), expected, tolerance(c.dtype)));
  }
}

TEST(Norm, VarianceSurvivesALargeMean) {
  // One pass, mean(x^2) - mean(x)^2, would lose the variance 1 beside 1e4^2 = 1e8 entirely.
  TestMatrix x = random_matrix(DType::f32, 1, 500, 7);
  for (std::int64_t i = 0; i < 500; ++i)
    test::set_element(x.view(), 0, i, 1e4 + test::element(x.view(), 0, i));
  const std::vector<float> weight(500, 1.0F);
  const std::vector<float> bias(500, 0.0F);
  const auto expected =
      ref::norm_forward<double>(Norm::layer, numbers(x.view()), numbers(weight), numbers(bias), eps);
  TestMatrix y(DType::f32, 1, 500);
  std::vector<float> mean(1);
  std::vector<float> rstd(1);
  ops::Context context;
  ops::layer_norm_forward(context, x.view(), weight, bias, eps, y.view(), mean, rstd);
  EXPECT_TRUE(
      is_near(y.view(), expected, {2e-3, 0.0, 1e-6}));  // 2e-3: the spacing of floats at 1e4, 1e-3, twice
}

// Zeros instead, of 1 / sqrt(infinity), would look like any other values.
TEST(Norm, ARowThatOverflowsIsNotANumber) {
  for (const Norm norm : {Norm::layer, Norm::rms}) {
    for (const DType dtype : {DType::f32, DType::bf16}) {
      const Case c = {norm, dtype, 3, 33, 1};
      Fixture f(c);
      test::set_element(f.x.view(), 1, 32, 2e19);  // finite; its square is not
      forward(c, f);
      for (std::int64_t row = 0; row < c.rows; ++row) {
        EXPECT_EQ(std::isnan(f.rstd[static_cast<std::size_t>(row)]), row == 1);
        for (std::int64_t col = 0; col < c.cols; ++col)
          EXPECT_EQ(std::isnan(test::element(f.y.view(), row, col)), row == 1) << row << ", " << col;
      }
    }
  }
}

TEST(Norm, GradientsDoNotDependOnTheThreadCount) {
  const Case c = {Norm::layer, DType::bf16, 700, 65, 0};
  const int threads = thread_count();
  std::vector<std::vector<float>> dweights;
  for (const int count : {1, 2, 3}) {
    set_thread_count(count);
    Fixture f(c);
    forward(c, f);
    dweights.emplace_back(f.weight.size());
    std::vector<float> dbias(f.weight.size());
    backward(c, f, ops::Write::replace, dweights.back(), dbias);
  }
  set_thread_count(threads);
  EXPECT_EQ(dweights[0], dweights[1]);
  EXPECT_EQ(dweights[0], dweights[2]);
}

TEST(Norm, WrongShapesAreLogicErrors) {
  Fixture f({Norm::layer, DType::f32, 3, 8, 0});
  ops::Context context;
  std::vector<float> wrong(7);
  const ops::RmsNorm norm = {.epsilon = eps};
  EXPECT_THROW(ops::rms_norm_forward(context, f.x.view(), wrong, norm, f.y.view(), f.rstd), std::logic_error);
  EXPECT_THROW(ops::rms_norm_forward(context, f.x.view(), f.weight, norm, f.y.view(), wrong),
               std::logic_error);
  TestMatrix bf16(DType::bf16, 3, 8);
  EXPECT_THROW(ops::rms_norm_forward(context, f.x.view(), f.weight, norm, bf16.view(), f.rstd),
               std::logic_error);
}

template <class T>
void check_tables(DType dtype) {
  for (const ops::CpuIsa isa : test::runnable_isas()) {
    for (const Norm norm : {Norm::layer, Norm::rms, Norm::rms_unit_offset}) {
      for (const std::int64_t cols : {3, 7, 100, 130}) {
        SCOPED_TRACE(testing::Message() << ops::name_of(isa) << " " << name_of(dtype) << " " << cols);
        Fixture f({norm, dtype, 3, cols, 0});
        const auto& table = kernels::norm_kernels<T>(isa);
        const kernels::Rows<const T> x = {static_cast<const T*>(f.x.view().data), cols};
        const kernels::Rows<T> y = {static_cast<T*>(f.y.view().data), cols};
        const kernels::NormForward<T> work = {3,
                                              cols,
                                              x,
                                              f.weight.data(),
                                              f.bias.data(),
                                              eps,
                                              y,
                                              f.mean.data(),
                                              f.rstd.data(),
                                              norm == Norm::rms_unit_offset};
        (norm == Norm::layer ? table.layer_norm_forward : table.rms_norm_forward)(work);
        EXPECT_TRUE(is_near(f.y.view(), f.expected_y, tolerance(dtype)));
        std::vector<float> dweight(f.weight.size());
        std::vector<float> dbias(f.weight.size());
        const kernels::NormBackward<T> back = {3,
                                               cols,
                                               {static_cast<const T*>(f.dy.view().data), cols},
                                               x,
                                               f.weight.data(),
                                               f.mean.data(),
                                               f.rstd.data(),
                                               {static_cast<T*>(f.dx.view().data), cols},
                                               false,
                                               dweight.data(),
                                               dbias.data(),
                                               norm == Norm::rms_unit_offset};
        (norm == Norm::layer ? table.layer_norm_backward : table.rms_norm_backward)(back);
        EXPECT_TRUE(is_near(f.dx.view(), f.expected.dx, tolerance(dtype)));
        EXPECT_TRUE(is_near(dweight, f.expected.dweight, {1e-5, 1e-5, 1e-10}));
        EXPECT_TRUE(is_near(dbias, f.expected.dbias, {1e-5, 1e-5, 1e-10}));
      }
    }
  }
}

/// y from the rstd of the forward: one product in f32, a rounding to bf16, another product, another rounding.
std::vector<double> rounded_twice(const Fixture& f, bool unit_offset) {
  std::vector<double> result;
  const ConstMatrixView x = f.x.view();
  for (std::int64_t row = 0; row < x.rows; ++row) {
    for (std::int64_t col = 0; col < x.cols; ++col) {
      const auto value = static_cast<float>(test::element(x, row, col));
      const auto normalised = static_cast<float>(BFloat16(value * f.rstd[static_cast<std::size_t>(row)]));
      const float weight = f.weight[static_cast<std::size_t>(col)] + (unit_offset ? 1.0F : 0.0F);
      result.emplace_back(static_cast<float>(BFloat16(normalised * weight)));
    }
  }
  return result;
}

TEST(NormKernels, EveryInstructionSetRoundsBeforeTheWeightWhereAsked) {
  for (const ops::CpuIsa isa : test::runnable_isas()) {
    for (const bool unit_offset : {false, true}) {
      SCOPED_TRACE(testing::Message() << ops::name_of(isa) << " " << unit_offset);
      const std::int64_t cols = 131;
      Fixture f({Norm::rms, DType::bf16, 3, cols, 0});
      const auto run = [&](bool rounds) {
        kernels::norm_kernels<std::uint16_t>(isa).rms_norm_forward(
            {3,
             cols,
             {static_cast<const std::uint16_t*>(f.x.view().data), cols},
             f.weight.data(),
             nullptr,
             eps,
             {static_cast<std::uint16_t*>(f.y.view().data), cols},
             nullptr,
             f.rstd.data(),
             unit_offset,
             rounds});
        return numbers(f.y.view());
      };
      EXPECT_NE(run(false), rounded_twice(f, unit_offset));
      EXPECT_EQ(run(true), rounded_twice(f, unit_offset));
    }
  }
}

TEST(Norm, RoundsBeforeTheWeightWhereAsked) {
  ops::Context context;
  for (const bool unit_offset : {false, true}) {
    const ops::RmsNorm once = {.epsilon = eps, .unit_offset = unit_offset, .rounds_before_weight = false};
    const ops::RmsNorm twice = {.epsilon = eps, .unit_offset = unit_offset, .rounds_before_weight = true};
    Fixture f({Norm::rms, DType::bf16, 70, 129, 1});
    ops::rms_norm_forward(context, f.x.view(), f.weight, twice, f.y.view(), f.rstd);
    EXPECT_EQ(numbers(f.y.view()), rounded_twice(f, unit_offset));

    Fixture g({Norm::rms, DType::f32, 70, 129, 1});  // there is nothing to round
    TestMatrix y(DType::f32, 70, 129);
    ops::rms_norm_forward(context, g.x.view(), g.weight, once, y.view(), g.rstd);
    ops::rms_norm_forward(context, g.x.view(), g.weight, twice, g.y.view(), g.rstd);
    EXPECT_EQ(numbers(g.y.view()), numbers(y.view()));
  }
}

// As norms of each head are: [T * heads, head_dim].
TEST(Norm, TakesManyShortRows) {
  for (const Norm norm : {Norm::rms, Norm::rms_unit_offset}) {
    for (const DType dtype : {DType::f32, DType::bf16}) {
      const Case c = {norm, dtype, 1001, 7, 0};
      Fixture f(c);
      forward(c, f);
      EXPECT_TRUE(is_near(f.y.view(), f.expected_y, tolerance(dtype)));
      std::vector<float> dweight(f.weight.size());
      backward(c, f, ops::Write::replace, dweight, {});
      EXPECT_TRUE(is_near(f.dx.view(), f.expected.dx, tolerance(dtype)));
      // Sums of 1001 terms of order 1, in f32.
      EXPECT_TRUE(is_near(dweight, f.expected.dweight, {1e-3, 1e-5, 1e-10}));
    }
  }
}

TEST(NormKernels, EveryInstructionSetAgreesWithRef) {
  check_tables<float>(DType::f32);
  check_tables<std::uint16_t>(DType::bf16);
}

}  // namespace
}  // namespace cola
