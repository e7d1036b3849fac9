#include "backend/linear.h"

#include "backend/elementwise.h"

#include <gtest/gtest.h>

#include <complex>

#include "backend/blocks_seen.h"
#include "backend/cpu/gemm.h"
#include "backend/ref/linear.h"
#include "core/parallel.h"
#include "support/near.h"
#include "support/tensors.h"

namespace cola::ops {
namespace {

using test::is_near;
using test::numbers;
using test::random_floats;
using test::random_matrix;
using test::TestMatrix;
using test::Tolerance;

struct Case {
  std::int64_t rows, n, k;
  std::int64_t padding;
};
std::ostream& operator<<(std::ostream& out, const Case& c) {
  return out << "T=" << c.rows << " N=" << c.n << " K=" << c.k << " padding=" << c.padding;
}

// Odd sizes, both sides of the few-rows path (4 or 8 rows), blocks of the widened product (512, 512, 1024),
// and one product large enough for f32's matmul primitive (2e8 flops).
const std::vector<Case> cases = {{1, 1, 1, 0},      {1, 129, 64, 3},  {3, 17, 129, 0},  {8, 64, 17, 5},
                                 {9, 3, 17, 0},     {17, 129, 3, 1},  {64, 64, 64, 0},  {129, 17, 64, 7},
                                 {65, 129, 33, 0},  {515, 70, 40, 0}, {20, 530, 24, 2}, {12, 20, 1100, 0},
                                 {200, 768, 800, 0}};

// Operands are exact in their dtype and the reference is in double, so what is left is the f32 sum: `depth`
// roundings of partial sums that grow to sqrt(depth), which add up to about 0.2 depth 2^-23 (standard
// deviation), and, for a bf16 result, one rounding (2^-9 relative). Five standard deviations, as there are
// 1e5 elements.
Tolerance tolerance(DType result, std::int64_t depth) {
  const double sum = 0x1p-23 * static_cast<double>(depth) + 1e-6;
  if (result == DType::bf16) return {.absolute = sum, .relative = 0x1p-8, .cosine = 2e-5};
  return {.absolute = sum, .relative = 1e-6, .cosine = 1e-11};
}

std::size_t u(std::int64_t value) { return static_cast<std::size_t>(value); }

void add_to(std::vector<double>& values, const std::vector<double>& more) {
  for (std::size_t i = 0; i < values.size(); ++i) values[i] += more[i];
}

class Linear : public testing::TestWithParam<std::tuple<DType, Case>> {
 protected:
  Context context_;
};

enum class Addend { none, result, other };

TEST_P(Linear, ForwardAgreesWithTheReference) {
  const auto [dtype, c] = GetParam();
  const TestMatrix x = random_matrix(dtype, c.rows, c.k, 1, 1.0, c.padding);
  const TestMatrix w = random_matrix(dtype, c.n, c.k, 2, 1.0, 2 * c.padding);
  const std::vector<float> bias = random_floats(c.n, 3);
  for (const bool with_bias : {false, true}) {
    for (const Addend addend : {Addend::none, Addend::result, Addend::other}) {
      for (const DType result : {dtype, DType::f32}) {
        TestMatrix y = random_matrix(result, c.rows, c.n, 4, 1.0, c.padding);
        const TestMatrix other = random_matrix(result, c.rows, c.n, 5, 1.0, 3 * c.padding);
        std::vector<double> expected = ref::linear_forward<double>(
            numbers(x.view()), numbers(w.view()),
            with_bias ? numbers(std::span(bias)) : std::vector<double>{}, u(c.rows), u(c.n), u(c.k));
        const ConstMatrixView added = addend == Addend::none     ? ConstMatrixView{}
                                      : addend == Addend::result ? ConstMatrixView(y.view())
                                                                 : other.view();
        if (!added.empty()) add_to(expected, numbers(added));
        linear_forward(context_, x.view(), w.view(), with_bias ? std::span(bias) : std::span<const float>{},
                       added, y.view());
        EXPECT_TRUE(is_near(y.view(), expected, tolerance(result, c.k))) << c << " bias " << with_bias;
        EXPECT_TRUE(y.padding_intact());
      }
    }
  }
}

TEST_P(Linear, ProductsTogetherAreThoseOfEach) {
  const auto [dtype, c] = GetParam();
  const TestMatrix x = random_matrix(dtype, c.rows, c.k, 1, 1.0, c.padding);
  const std::vector<float> bias = random_floats(c.n, 3);
  const std::int64_t narrow = (c.n + 2) / 3;
  const TestMatrix wide = random_matrix(dtype, c.n, c.k, 2, 1.0, 2 * c.padding);
  const TestMatrix thin = random_matrix(dtype, narrow, c.k, 4);
  const TestMatrix addend = random_matrix(dtype, c.rows, narrow, 5);
  std::vector<TestMatrix> expected;
  std::vector<TestMatrix> result;
  for (auto* results : {&expected, &result}) {
    results->push_back(random_matrix(dtype, c.rows, c.n, 6, 1.0, c.padding));
    results->push_back(random_matrix(dtype, c.rows, narrow, 7));
    results->push_back(random_matrix(DType::f32, c.rows, narrow, 8));
  }
  linear_forward(context_, x.view(), wide.view(), bias, {}, expected[0].view());
  linear_forward(context_, x.view(), thin.view(), {}, addend.view(), expected[1].view());
  linear_forward(context_, x.view(), thin.view(), {}, expected[2].view(), expected[2].view());
  const std::vector<LinearProduct> products = {{wide.view(), bias, {}, result[0].view()},
                                               {thin.view(), {}, addend.view(), result[1].view()},
                                               {thin.view(), {}, result[2].view(), result[2].view()}};
  linear_forward_together(context_, x.view(), products);
  for (std::size_t i = 0; i < result.size(); ++i) {
    EXPECT_EQ(numbers(result[i].view()), numbers(expected[i].view())) << c << " product " << i;
    EXPECT_TRUE(result[i].padding_intact());
  }
}

TEST_P(Linear, BackwardInputAgreesWithTheReference) {
  const auto [dtype, c] = GetParam();
  const TestMatrix dy = random_matrix(dtype, c.rows, c.n, 5, 1.0, c.padding);
  const TestMatrix w = random_matrix(dtype, c.n, c.k, 6, 1.0, 2 * c.padding);
  for (const Write write : {Write::replace, Write::add}) {
    for (const DType result : {dtype, DType::f32}) {
      TestMatrix dx = random_matrix(result, c.rows, c.k, 7, 1.0, c.padding);
      std::vector<double> expected =
          ref::linear_backward_input(numbers(dy.view()), numbers(w.view()), u(c.rows), u(c.n), u(c.k));
      if (write == Write::add) add_to(expected, numbers(dx.view()));
      linear_backward_input(context_, dy.view(), w.view(), dx.view(), write);
      EXPECT_TRUE(is_near(dx.view(), expected, tolerance(result, c.n))) << c;
      EXPECT_TRUE(dx.padding_intact());
    }
  }
}

TEST_P(Linear, ReluIsThatOfTheProduct) {
  const auto [dtype, c] = GetParam();
  const TestMatrix x = random_matrix(dtype, c.rows, c.k, 1, 1.0, c.padding);
  const TestMatrix w = random_matrix(dtype, c.n, c.k, 2, 1.0, 2 * c.padding);
  const std::vector<float> bias = random_floats(c.n, 3);
  TestMatrix expected(dtype, c.rows, c.n, c.padding);
  TestMatrix y(dtype, c.rows, c.n, c.padding);
  std::vector<std::uint8_t> expected_mask(static_cast<std::size_t>(relu_mask_bytes(c.rows, c.n)));
  std::vector<std::uint8_t> mask(expected_mask.size());
  linear_forward(context_, x.view(), w.view(), bias, {}, expected.view());
  relu_forward(context_, expected.view(), expected_mask);
  linear_relu_forward(context_, x.view(), w.view(), bias, y.view(), mask);
  EXPECT_EQ(numbers(y.view()), numbers(expected.view()));
  EXPECT_EQ(mask, expected_mask);

  const TestMatrix dy = random_matrix(dtype, c.rows, c.k, 4);
  const TestMatrix up = random_matrix(dtype, c.k, c.n, 5);
  linear_backward_input(context_, dy.view(), up.view(), expected.view(), Write::replace);
  relu_backward(context_, expected.view(), mask, expected.view());
  linear_relu_backward(context_, dy.view(), up.view(), mask, y.view());
  EXPECT_EQ(numbers(y.view()), numbers(expected.view()));
}

// gate and up, and their gradients in their place, are columns of one matrix.
TEST_P(Linear, GateIsThatOfTheProduct) {
  const auto [dtype, c] = GetParam();
  const TestMatrix x = random_matrix(dtype, c.rows, c.k, 1, 1.0, c.padding);
  const TestMatrix w = random_matrix(dtype, c.n, c.k, 2, 1.0, 2 * c.padding);
  const TestMatrix dy = random_matrix(dtype, c.rows, c.k, 5);
  const TestMatrix down = random_matrix(dtype, c.k, c.n, 6);
  const std::vector<float> bias = random_floats(c.n, 4);
  for (const Gate function : {Gate::silu, Gate::gelu_tanh}) {
    TestMatrix both = random_matrix(dtype, c.rows, 2 * c.n, 3, 1.0, c.padding);
    const MatrixView gate = test::columns(both.view(), 0, c.n);
    const MatrixView up = test::columns(both.view(), c.n, 2 * c.n);
    const auto gate_before = numbers(gate);
    TestMatrix other(dtype, c.rows, 2 * c.n, c.padding);  // oneDNN's sums may depend on the result's stride
    const MatrixView expected_h = test::columns(other.view(), 0, c.n);
    const MatrixView expected_up = test::columns(other.view(), c.n, 2 * c.n);
    TestMatrix h(dtype, c.rows, c.n, 2 * c.padding);
    linear_forward(context_, x.view(), w.view(), bias, {}, expected_up);
    gate_forward(context_, function, gate, expected_up, expected_h);
    linear_gate_forward(context_, function, x.view(), w.view(), bias, gate, up, h.view());
    EXPECT_EQ(numbers(up), numbers(expected_up));
    EXPECT_EQ(numbers(gate), gate_before);
    EXPECT_EQ(numbers(h.view()), numbers(expected_h));

    TestMatrix dh(dtype, c.rows, c.n, c.padding);
    linear_backward_input(context_, dy.view(), down.view(), dh.view(), Write::replace);
    gate_backward(context_, function, dh.view(), gate, up, expected_h, expected_up);
    linear_gate_backward(context_, function, dy.view(), down.view(), gate, up, h.view(), gate, up);
    EXPECT_EQ(numbers(h.view()), numbers(dh.view()));
    EXPECT_EQ(numbers(gate), numbers(expected_h));
    EXPECT_EQ(numbers(up), numbers(expected_up));
    EXPECT_TRUE(both.padding_intact() && h.padding_intact());
  }
}

TEST_P(Linear, BackwardWeightAndBiasAddToTheGradients) {
  const auto [dtype, c] = GetParam();
  const TestMatrix dy = random_matrix(dtype, c.rows, c.n, 8, 1.0, c.padding);
  const TestMatrix x = random_matrix(dtype, c.rows, c.k, 9, 1.0, 2 * c.padding);
  TestMatrix dw = random_matrix(DType::f32, c.n, c.k, 10, 1.0, c.padding);
  std::vector<double> expected =
      ref::linear_backward_weight(numbers(dy.view()), numbers(x.view()), u(c.rows), u(c.n), u(c.k));
  add_to(expected, numbers(dw.view()));
  linear_backward_weight(context_, dy.view(), x.view(), dw.view());
  EXPECT_TRUE(is_near(dw.view(), expected, tolerance(DType::f32, c.rows))) << c;
  EXPECT_TRUE(dw.padding_intact());

  std::vector<float> dbias = random_floats(c.n, 11);
  std::vector<double> expected_bias = ref::linear_backward_bias(numbers(dy.view()), u(c.rows), u(c.n));
  add_to(expected_bias, numbers(std::span<const float>(dbias)));
  linear_backward_bias(context_, dy.view(), dbias);
  EXPECT_TRUE(is_near(std::span<const float>(dbias), expected_bias, tolerance(DType::f32, c.rows))) << c;
}

TEST_P(Linear, CountsTwoFlopsAMultiplyAdd) {
  const auto [dtype, c] = GetParam();
  const TestMatrix x = random_matrix(dtype, c.rows, c.k, 1);
  const TestMatrix w = random_matrix(dtype, c.n, c.k, 2);
  TestMatrix y(dtype, c.rows, c.n);
  linear_forward(context_, x.view(), w.view(), {}, {}, y.view());
  EXPECT_EQ(context_.flops(), 2U * u(c.rows) * u(c.n) * u(c.k));
}

INSTANTIATE_TEST_SUITE_P(Sizes, Linear,
                         testing::Combine(testing::Values(DType::f32, DType::bf16),
                                          testing::ValuesIn(cases)));

// Without bf16 hardware (COLA_CPU_ISA lowered) linear_* is this already; here it is called whatever the
// processor.
class BlockedProduct : public testing::TestWithParam<Case> {
 protected:
  Context context_;
};

TEST_P(BlockedProduct, AgreesWithTheReference) {
  const Case c = GetParam();
  constexpr DType dtype = DType::bf16;
  const TestMatrix x = random_matrix(dtype, c.rows, c.k, 12, 1.0, c.padding);
  const TestMatrix w = random_matrix(dtype, c.n, c.k, 13);
  const std::vector<float> bias = random_floats(c.n, 14);
  TestMatrix y = random_matrix(dtype, c.rows, c.n, 15, 1.0, c.padding);
  std::vector<double> expected = ref::linear_forward<double>(
      numbers(x.view()), numbers(w.view()), numbers(std::span(bias)), u(c.rows), u(c.n), u(c.k));
  add_to(expected, numbers(y.view()));
  multiply_blocked(context_, x.view(), Transpose::no, w.view(), Transpose::yes, bias, y.view(), Write::add);
  EXPECT_TRUE(is_near(y.view(), expected, tolerance(DType::bf16, c.k))) << c;

  TestMatrix dx(DType::f32, c.rows, c.k);
  multiply_blocked(context_, y.view(), Transpose::no, w.view(), Transpose::no, {}, dx.view(), Write::replace);
  // y grows with the root of k, and so do the products' errors.
  Tolerance wider = tolerance(DType::f32, c.n);
  wider.absolute *= 1.0 + std::sqrt(static_cast<double>(c.k));
  EXPECT_TRUE(is_near(
      dx.view(), ref::linear_backward_input(numbers(y.view()), numbers(w.view()), u(c.rows), u(c.n), u(c.k)),
      wider))
      << c;

  TestMatrix dw(DType::f32, c.n, c.k);
  multiply_blocked(context_, y.view(), Transpose::yes, x.view(), Transpose::no, {}, dw.view(), Write::add);
  wider.absolute = tolerance(DType::f32, c.rows).absolute * (1.0 + std::sqrt(static_cast<double>(c.k)));
  EXPECT_TRUE(is_near(
      dw.view(), ref::linear_backward_weight(numbers(y.view()), numbers(x.view()), u(c.rows), u(c.n), u(c.k)),
      wider))
      << c;
}

INSTANTIATE_TEST_SUITE_P(Sizes, BlockedProduct, testing::ValuesIn(cases));

// In the dtype whose words are two terms, rows that begin or follow one another in the middle of a word.
TEST(BlockedProductPlaces, MakeNoDifference) {
  constexpr std::int64_t rows = 24, depth = 70;
  const TestMatrix w = random_matrix(DType::bf16, 50, depth, 1);
  for (const std::int64_t stride : {71, 72}) {
    for (const std::int64_t first : {0, 1}) {
      SCOPED_TRACE(testing::Message() << "stride " << stride << " from column " << first);
      const TestMatrix wide = random_matrix(DType::bf16, rows, stride, 2);
      const ConstMatrixView x = wide.view().column_range(first, first + depth);
      Context context;
      TestMatrix apart(DType::bf16, rows, depth), y(DType::f32, rows, 50), expected(DType::f32, rows, 50);
      convert(context, x, apart.view());
      multiply_blocked(context, x, Transpose::no, w.view(), Transpose::yes, {}, y.view(), Write::replace);
      multiply_blocked(context, apart.view(), Transpose::no, w.view(), Transpose::yes, {}, expected.view(),
                       Write::replace);
      EXPECT_EQ(numbers(y.view()), numbers(expected.view()));
    }
  }
}

// More columns than a block has; threads that share rows and columns.
TEST(BlockedProductEpilogue, MeetsEveryFinishedBlockOnce) {
  const TestMatrix x = random_matrix(DType::bf16, 150, 20, 1);
  const TestMatrix w = random_matrix(DType::bf16, 900, 20, 2);
  for (const int threads : {1, 2, 3, 7}) {
    const Threads scope(threads);
    for (const DType dtype : {DType::bf16, DType::f32}) {
      Context context;
      TestMatrix y(dtype, 150, 900, 3);
      BlocksSeen seen(y.view());
      multiply_blocked(context, x.view(), Transpose::no, w.view(), Transpose::yes, {}, y.view(),
                       Write::replace, BlockEpilogue(seen));
      seen.expect_all();
    }
  }
}

class LinearRows : public testing::TestWithParam<DType> {};

TEST_P(LinearRows, DoNotDependOnOtherRows) {
  for (const std::int64_t rows : {5, 40, 300}) {
    Context context;
    const TestMatrix w = random_matrix(GetParam(), 129, 640, 1);
    TestMatrix x = random_matrix(GetParam(), rows, 640, 2);
    TestMatrix y(GetParam(), rows, 129);
    TestMatrix again(GetParam(), rows, 129);
    linear_forward(context, x.view(), w.view(), {}, {}, y.view());
    for (std::int64_t col = 0; col < 640; ++col) {
      for (std::int64_t row = 0; row < rows; ++row) {
        if (row != 3) test::set_element(x.view(), row, col, 1e4);
      }
    }
    linear_forward(context, x.view(), w.view(), {}, {}, again.view());
    EXPECT_EQ(numbers(y.view().row_range(3, 4)), numbers(again.view().row_range(3, 4))) << rows;
  }
}

TEST_P(LinearRows, SameCallSameBits) {
  const TestMatrix dy = random_matrix(GetParam(), 300, 129, 1);
  const TestMatrix x = random_matrix(GetParam(), 300, 65, 2);
  std::vector<std::vector<double>> results;
  for (int repeat = 0; repeat < 3; ++repeat) {
    Context context;
    TestMatrix dw(DType::f32, 129, 65);
    linear_backward_weight(context, dy.view(), x.view(), dw.view());
    results.push_back(numbers(dw.view()));
  }
  EXPECT_EQ(results[0], results[1]);
  EXPECT_EQ(results[0], results[2]);
}

INSTANTIATE_TEST_SUITE_P(DTypes, LinearRows, testing::Values(DType::f32, DType::bf16));

TEST(LinearErrors, WrongShapesNameTheOp) {
  Context context;
  TestMatrix x(DType::f32, 4, 8);
  TestMatrix w(DType::f32, 3, 7);
  TestMatrix y(DType::f32, 4, 3);
  EXPECT_THROW(linear_forward(context, x.view(), w.view(), {}, {}, y.view()), std::logic_error);
  TestMatrix w_bf16(DType::bf16, 3, 8);
  EXPECT_THROW(linear_forward(context, x.view(), w_bf16.view(), {}, {}, y.view()), std::logic_error);
  const std::vector<float> bias(2);
  TestMatrix w_right(DType::f32, 3, 8);
  EXPECT_THROW(linear_forward(context, x.view(), w_right.view(), bias, {}, y.view()), std::logic_error);
}

TEST(LinearEmpty, NoRowsIsNoWork) {
  Context context;
  TestMatrix x(DType::f32, 0, 8);
  TestMatrix w(DType::f32, 3, 8);
  TestMatrix y(DType::f32, 0, 3);
  TestMatrix dw = random_matrix(DType::f32, 3, 8, 1);
  const std::vector<double> before = numbers(dw.view());
  linear_forward(context, x.view(), w.view(), {}, {}, y.view());
  linear_backward_input(context, y.view(), w.view(), x.view(), Write::replace);
  linear_backward_weight(context, y.view(), x.view(), dw.view());
  EXPECT_EQ(numbers(dw.view()), before);
  EXPECT_EQ(context.flops(), 0U);
}

// The reference's own backward against the complex-step derivative of L = sum(g * y), exact to rounding.
TEST(LinearReference, BackwardIsTheDerivative) {
  using Complex = std::complex<double>;
  constexpr std::size_t rows = 3;
  constexpr std::size_t n = 4;
  constexpr std::size_t k = 5;
  const auto x = numbers(random_matrix(DType::f32, rows, k, 1).view());
  const auto w = numbers(random_matrix(DType::f32, n, k, 2).view());
  const auto bias = numbers(random_matrix(DType::f32, 1, n, 3).view());
  const auto dy = numbers(random_matrix(DType::f32, rows, n, 4).view());
  const auto derivative = [&](int which, std::size_t index) {
    std::vector<Complex> inputs[3] = {{x.begin(), x.end()}, {w.begin(), w.end()}, {bias.begin(), bias.end()}};
    inputs[which][index] += Complex(0.0, 1e-30);
    const auto y = ref::linear_forward(inputs[0], inputs[1], inputs[2], rows, n, k);
    double sum = 0.0;
    for (std::size_t i = 0; i < y.size(); ++i) sum += dy[i] * y[i].imag();
    return sum / 1e-30;
  };
  const auto dx = ref::linear_backward_input(dy, w, rows, n, k);
  const auto dw = ref::linear_backward_weight(dy, x, rows, n, k);
  const auto dbias = ref::linear_backward_bias(dy, rows, n);
  for (std::size_t i = 0; i < dx.size(); ++i) EXPECT_NEAR(dx[i], derivative(0, i), 1e-12);
  for (std::size_t i = 0; i < dw.size(); ++i) EXPECT_NEAR(dw[i], derivative(1, i), 1e-12);
  for (std::size_t i = 0; i < dbias.size(); ++i) EXPECT_NEAR(dbias[i], derivative(2, i), 1e-12);
}

}  // namespace
}  // namespace cola::ops
