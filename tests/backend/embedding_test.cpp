#include "backend/embedding.h"

#include <gtest/gtest.h>

#include "backend/ref/embedding.h"
#include "core/parallel.h"
#include "support/complex_step.h"
#include "support/near.h"
#include "support/tensors.h"

namespace cola::ops {
namespace {

using test::is_near;
using test::numbers;
using test::random_matrix;
using test::TestMatrix;

const std::vector<std::int32_t> ids = {4, 0, 4, 16, 2, 4, 1, 0, 7};  // with repeats, first and last row

class Embedding : public testing::TestWithParam<std::tuple<DType, std::int64_t>> {
 protected:
  static constexpr std::int64_t vocabulary = 17;
  Context context_;
};

TEST_P(Embedding, ForwardCopiesRowsOrAddsThem) {
  const auto [dtype, cols] = GetParam();
  const TestMatrix table = random_matrix(dtype, vocabulary, cols, 1, 1.0, 3);
  TestMatrix y = random_matrix(dtype, std::ssize(ids), cols, 2, 1.0, 5);
  const std::vector<double> expected =
      ref::embedding_forward(numbers(table.view()), ids, static_cast<std::size_t>(cols));
  std::vector<double> added = numbers(y.view());
  for (std::size_t i = 0; i < added.size(); ++i) added[i] += expected[i];
  embedding_forward(context_, table.view(), ids, y.view(), Write::add);
  // One rounding of the sum: 2^-9 in bf16, 2^-24 in f32.
  EXPECT_TRUE(
      is_near(y.view(), added, {.relative = dtype == DType::bf16 ? 0x1p-8 : 0x1p-23, .cosine = 1e-5}));
  embedding_forward(context_, table.view(), ids, y.view());
  EXPECT_EQ(numbers(y.view()), expected);
  EXPECT_TRUE(y.padding_intact());
}

TEST_P(Embedding, ForwardScalesRows) {
  const auto [dtype, cols] = GetParam();
  const Lookup lookup = {.scale = 25.25F, .padding_index = 4};  // which has no part in the forward
  const TestMatrix table = random_matrix(dtype, vocabulary, cols, 1, 1.0, 3);
  TestMatrix y = random_matrix(dtype, std::ssize(ids), cols, 2, 1.0, 5);
  const std::vector<double> rows =
      ref::embedding_forward(numbers(table.view()), ids, static_cast<std::size_t>(cols), 25.25);
  std::vector<double> added = numbers(y.view());
  std::vector<double> rounded;
  for (std::size_t i = 0; i < added.size(); ++i) {
    added[i] += rows[i];
    const auto product = static_cast<float>(rows[i]);
    rounded.push_back(dtype == DType::bf16 ? static_cast<float>(BFloat16(product)) : product);
  }
  embedding_forward(context_, table.view(), ids, y.view(), Write::add, lookup);
  // One rounding of the sum, whose terms may cancel, and in f32 one of the product.
  EXPECT_TRUE(
      is_near(y.view(), added,
              {.absolute = 1e-5, .relative = dtype == DType::bf16 ? 0x1p-8 : 0x1p-22, .cosine = 1e-5}));
  embedding_forward(context_, table.view(), ids, y.view(), Write::replace, lookup);
  EXPECT_EQ(numbers(y.view()), rounded);
  EXPECT_TRUE(y.padding_intact());
}

TEST_P(Embedding, BackwardScalesAndLeavesThePaddingRowAlone) {
  const auto [dtype, cols] = GetParam();
  const Lookup lookup = {.scale = 25.25F, .padding_index = 4};
  const TestMatrix dy = random_matrix(dtype, std::ssize(ids), cols, 3, 1.0, 1);
  TestMatrix dtable = random_matrix(DType::f32, vocabulary, cols, 4, 1.0, 2);
  const auto before = numbers(dtable.view());
  std::vector<double> expected =
      ref::embedding_backward(numbers(dy.view()), ids, vocabulary, static_cast<std::size_t>(cols), 25.25, 4);
  for (std::size_t i = 0; i < expected.size(); ++i) expected[i] += before[i];
  embedding_backward(context_, dy.view(), ids, dtable.view(), lookup);
  EXPECT_TRUE(is_near(dtable.view(), expected, {.absolute = 2e-5, .relative = 1e-6, .cosine = 1e-12}));
  for (std::int64_t col = 0; col < cols; ++col)
    EXPECT_EQ(test::element(dtable.view(), 4, col), before[static_cast<std::size_t>(4 * cols + col)]);
  EXPECT_TRUE(dtable.padding_intact());
}

TEST(EmbeddingReference, BackwardIsTheComplexStepDerivative) {
  const auto table = numbers(random_matrix(DType::f32, 17, 3, 1).view());
  const auto dy = numbers(random_matrix(DType::f32, std::ssize(ids), 3, 2).view());
  const auto expected = test::complex_step_gradient(table, [&](const auto& at) {
    const auto y = ref::embedding_forward(at, ids, 3, 2.5);
    return test::weighted_sum<std::complex<double>>(dy, y);
  });
  EXPECT_TRUE(is_near(ref::embedding_backward(dy, ids, 17, 3, 2.5), expected, {1e-13, 1e-13, 1e-13}));
}

TEST_P(Embedding, BackwardAddsEveryOccurrence) {
  const auto [dtype, cols] = GetParam();
  const TestMatrix dy = random_matrix(dtype, std::ssize(ids), cols, 3, 1.0, 1);
  const TestMatrix before = random_matrix(DType::f32, vocabulary, cols, 4, 1.0, 2);
  std::vector<double> expected =
      ref::embedding_backward(numbers(dy.view()), ids, vocabulary, static_cast<std::size_t>(cols));
  const std::vector<double> start = numbers(before.view());
  for (std::size_t i = 0; i < expected.size(); ++i) expected[i] += start[i];
  TestMatrix dtable = random_matrix(DType::f32, vocabulary, cols, 4, 1.0, 2);
  embedding_backward(context_, dy.view(), ids, dtable.view());
  // At most three occurrences: three f32 additions of values of size ~1.
  EXPECT_TRUE(is_near(dtable.view(), expected, {.absolute = 1e-6, .relative = 1e-6, .cosine = 1e-12}));
  EXPECT_TRUE(dtable.padding_intact());
}

TEST_P(Embedding, ScatterUndoesGather) {
  const auto [dtype, cols] = GetParam();
  const TestMatrix x = random_matrix(dtype, 40, cols, 5, 1.0, 2);
  const std::vector<std::int32_t> rows = {0, 7, 21, 39};
  TestMatrix gathered(dtype, 4, cols, 1);
  gather_rows(context_, x.view(), rows, gathered.view());
  TestMatrix y = random_matrix(dtype, 40, cols, 6, 1.0, 2);
  scatter_rows(context_, gathered.view(), rows, y.view());
  for (std::int64_t row = 0; row < 40; ++row) {
    const bool kept = std::find(rows.begin(), rows.end(), row) != rows.end();
    for (std::int64_t col = 0; col < cols; ++col) {
      ASSERT_EQ(test::element(y.view(), row, col), kept ? test::element(x.view(), row, col) : 0.0);
    }
  }
  EXPECT_TRUE(y.padding_intact());
}

// Runs of one row, across where the threads divide the 200 rows (at 64 or more), and with the first and last.
TEST_P(Embedding, ScatterAddsRowsThatOccurSeveralTimes) {
  const auto [dtype, cols] = GetParam();
  const std::vector<std::int32_t> rows = {0, 0, 63, 63, 63, 64, 64, 99, 100, 100, 150, 199, 199, 199, 199};
  const TestMatrix x = random_matrix(dtype, std::ssize(rows), cols, 5, 1.0, 2);
  const auto expected = ref::scatter_rows(numbers(x.view()), rows, 200, static_cast<std::size_t>(cols));
  const int threads = thread_count();
  std::vector<std::vector<double>> results;
  for (const int count : {1, 2, 3}) {
    set_thread_count(count);
    TestMatrix y = random_matrix(dtype, 200, cols, 6, 1.0, 2);
    scatter_rows(context_, x.view(), rows, y.view());
    // At most four f32 additions of values of size ~1, and one rounding to bf16.
    EXPECT_TRUE(
        is_near(y.view(), expected,
                {.absolute = 1e-6, .relative = dtype == DType::bf16 ? 0x1p-8 : 1e-6, .cosine = 1e-5}));
    EXPECT_TRUE(y.padding_intact());
    results.push_back(numbers(y.view()));
  }
  set_thread_count(threads);
  EXPECT_EQ(results[1], results[0]);
  EXPECT_EQ(results[2], results[0]);
}

INSTANTIATE_TEST_SUITE_P(Sizes, Embedding,
                         testing::Combine(testing::Values(DType::f32, DType::bf16),
                                          testing::Values(1, 3, 17, 64, 129)));

TEST(GatherRows, Converts) {
  Context context;
  const TestMatrix x = random_matrix(DType::f16, 5, 17, 1);
  TestMatrix y(DType::f32, 2, 17);
  gather_rows(context, x.view(), std::vector<std::int32_t>{4, 1}, y.view());
  EXPECT_EQ(numbers(y.view().row_range(0, 1)), numbers(x.view().row_range(4, 5)));
  EXPECT_EQ(numbers(y.view().row_range(1, 2)), numbers(x.view().row_range(1, 2)));
}

TEST(EmbeddingErrors, IndicesOutOfRangeAreRefused) {
  Context context;
  TestMatrix table(DType::f32, 5, 3);
  TestMatrix y(DType::f32, 1, 3);
  EXPECT_THROW(embedding_forward(context, table.view(), std::vector<std::int32_t>{5}, y.view()),
               std::logic_error);
  EXPECT_THROW(embedding_backward(context, y.view(), std::vector<std::int32_t>{-1}, table.view()),
               std::logic_error);
  EXPECT_THROW(gather_rows(context, table.view(), std::vector<std::int32_t>{1, 2}, y.view()),
               std::logic_error);
  const TestMatrix x(DType::f32, 2, 3);
  EXPECT_THROW(scatter_rows(context, x.view(), std::vector<std::int32_t>{1, 0}, table.view()),
               std::logic_error);
}

}  // namespace
}  // namespace cola::ops
