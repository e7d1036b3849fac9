#include <gtest/gtest.h>

#include <cmath>
#include <utility>
#include <vector>

#include "backend/cuda/kernels/embedding.h"
#include "backend/cuda/kernels/rotary.h"
#include "backend/ref/embedding.h"
#include "backend/ref/rotary.h"
#include "kernel_test.h"

// Kernels that read or write rows by index or position.
namespace cola::cuda {
namespace {

using test::for_each_dtype;
using test::in;
using test::is_near;
using test::numbers;
using test::random_matrix;
using test::succeeds;
using test::TestMatrix;
using test::to;

// f32: two products and a sum; bf16: a rounding of 2^-9 more.
test::Tolerance tolerance(DType dtype) {
  if (dtype == DType::f32) return {1e-6, 1e-6, 1e-12};
  return {1e-5, 0x1p-8, 1e-5};
}

TEST(CudaRotary, AgreesWithTheReference) {
  for_each_dtype([]<class T>(T) {
    for (const auto& [head_dim, half] : std::vector<std::pair<std::int64_t, std::int64_t>>{
             {2, 1}, {6, 3}, {16, 8}, {80, 40}, {16, 6}, {32, 8}, {20, 8}, {5, 2}}) {
      constexpr std::int64_t rows = 5;
      constexpr std::int64_t heads = 3;
      const std::vector<std::int32_t> positions = {0, 3, 1, 6, 6};
      const TestMatrix cos = random_matrix(DType::f32, 7, half, 1);
      const TestMatrix sin = random_matrix(DType::f32, 7, half, 2);
      for (const bool inverse : {false, true}) {
        TestMatrix x = random_matrix(dtype_of<T>, rows, heads * head_dim, 3, 1.0, 8);
        const auto expected = ref::rotary<double>(numbers(x.view()), static_cast<std::size_t>(head_dim),
                                                  static_cast<std::size_t>(2 * half), positions,
                                                  numbers(cos.view()), numbers(sin.view()), inverse);
        ASSERT_TRUE(succeeds(rotary<T>(nullptr, rows, heads, head_dim, half, to<T>(x), positions.data(),
                                       in<float>(cos), in<float>(sin), inverse)));
        EXPECT_TRUE(is_near(x.view(), expected, tolerance(dtype_of<T>)));
        EXPECT_TRUE(x.padding_intact());
      }
    }
  });
}

const std::vector<std::int32_t> ids = {4, 0, 4, 9, 2, 4, 0, 10};
constexpr std::int64_t tokens = 8;
constexpr std::int64_t vocabulary = 11;

TEST(CudaEmbedding, ForwardAgreesWithTheReference) {
  for_each_dtype([]<class T>(T) {
    for (const std::int64_t cols : {1, 9, 40}) {
      const TestMatrix table = random_matrix(dtype_of<T>, vocabulary, cols, 1, 1.0, 8);
      TestMatrix y = random_matrix(dtype_of<T>, tokens, cols, 2, 1.0, 8);
      const auto rows = ref::embedding_forward(numbers(table.view()), ids, static_cast<std::size_t>(cols));
      for (const float scale : {1.0F, 25.25F}) {
        const auto scaled =
            ref::embedding_forward(numbers(table.view()), ids, static_cast<std::size_t>(cols), scale);
        auto sums = numbers(y.view());
        for (std::size_t i = 0; i < sums.size(); ++i) sums[i] += scaled[i];
        const auto look_up_rows = [&](bool add) {
          return succeeds(look_up<T>(nullptr, tokens, cols, in<T>(table), ids.data(), scale, add, to<T>(y)));
        };
        ASSERT_TRUE(look_up_rows(true));
        test::Tolerance of_sums = tolerance(dtype_of<T>);
        of_sums.absolute = 1e-5;  // terms of order 25 may cancel
        EXPECT_TRUE(is_near(y.view(), sums, of_sums));
        ASSERT_TRUE(look_up_rows(false));
        EXPECT_TRUE(is_near(y.view(), scaled, tolerance(dtype_of<T>)));
      }
      ASSERT_TRUE(succeeds(gather_rows<T, T>(nullptr, tokens, cols, in<T>(table), ids.data(), to<T>(y))));
      EXPECT_EQ(numbers(y.view()), rows);
      EXPECT_TRUE(y.padding_intact());
    }
  });
}

TEST(CudaEmbedding, GatherConverts) {
  const TestMatrix half = random_matrix(DType::f16, vocabulary, 24, 1);
  TestMatrix y(DType::f32, tokens, 24);
  ASSERT_TRUE(succeeds(
      gather_rows<Float16, float>(nullptr, tokens, 24, in<Float16>(half), ids.data(), to<float>(y))));
  EXPECT_EQ(numbers(y.view()), ref::embedding_forward(numbers(half.view()), ids, 24));
}

// Sums of up to 3 terms and what was there, in f32.
TEST(CudaEmbedding, BackwardAgreesWithTheReference) {
  const RowGroups groups = group_rows(ids);
  EXPECT_EQ(groups.ids, (std::vector<std::int32_t>{0, 2, 4, 9, 10}));
  EXPECT_EQ(groups.begins, (std::vector<std::int32_t>{0, 2, 3, 6, 7, 8}));
  EXPECT_EQ(groups.order, (std::vector<std::int32_t>{1, 6, 4, 0, 2, 5, 3, 7}));
  EXPECT_EQ(group_rows({}).begins, std::vector<std::int32_t>{0});
  const RowGroups without = group_rows(ids, 4);
  EXPECT_EQ(without.ids, (std::vector<std::int32_t>{0, 2, 9, 10}));
  EXPECT_EQ(without.begins, (std::vector<std::int32_t>{0, 2, 3, 4, 5}));
  EXPECT_EQ(without.order, (std::vector<std::int32_t>{1, 6, 4, 3, 7}));
  for_each_dtype([&]<class T>(T) {
    for (const std::int64_t cols : {1, 9, 40}) {
      const TestMatrix dy = random_matrix(dtype_of<T>, tokens, cols, 1, 1.0, 8);
      for (const float scale : {1.0F, 2.5F}) {
        TestMatrix dtable = random_matrix(DType::f32, vocabulary, cols, 2, 1.0, 4);
        auto expected = ref::embedding_backward(numbers(dy.view()), ids, static_cast<std::size_t>(vocabulary),
                                                static_cast<std::size_t>(cols), scale);
        const auto before = numbers(dtable.view());
        for (std::size_t i = 0; i < before.size(); ++i) expected[i] += before[i];
        ASSERT_TRUE(succeeds(embedding_backward<T>(nullptr, std::ssize(groups.ids), cols, in<T>(dy),
                                                   groups.order.data(), groups.begins.data(),
                                                   groups.ids.data(), scale, to<float>(dtable))));
        EXPECT_TRUE(is_near(dtable.view(), expected, {3e-6, 1e-6, 1e-12}));
        EXPECT_TRUE(dtable.padding_intact());
      }
    }
  });
}

TEST(CudaEmbedding, ScatterAgreesWithTheReference) {
  const std::vector<std::int32_t> rows = {1, 1, 1, 4, 6, 6};
  for_each_dtype([&]<class T>(T) {
    for (const std::int64_t cols : {1, 9, 40}) {
      const TestMatrix x = random_matrix(dtype_of<T>, 6, cols, 1, 1.0, 8);
      TestMatrix y = random_matrix(dtype_of<T>, tokens, cols, 2, 1.0, 8);
      ASSERT_TRUE(succeeds(scatter_rows<T>(nullptr, 6, tokens, cols, in<T>(x), rows.data(), to<T>(y))));
      EXPECT_TRUE(is_near(y.view(),
                          ref::scatter_rows(numbers(x.view()), rows, static_cast<std::size_t>(tokens),
                                            static_cast<std::size_t>(cols)),
                          tolerance(dtype_of<T>)));
      ASSERT_TRUE(succeeds(scatter_rows<T>(nullptr, 0, tokens, cols, in<T>(x), rows.data(), to<T>(y))));
      for (const double value : numbers(y.view())) EXPECT_EQ(value, 0.0);
      EXPECT_TRUE(y.padding_intact());
    }
  });
}

}  // namespace
}  // namespace cola::cuda
