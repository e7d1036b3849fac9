#include <gtest/gtest.h>

#include <stdexcept>
#include <vector>

#include "backend/cpu/kernels/elementwise.h"
#include "backend/elementwise.h"
#include "backend/ref/elementwise.h"
#include "support/tensors.h"

namespace cola {
namespace {

using test::element;
using test::TestMatrix;

constexpr ops::DropoutKey key = {0x123456789abcdef0U, (std::uint64_t{7} << 32) + 12, 0.3F};

std::vector<std::uint64_t> token_keys(std::int64_t rows) {
  std::vector<std::uint64_t> keys;
  for (std::int64_t row = 0; row < rows; ++row) {
    keys.push_back((static_cast<std::uint64_t>(row % 3) << 32) + static_cast<std::uint64_t>(row));
  }
  return keys;
}

TEST(Dropout, AgreesWithRefElementByElement) {
  ops::Context context;
  for (const DType dtype : {DType::f32, DType::bf16}) {
    for (const std::int64_t cols : {1, 5, 255, 256, 257, 700}) {
      SCOPED_TRACE(testing::Message() << name_of(dtype) << " " << cols);
      const TestMatrix x = test::random_matrix(dtype, 40, cols, 1, 1.0, 1);
      TestMatrix y(dtype, 40, cols, 2);
      const auto tokens = token_keys(40);
      ops::dropout(context, x.view(), key, tokens, y.view());
      for (std::int64_t row = 0; row < 40; ++row) {
        for (std::int64_t col = 0; col < cols; ++col) {
          const double factor =
              ref::dropout_factor(key.seed, key.stream, key.probability,
                                  tokens[static_cast<std::size_t>(row)], static_cast<std::size_t>(col));
          const double expected = element(x.view(), row, col) * factor;
          // One rounding of the factor, one of the product, one to bf16. A dropped element is exactly zero.
          const double tolerance = std::abs(expected) * (dtype == DType::f32 ? 3e-7 : 0x1p-8);
          ASSERT_NEAR(element(y.view(), row, col), expected, tolerance) << row << ", " << col;
        }
      }
      EXPECT_TRUE(y.padding_intact());
    }
  }
}

TEST(Dropout, KeepsTheExpectedShareAndForgetsNaN) {
  ops::Context context;
  TestMatrix x(DType::f32, 1000, 500);
  for (std::int64_t row = 0; row < 1000; ++row) {
    for (std::int64_t col = 0; col < 500; ++col) test::set_element(x.view(), row, col, 1.0);
  }
  ops::dropout(context, x.view(), key, token_keys(1000), x.view());  // in place
  double kept = 0.0;
  for (std::int64_t row = 0; row < 1000; ++row) {
    for (std::int64_t col = 0; col < 500; ++col) kept += element(x.view(), row, col) != 0.0 ? 1.0 : 0.0;
  }
  // 5 standard deviations of a binomial share: sqrt(0.3 0.7 / 500000) = 6.5e-4.
  EXPECT_NEAR(kept / 500000.0, 0.7, 5 * 6.5e-4);

  TestMatrix nan(DType::f32, 1, 100);
  for (std::int64_t col = 0; col < 100; ++col) {
    test::set_element(nan.view(), 0, col, std::numeric_limits<double>::quiet_NaN());
  }
  ops::dropout(context, nan.view(), key, token_keys(1), nan.view());
  for (std::int64_t col = 0; col < 100; ++col) {
    const bool is_kept =
        ref::dropout_factor(key.seed, key.stream, key.probability, 0, static_cast<std::size_t>(col)) != 0.0;
    EXPECT_EQ(std::isnan(element(nan.view(), 0, col)), is_kept);
  }
}

TEST(Dropout, TheMaskBelongsToTheTokenNotToTheRow) {
  ops::Context context;
  const TestMatrix x = test::random_matrix(DType::f32, 1, 300, 1);
  const auto mask_of = [&](const ops::DropoutKey& with, std::uint64_t token) {
    TestMatrix y(DType::f32, 1, 300);
    ops::dropout(context, x.view(), with, std::vector<std::uint64_t>{token}, y.view());
    return test::numbers(y.view());
  };
  const auto mask = mask_of(key, 5);
  EXPECT_EQ(mask_of(key, 5), mask);
  EXPECT_NE(mask_of(key, 6), mask);
  EXPECT_NE(mask_of(key, 5 + (std::uint64_t{1} << 32)), mask);
  for (const ops::DropoutKey& other :
       {ops::DropoutKey{key.seed + 1, key.stream, key.probability},
        ops::DropoutKey{key.seed ^ (std::uint64_t{1} << 40), key.stream, key.probability},
        ops::DropoutKey{key.seed, key.stream + 1, key.probability},
        ops::DropoutKey{key.seed, key.stream ^ (std::uint64_t{1} << 40), key.probability}}) {
    EXPECT_NE(mask_of(other, 5), mask);
  }
  const ops::DropoutKey none = {key.seed, key.stream, 0.0F};
  EXPECT_EQ(mask_of(none, 5), test::numbers(x.view()));
}

template <class T>
void check_tables(DType dtype) {
  const TestMatrix x = test::random_matrix(dtype, 3, 300, 1);
  const auto tokens = token_keys(3);
  const auto run = [&](ops::CpuIsa isa) {
    TestMatrix y(dtype, 3, 300);
    kernels::elementwise_kernels<T>(isa).dropout(3, 300, {static_cast<const T*>(x.view().data), 300},
                                                 {{1, 2}, 0.3F}, tokens.data(),
                                                 {static_cast<T*>(y.view().data), 300});
    return test::numbers(y.view());
  };
  const auto expected = run(ops::CpuIsa::baseline);
  for (const ops::CpuIsa isa : test::runnable_isas()) EXPECT_EQ(run(isa), expected) << ops::name_of(isa);
}

TEST(DropoutKernels, EveryInstructionSetDrawsTheSameMask) {
  check_tables<float>(DType::f32);
  check_tables<std::uint16_t>(DType::bf16);
}

TEST(Dropout, WrongOperandsAreLogicErrors) {
  ops::Context context;
  TestMatrix x(DType::f32, 2, 3);
  EXPECT_THROW(ops::dropout(context, x.view(), key, token_keys(3), x.view()), std::logic_error);
  EXPECT_THROW(ops::dropout(context, x.view(), {1, 2, 1.0F}, token_keys(2), x.view()), std::logic_error);
  EXPECT_THROW(ops::dropout(context, x.view(), {1, 2, -0.1F}, token_keys(2), x.view()), std::logic_error);
}

}  // namespace
}  // namespace cola
