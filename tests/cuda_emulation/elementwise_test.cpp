#include "backend/cuda/kernels/elementwise.h"

#include <gtest/gtest.h>

#include <limits>
#include <numeric>
#include <tuple>
#include <vector>

#include "backend/elementwise.h"
#include "backend/ref/elementwise.h"
#include "backend/ref/linear.h"
#include "core/random.h"
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
  std::int64_t rows, cols, padding;
};
// Odd ones, ones that are read by 16 bytes, with aligned and unaligned gaps between rows, wider than a block.
const std::vector<Shape> shapes = {{1, 1, 0}, {3, 7, 1}, {5, 64, 0}, {4, 128, 8}, {2, 192, 3}, {3, 2112, 0}};

// One rounding of the sum, or of a few f32 operations of 2^-24 each; to bf16 another of 2^-9 (2^-8: a value
// that f32 errors push over a boundary).
test::Tolerance tolerance(DType dtype) {
  if (dtype == DType::f32) return {1e-6, 1e-6, 1e-12};
  return {1e-5, 0x1p-8, 1e-5};
}

TEST(CudaElementwise, AddAndScaleAgreeWithTheReference) {
  for_each_dtype([]<class T>(T) {
    for (const auto& [rows, cols, padding] : shapes) {
      const TestMatrix a = random_matrix(dtype_of<T>, rows, cols, 1, 1.0, padding);
      TestMatrix y = random_matrix(dtype_of<T>, rows, cols, 2, 1.0, padding);
      for (const float factor : {1.0F, -0.25F}) {
        auto expected = numbers(a.view());
        const auto b = numbers(y.view());
        for (std::size_t i = 0; i < expected.size(); ++i) expected[i] += static_cast<double>(factor) * b[i];
        ASSERT_TRUE(succeeds(add<T>(nullptr, rows, cols, in<T>(a), in<T>(y), factor, to<T>(y))));
        EXPECT_TRUE(is_near(y.view(), expected, tolerance(dtype_of<T>)));
      }
      auto expected = numbers(y.view());
      for (double& value : expected) value *= 0.22F;
      ASSERT_TRUE(succeeds(scale<T>(nullptr, rows, cols, in<T>(y), 0.22F, to<T>(y))));
      EXPECT_TRUE(is_near(y.view(), expected, tolerance(dtype_of<T>)));
      EXPECT_TRUE(y.padding_intact());
    }
  });
}

TEST(CudaElementwise, ReluAndItsMaskAgreeWithTheReference) {
  for_each_dtype([]<class T>(T) {
    for (const auto& [rows, cols, padding] : shapes) {
      TestMatrix x = random_matrix(dtype_of<T>, rows, cols, 1, 1.0, padding);
      test::set_element(x.view(), 0, 0, -0.0);
      test::set_element(x.view(), rows - 1, cols - 1, std::numeric_limits<double>::infinity());
      const auto before = numbers(x.view());
      const TestMatrix dy = random_matrix(dtype_of<T>, rows, cols, 2, 1.0, padding);
      TestMatrix dx(dtype_of<T>, rows, cols, padding);
      std::vector<std::uint8_t> mask(static_cast<std::size_t>(ops::relu_mask_bytes(rows, cols)), 0xAA);
      ASSERT_TRUE(succeeds(relu_forward<T>(nullptr, rows, cols, to<T>(x), mask.data())));
      ASSERT_TRUE(succeeds(relu_backward<T>(nullptr, rows, cols, in<T>(dy), mask.data(), to<T>(dx))));
      const std::int64_t mask_row = ops::relu_mask_bytes(1, cols);
      for (std::int64_t row = 0; row < rows; ++row) {
        for (std::int64_t col = 0; col < cols; ++col) {
          const double value = before[static_cast<std::size_t>(row * cols + col)];
          EXPECT_EQ(test::element(x.view(), row, col), ref::relu(value));
          const auto bits = mask[static_cast<std::size_t>(row * mask_row + col / 8)];
          EXPECT_EQ((bits >> (col % 8) & 1) != 0, value > 0.0);
          EXPECT_EQ(test::element(dx.view(), row, col),
                    ref::relu_backward(test::element(dy.view(), row, col), value));
        }
      }
      EXPECT_TRUE(x.padding_intact() && dx.padding_intact());
    }
  });
}

TEST(CudaElementwise, ReluKeepsNaNAndNeedsNoMask) {
  for (const std::int64_t cols : {5, 64}) {
    TestMatrix x(DType::bf16, 1, cols);
    test::set_element(x.view(), 0, 2, std::numeric_limits<double>::quiet_NaN());
    test::set_element(x.view(), 0, 3, -1.0);
    ASSERT_TRUE(succeeds(relu_forward<BFloat16>(nullptr, 1, cols, to<BFloat16>(x), nullptr)));
    EXPECT_TRUE(std::isnan(test::element(x.view(), 0, 2)));
    EXPECT_EQ(test::element(x.view(), 0, 3), 0.0);
  }
}

// gate and up, and their gradients in their place, are columns of one matrix.
TEST(CudaElementwise, GatesAgreeWithTheReference) {
  for_each_dtype([]<class T>(T) {
    for (const auto& [rows, cols, padding] : shapes) {
      for (const auto& [function, in_ops] :
           {std::pair(Gate::silu, ops::Gate::silu), {Gate::gelu_tanh, ops::Gate::gelu_tanh}}) {
        TestMatrix both = random_matrix(dtype_of<T>, rows, 2 * cols, 1, 2.0, padding);
        if (cols > 1) test::set_element(both.view(), 0, 0, -100.0);
        const MatrixView gate = test::columns(both.view(), 0, cols);
        const MatrixView up = test::columns(both.view(), cols, 2 * cols);
        const Rows<T> on_gate = {static_cast<T*>(gate.data), gate.stride};
        const Rows<T> on_up = {static_cast<T*>(up.data), up.stride};
        const TestMatrix dh = random_matrix(dtype_of<T>, rows, cols, 3, 1.0, padding);
        TestMatrix h(dtype_of<T>, rows, cols, padding);
        const auto g = numbers(gate);
        const auto u = numbers(up);
        const auto d = numbers(dh.view());
        std::vector<double> expected, dgate, dup;
        for (std::size_t i = 0; i < g.size(); ++i) {
          expected.push_back(ref::gate_forward(in_ops, g[i], u[i]));
          const auto gradient = ref::gate_backward(in_ops, d[i], g[i], u[i]);
          dgate.push_back(gradient.dgate);
          dup.push_back(gradient.dup);
        }
        const auto read_only = [](Rows<T> rows_of) { return Rows<const T>{rows_of.data, rows_of.stride}; };
        ASSERT_TRUE(succeeds(
            gate_forward<T>(nullptr, function, rows, cols, read_only(on_gate), read_only(on_up), to<T>(h))));
        EXPECT_TRUE(is_near(h.view(), expected, tolerance(dtype_of<T>)));
        ASSERT_TRUE(succeeds(gate_backward<T>(nullptr, function, rows, cols, in<T>(dh), read_only(on_gate),
                                              read_only(on_up), on_gate, on_up)));
        EXPECT_TRUE(is_near(gate, dgate, tolerance(dtype_of<T>)));
        EXPECT_TRUE(is_near(up, dup, tolerance(dtype_of<T>)));
        EXPECT_TRUE(h.padding_intact() && both.padding_intact());
      }
    }
  });
}

TEST(CudaElementwise, DropoutDrawsTheContractsMask) {
  constexpr ops::DropoutKey key = {0x123456789abcdef0U, (std::uint64_t{7} << 32) + 12, 0.3F};
  const auto words = philox4x32({12, 7, 0, 0}, {0x9abcdef0U, 0x12345678U});
  const DropoutMask mask = {{words[0], words[1]}, key.probability};
  for_each_dtype([&]<class T>(T) {
    for (const auto& [rows, cols, padding] : shapes) {
      std::vector<std::uint64_t> token_keys;
      for (std::int64_t row = 0; row < rows; ++row) {
        token_keys.push_back((std::uint64_t{3} << 32) + static_cast<std::uint64_t>(row));
      }
      const TestMatrix x = random_matrix(dtype_of<T>, rows, cols, 1, 1.0, padding);
      TestMatrix y(dtype_of<T>, rows, cols, padding);
      ASSERT_TRUE(succeeds(dropout<T>(nullptr, rows, cols, in<T>(x), mask, token_keys.data(), to<T>(y))));
      for (std::int64_t row = 0; row < rows; ++row) {
        for (std::int64_t col = 0; col < cols; ++col) {
          const double factor =
              ref::dropout_factor(key.seed, key.stream, key.probability,
                                  token_keys[static_cast<std::size_t>(row)], static_cast<std::size_t>(col));
          const double expected = test::element(x.view(), row, col) * factor;
          ASSERT_NEAR(test::element(y.view(), row, col), expected,
                      std::abs(expected) * (dtype_of<T> == DType::f32 ? 3e-7 : 0x1p-8));
        }
      }
      EXPECT_TRUE(y.padding_intact());
    }
  });
}

template <class From, class To>
void check_convert() {
  for (const auto& [rows, cols, padding] : shapes) {
    const TestMatrix x = random_matrix(dtype_of<From>, rows, cols, 1, 1.0, padding);
    TestMatrix y(dtype_of<To>, rows, cols, padding);
    ASSERT_TRUE(succeeds(convert<From, To>(nullptr, rows, cols, in<From>(x), to<To>(y))));
    for (std::int64_t row = 0; row < rows; ++row) {
      for (std::int64_t col = 0; col < cols; ++col) {
        const auto value = static_cast<float>(test::element(x.view(), row, col));
        EXPECT_EQ(test::element(y.view(), row, col), static_cast<float>(To(value)));
      }
    }
    EXPECT_TRUE(y.padding_intact());
  }
}

TEST(CudaElementwise, ConvertRoundsToNearestEven) {
  check_convert<float, float>();
  check_convert<float, BFloat16>();
  check_convert<BFloat16, float>();
  check_convert<BFloat16, BFloat16>();
  check_convert<Float16, float>();
  check_convert<Float16, BFloat16>();
}

// Sums of up to 70 terms of order 1 in f32.
TEST(CudaElementwise, ColumnSumsAgreeWithTheReference) {
  for_each_dtype([]<class T>(T) {
    for (const auto& [rows, cols, padding] :
         std::vector<Shape>{{1, 1, 0}, {31, 9, 1}, {32, 64, 0}, {70, 40, 8}, {0, 5, 0}}) {
      const TestMatrix x = random_matrix(dtype_of<T>, rows, cols, 1, 1.0, padding);
      std::vector<float> sums = test::random_floats(cols, 2);
      auto expected =
          ref::linear_backward_bias(numbers(x.view()), static_cast<std::size_t>(rows), sums.size());
      for (std::size_t i = 0; i < sums.size(); ++i) expected[i] += static_cast<double>(sums[i]);
      std::vector<float> scratch(static_cast<std::size_t>(column_sums_scratch(rows, cols)),
                                 std::numeric_limits<float>::quiet_NaN());
      ASSERT_TRUE(succeeds(column_sums<T>(nullptr, rows, cols, in<T>(x), scratch.data(), sums.data())));
      EXPECT_TRUE(is_near(std::span<const float>(sums), expected, {1e-5, 1e-6, 1e-11}));
    }
  });
}

}  // namespace
}  // namespace cola::cuda
