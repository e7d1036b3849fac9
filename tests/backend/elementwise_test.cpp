#include "backend/elementwise.h"

#include <gtest/gtest.h>

#include <cmath>
#include <complex>
#include <limits>
#include <numbers>
#include <stdexcept>
#include <vector>

#include "backend/cpu/kernels/elementwise.h"
#include "backend/ref/elementwise.h"
#include "support/near.h"
#include "support/tensors.h"

namespace cola {
namespace {

using test::is_near;
using test::numbers;
using test::random_matrix;
using test::TestMatrix;

constexpr ops::Gate gates[] = {ops::Gate::silu, ops::Gate::gelu_tanh};

// f32: exp to 2 ulp and a few more roundings of values up to about 10, some of which cancel in a gate's
// slope. bf16: the result is rounded once more.
test::Tolerance tolerance(DType dtype) {
  if (dtype == DType::f32) return {1e-6, 1e-6, 1e-12};
  return {1e-5, 0x1p-8, 1e-5};
}

/// Applies a function of one element to lists of elements.
template <class Function, class... Lists>
std::vector<double> map(Function function, const std::vector<double>& first, const Lists&... rest) {
  std::vector<double> result;
  for (std::size_t i = 0; i < first.size(); ++i) result.push_back(function(first[i], rest[i]...));
  return result;
}

std::vector<double> gate_of(ops::Gate function, const std::vector<double>& gate,
                            const std::vector<double>& up) {
  return map([&](double g, double u) { return ref::gate_forward(function, g, u); }, gate, up);
}
std::vector<double> dgate_of(ops::Gate function, const std::vector<double>& dh,
                             const std::vector<double>& gate, const std::vector<double>& up) {
  return map([&](double d, double g, double u) { return ref::gate_backward(function, d, g, u).dgate; }, dh,
             gate, up);
}
std::vector<double> dup_of(ops::Gate function, const std::vector<double>& dh, const std::vector<double>& gate,
                           const std::vector<double>& up) {
  return map([&](double d, double g, double u) { return ref::gate_backward(function, d, g, u).dup; }, dh,
             gate, up);
}

TEST(ElementwiseRef, BackwardIsTheComplexStepDerivative) {
  constexpr double step = 1e-100;
  using Complex = std::complex<double>;
  for (const double gate : {-30.0, -1.3, -0.1, 0.0, 0.7, 4.0, 30.0}) {
    for (const ops::Gate function : gates) {
      const auto gradient = ref::gate_backward(function, 1.5, gate, -0.8);
      const auto derivative = [&](Complex at, Complex up) {
        return 1.5 * ref::gate_forward(function, at, up).imag() / step;
      };
      const double dgate = derivative({gate, step}, -0.8);
      const double dup = derivative(gate, {-0.8, step});
      EXPECT_NEAR(gradient.dgate, dgate, 1e-15 + 1e-13 * std::abs(dgate));
      EXPECT_NEAR(gradient.dup, dup, 1e-15 + 1e-13 * std::abs(dup));
    }
    const double drelu = ref::relu(Complex{gate, step}).imag() / step;
    EXPECT_EQ(ref::relu_backward(1.5, ref::relu(gate)), 1.5 * drelu);
  }
}

TEST(Elementwise, AgreesWithRef) {
  ops::Context context;
  for (const DType dtype : {DType::f32, DType::bf16}) {
    for (const std::int64_t cols : {1, 17, 333}) {
      SCOPED_TRACE(testing::Message() << name_of(dtype) << " " << cols);
      const TestMatrix a = random_matrix(dtype, 120, cols, 1, 3.0, 1);
      const TestMatrix b = random_matrix(dtype, 120, cols, 2, 1.0, 2);
      TestMatrix c = random_matrix(dtype, 120, cols, 3);
      const auto na = numbers(a.view());
      const auto nb = numbers(b.view());
      const auto nc = numbers(c.view());
      TestMatrix y(dtype, 120, cols, 3);
      TestMatrix z(dtype, 120, cols, 3);

      ops::add(context, a.view(), b.view(), y.view());
      EXPECT_TRUE(is_near(y.view(), map([](double p, double q) { return p + q; }, na, nb), tolerance(dtype)));
      ops::add(context, a.view(), b.view(), y.view(), -0.25F);
      EXPECT_TRUE(
          is_near(y.view(), map([](double p, double q) { return p - 0.25 * q; }, na, nb), tolerance(dtype)));
      ops::scale(context, a.view(), 0.22F, y.view());
      EXPECT_TRUE(is_near(y.view(), map([](double p) { return 0.22F * p; }, na), tolerance(dtype)));

      for (const ops::Gate function : gates) {
        ops::gate_forward(context, function, a.view(), b.view(), y.view());
        EXPECT_TRUE(is_near(y.view(), gate_of(function, na, nb), tolerance(dtype)));
        ops::gate_backward(context, function, c.view(), a.view(), b.view(), y.view(), z.view());
        EXPECT_TRUE(is_near(y.view(), dgate_of(function, nc, na, nb), tolerance(dtype)));
        EXPECT_TRUE(is_near(z.view(), dup_of(function, nc, na, nb), tolerance(dtype)));
      }

      ops::add(context, a.view(), TestMatrix(dtype, 120, cols).view(), y.view());  // a copy of a
      std::vector<std::uint8_t> mask(static_cast<std::size_t>(ops::relu_mask_bytes(120, cols)));
      ops::relu_forward(context, y.view(), mask);
      EXPECT_EQ(numbers(y.view()), map(ref::relu<double>, na));
      ops::relu_backward(context, c.view(), mask, z.view());
      EXPECT_EQ(numbers(z.view()), map(ref::relu_backward<double>, nc, numbers(y.view())));
      ops::relu_backward(context, c.view(), mask, c.view());
      EXPECT_EQ(numbers(c.view()), numbers(z.view()));
      ops::add(context, a.view(), TestMatrix(dtype, 120, cols).view(), z.view());
      ops::relu_forward(context, z.view());  // without a mask
      EXPECT_EQ(numbers(z.view()), numbers(y.view()));
      EXPECT_TRUE(y.padding_intact() && z.padding_intact());
    }
  }
}

TEST(Elementwise, WorksInPlace) {
  ops::Context context;
  for (const DType dtype : {DType::f32, DType::bf16}) {
    TestMatrix gate = random_matrix(dtype, 3, 70, 1);
    TestMatrix up = random_matrix(dtype, 3, 70, 2);
    TestMatrix dh = random_matrix(dtype, 3, 70, 3);
    TestMatrix dgate(dtype, 3, 70);
    TestMatrix dup(dtype, 3, 70);
    for (const ops::Gate function : gates) {
      ops::gate_backward(context, function, dh.view(), gate.view(), up.view(), dgate.view(), dup.view());
      ops::gate_backward(context, function, dh.view(), gate.view(), up.view(), gate.view(), up.view());
      EXPECT_EQ(numbers(gate.view()), numbers(dgate.view()));
      EXPECT_EQ(numbers(up.view()), numbers(dup.view()));
    }

    const auto sum = map([](double p, double q) { return p + q; }, numbers(dh.view()), numbers(up.view()));
    ops::add(context, dh.view(), up.view(), dh.view());
    EXPECT_TRUE(is_near(dh.view(), sum, tolerance(dtype)));
    const auto halves = map([](double p) { return 0.5 * p; }, numbers(dh.view()));
    ops::scale(context, dh.view(), 0.5F, dh.view());
    EXPECT_EQ(numbers(dh.view()), halves);
    ops::add(context, dh.view(), dh.view(), dh.view(), -0.5F);
    EXPECT_EQ(numbers(dh.view()), map([](double p) { return 0.5 * p; }, halves));
  }
}

TEST(Elementwise, GateAndUpMayBeColumnsOfOneMatrix) {
  ops::Context context;
  for (const DType dtype : {DType::f32, DType::bf16}) {
    for (const std::int64_t cols : {5, 64, 131}) {
      for (const ops::Gate function : gates) {
        TestMatrix both = random_matrix(dtype, 40, 2 * cols, 1, 1.0, 3);
        const MatrixView gate = test::columns(both.view(), 0, cols);
        const MatrixView up = test::columns(both.view(), cols, 2 * cols);
        const auto g = numbers(gate);
        const auto u = numbers(up);
        TestMatrix h(dtype, 40, cols);
        ops::gate_forward(context, function, gate, up, h.view());
        EXPECT_TRUE(is_near(h.view(), gate_of(function, g, u), tolerance(dtype)));
        const TestMatrix dh = random_matrix(dtype, 40, cols, 2);
        ops::gate_backward(context, function, dh.view(), gate, up, gate, up);  // in place
        EXPECT_TRUE(is_near(gate, dgate_of(function, numbers(dh.view()), g, u), tolerance(dtype)));
        EXPECT_TRUE(is_near(up, dup_of(function, numbers(dh.view()), g, u), tolerance(dtype)));
        EXPECT_TRUE(both.padding_intact());
      }
    }
  }
}

TEST(Elementwise, ReluKeepsNaN) {
  ops::Context context;
  TestMatrix x(DType::f32, 1, 40);
  for (std::int64_t i = 0; i < 40; ++i) {
    test::set_element(x.view(), 0, i, i % 2 == 0 ? std::numeric_limits<double>::quiet_NaN() : -1.0);
  }
  ops::relu_forward(context, x.view());
  for (std::int64_t i = 0; i < 40; ++i) {
    EXPECT_EQ(std::isnan(test::element(x.view(), 0, i)), i % 2 == 0);
    if (i % 2 == 1) {
      EXPECT_EQ(test::element(x.view(), 0, i), 0.0);
    }
  }
}

TEST(ElementwiseKernels, GatesAreAccurateOverTheWholeRange) {
  std::vector<float> gate;
  for (float value = -120.0F; value <= 120.0F; value += 0.0137F) gate.push_back(value);
  const std::vector<float> ones(gate.size(), 1.0F);
  std::vector<float> h(gate.size());
  for (const ops::CpuIsa isa : test::runnable_isas()) {
    SCOPED_TRACE(ops::name_of(isa));
    const auto& table = kernels::elementwise_kernels<float>(isa);
    table.silu.forward(1, std::ssize(gate), {gate.data(), 0}, {ones.data(), 0}, {h.data(), 0});
    for (std::size_t i = 0; i < gate.size(); ++i) {
      const double expected = ref::gate_forward<double>(ops::Gate::silu, gate[i], 1.0);
      // 4 ulp; and 1e-36 because below -88.7 e^-g is infinite in f32 and the result 0.
      ASSERT_NEAR(h[i], expected, 1e-36 + 4 * 0x1p-24 * std::abs(expected)) << gate[i];
    }
    table.gelu_tanh.forward(1, std::ssize(gate), {gate.data(), 0}, {ones.data(), 0}, {h.data(), 0});
    for (std::size_t i = 0; i < gate.size(); ++i) {
      // Not by 1 + tanh, which cancels for a negative gate.
      const double z = gate[i];
      const double w = 2.0 * std::sqrt(2.0 / std::numbers::pi) * (z + 0.044715 * z * z * z);
      const double expected = z / (1.0 + std::exp(-w));
      // Below 0 the value is about z e^w, whose relative error is the absolute one of w: of four roundings.
      const double ulps = 4.0 + (z < 0.0 ? 4.0 * std::abs(w) : 0.0);
      ASSERT_NEAR(h[i], expected, 1e-36 + ulps * 0x1p-24 * std::abs(expected)) << gate[i];
    }
  }
}

template <class T>
void check_tables(DType dtype) {
  constexpr std::int64_t cols = 77;
  TestMatrix a = random_matrix(dtype, 2, cols, 1, 3.0);
  TestMatrix b = random_matrix(dtype, 2, cols, 2);
  TestMatrix c = random_matrix(dtype, 2, cols, 3);
  TestMatrix zero(dtype, 2, cols);
  TestMatrix y(dtype, 2, cols);
  TestMatrix z(dtype, 2, cols);
  const auto in = [](TestMatrix& m) {
    return kernels::Rows<const T>{static_cast<const T*>(m.view().data), cols};
  };
  const auto out = [](TestMatrix& m) { return kernels::Rows<T>{static_cast<T*>(m.view().data), cols}; };
  const auto na = numbers(a.view());
  const auto nb = numbers(b.view());
  const auto nc = numbers(c.view());
  for (const ops::CpuIsa isa : test::runnable_isas()) {
    SCOPED_TRACE(ops::name_of(isa));
    const auto& table = kernels::elementwise_kernels<T>(isa);
    table.add(2, cols, in(a), in(b), 1.0F, out(y));
    EXPECT_TRUE(is_near(y.view(), map([](double p, double q) { return p + q; }, na, nb), tolerance(dtype)));
    table.add(2, cols, in(a), in(b), -0.25F, out(y));
    EXPECT_TRUE(
        is_near(y.view(), map([](double p, double q) { return p - 0.25 * q; }, na, nb), tolerance(dtype)));
    table.scale(2, cols, in(a), 0.22F, out(y));
    EXPECT_TRUE(is_near(y.view(), map([](double p) { return 0.22F * p; }, na), tolerance(dtype)));
    for (const ops::Gate function : gates) {
      const auto& gate = function == ops::Gate::silu ? table.silu : table.gelu_tanh;
      gate.forward(2, cols, in(a), in(b), out(y));
      EXPECT_TRUE(is_near(y.view(), gate_of(function, na, nb), tolerance(dtype)));
      gate.backward(2, cols, in(c), in(a), in(b), out(y), out(z));
      EXPECT_TRUE(is_near(y.view(), dgate_of(function, nc, na, nb), tolerance(dtype)));
      EXPECT_TRUE(is_near(z.view(), dup_of(function, nc, na, nb), tolerance(dtype)));
    }
    constexpr std::int64_t mask_row = ops::relu_mask_bytes(1, cols);
    std::vector<std::uint8_t> mask(2 * mask_row);
    table.add(2, cols, in(a), in(zero), 1.0F, out(y));  // a copy of a
    table.relu_forward(2, cols, out(y), {mask.data(), mask_row});
    EXPECT_EQ(numbers(y.view()), map(ref::relu<double>, na));
    table.relu_backward(2, cols, in(c), {mask.data(), mask_row}, out(z));
    EXPECT_EQ(numbers(z.view()), map(ref::relu_backward<double>, nc, na));
  }
}

TEST(ElementwiseKernels, EveryInstructionSetAgreesWithRef) {
  check_tables<float>(DType::f32);
  check_tables<std::uint16_t>(DType::bf16);
}

TEST(Elementwise, WrongOperandsAreLogicErrors) {
  ops::Context context;
  TestMatrix a(DType::f32, 2, 3);
  TestMatrix b(DType::f32, 3, 2);
  TestMatrix c(DType::bf16, 2, 3);
  TestMatrix d(DType::f16, 2, 3);
  EXPECT_THROW(ops::add(context, a.view(), b.view(), a.view()), std::logic_error);
  EXPECT_THROW(ops::add(context, a.view(), c.view(), a.view()), std::logic_error);
  EXPECT_THROW(ops::scale(context, a.view(), 2.0F, b.view()), std::logic_error);
  EXPECT_THROW(ops::relu_forward(context, d.view()), std::logic_error);
  std::vector<std::uint8_t> mask(3);  // of 2 rows of 3 columns: 32 bytes
  EXPECT_THROW(ops::relu_forward(context, c.view(), mask), std::logic_error);
  EXPECT_THROW(ops::relu_backward(context, c.view(), mask, c.view()), std::logic_error);
}

}  // namespace
}  // namespace cola
