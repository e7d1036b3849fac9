#include "backend/rotary.h"

#include <gtest/gtest.h>

#include <cmath>
#include <stdexcept>
#include <utility>
#include <vector>

#include "backend/cpu/kernels/elementwise.h"
#include "backend/ref/rotary.h"
#include "support/complex_step.h"
#include "support/near.h"
#include "support/tensors.h"

namespace cola {
namespace {

using Complex = std::complex<double>;
using test::is_near;
using test::numbers;
using test::random_matrix;
using test::TestMatrix;

const std::vector<std::int32_t> positions = {0, 1, 2, 0, 8, 3};

/// cos and sin of position * 10000^(-2 i / head_dim) for positions 0 .. 8: head_dim is the part that turns.
struct Table {
  explicit Table(std::int64_t head_dim)
      : cos(DType::f32, 9, head_dim / 2, 1), sin(DType::f32, 9, head_dim / 2, 3) {
    for (std::int64_t position = 0; position < 9; ++position) {
      for (std::int64_t i = 0; i < head_dim / 2; ++i) {
        const double angle = static_cast<double>(position) *
                             std::pow(10000.0, -2.0 * static_cast<double>(i) / static_cast<double>(head_dim));
        test::set_element(cos.view(), position, i, std::cos(angle));
        test::set_element(sin.view(), position, i, std::sin(angle));
      }
    }
  }
  TestMatrix cos, sin;
};

// f32: two products and a sum of values of order 1. bf16: the result is rounded once more.
test::Tolerance tolerance(DType dtype) {
  if (dtype == DType::f32) return {5e-7, 5e-7, 1e-12};
  return {1e-4, 0x1p-8, 1e-5};
}

TEST(RotaryRef, TheInverseIsTheComplexStepDerivative) {
  const Table table(6);
  const auto cos = numbers(table.cos.view());
  const auto sin = numbers(table.sin.view());
  for (const std::int64_t head_dim : {6, 9}) {
    const auto x = numbers(random_matrix(DType::f32, 6, 2 * head_dim, 1).view());
    const auto dy = numbers(random_matrix(DType::f32, 6, 2 * head_dim, 2).view());
    const auto expected = test::complex_step_gradient(x, [&](const std::vector<Complex>& at) {
      return test::weighted_sum<Complex>(dy,
                                         ref::rotary<Complex>(at, head_dim, 6, positions, cos, sin, false));
    });
    EXPECT_TRUE(is_near(ref::rotary<double>(dy, head_dim, 6, positions, cos, sin, true), expected,
                        {1e-13, 1e-13, 1e-13}));
  }
}

TEST(Rotary, AgreesWithRefInBothDirections) {
  for (const DType dtype : {DType::f32, DType::bf16}) {
    for (const auto& [head_dim, rotary_dim] : std::vector<std::pair<std::int64_t, std::int64_t>>{
             {2, 2}, {8, 8}, {34, 34}, {80, 80}, {128, 128}, {8, 4}, {80, 20}, {96, 72}, {7, 2}}) {
      for (const bool inverse : {false, true}) {
        SCOPED_TRACE(testing::Message()
                     << name_of(dtype) << " " << rotary_dim << " of " << head_dim << " " << inverse);
        Table table(rotary_dim);
        TestMatrix x = random_matrix(dtype, 6, 3 * head_dim, 1, 1.0, 5);
        const auto expected = ref::rotary<double>(
            numbers(x.view()), static_cast<std::size_t>(head_dim), static_cast<std::size_t>(rotary_dim),
            positions, numbers(table.cos.view()), numbers(table.sin.view()), inverse);
        ops::Context context;
        ops::rotary(context, x.view(), head_dim, positions, table.cos.view(), table.sin.view(), inverse);
        EXPECT_TRUE(is_near(x.view(), expected, tolerance(dtype)));
        EXPECT_TRUE(x.padding_intact());
      }
    }
  }
}

template <class T>
void check_tables(DType dtype) {
  Table table(22);
  for (const ops::CpuIsa isa : test::runnable_isas()) {
    SCOPED_TRACE(ops::name_of(isa));
    TestMatrix x = random_matrix(dtype, 6, 44, 1);
    const auto expected = ref::rotary<double>(numbers(x.view()), 22, 22, positions, numbers(table.cos.view()),
                                              numbers(table.sin.view()), true);
    kernels::elementwise_kernels<T>(isa).rotary(
        6, 2, 22, 11, {static_cast<T*>(x.view().data), 44}, positions.data(),
        {table.cos.view().as<float>(), table.cos.view().stride},
        {table.sin.view().as<float>(), table.sin.view().stride}, -1.0F);
    EXPECT_TRUE(is_near(x.view(), expected, tolerance(dtype)));

    TestMatrix wider = random_matrix(dtype, 6, 54, 2);  // heads of 27, of which 22 turn
    const auto partly = ref::rotary<double>(numbers(wider.view()), 27, 22, positions,
                                            numbers(table.cos.view()), numbers(table.sin.view()), false);
    kernels::elementwise_kernels<T>(isa).rotary(
        6, 2, 27, 11, {static_cast<T*>(wider.view().data), 54}, positions.data(),
        {table.cos.view().as<float>(), table.cos.view().stride},
        {table.sin.view().as<float>(), table.sin.view().stride}, 1.0F);
    EXPECT_TRUE(is_near(wider.view(), partly, tolerance(dtype)));
  }
}

TEST(RotaryKernels, EveryInstructionSetAgreesWithRef) {
  check_tables<float>(DType::f32);
  check_tables<std::uint16_t>(DType::bf16);
}

TEST(Rotary, WrongOperandsAreLogicErrors) {
  Table table(8);
  TestMatrix x = random_matrix(DType::f32, 6, 16, 1);
  ops::Context context;
  const auto rotate = [&](std::int64_t head_dim, std::vector<std::int32_t> at) {
    ops::rotary(context, x.view(), head_dim, at, table.cos.view(), table.sin.view(), false);
  };
  EXPECT_NO_THROW(rotate(8, positions));
  EXPECT_THROW(rotate(5, positions), std::logic_error);
  EXPECT_NO_THROW(rotate(16, positions));                         // 8 of 16
  EXPECT_THROW(rotate(4, positions), std::logic_error);           // the table is for 8
  EXPECT_THROW(rotate(8, {0, 1, 2}), std::logic_error);           // not one a row
  EXPECT_THROW(rotate(8, {0, 1, 2, 3, 4, 9}), std::logic_error);  // outside the table
  EXPECT_THROW(rotate(8, {0, 1, 2, 3, 4, -1}), std::logic_error);
}

}  // namespace
}  // namespace cola
