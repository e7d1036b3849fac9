#include "core/matrix.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <limits>
#include <numeric>
#include <utility>

#include "core/error.h"

namespace cola {
namespace {

TEST(Matrix, IsZeroAndAligned) {
  const Matrix matrix(DType::f32, 3, 5);
  EXPECT_EQ(matrix.size(), 15);
  EXPECT_EQ(reinterpret_cast<std::uintptr_t>(matrix.view().data) % 64, 0U);
  for (const float value : matrix.floats()) EXPECT_EQ(value, 0.0F);
}

TEST(Matrix, ResizeKeepsMemoryThatIsLargeEnough) {
  Matrix matrix(DType::f32, 10, 10);
  const void* memory = matrix.view().data;
  matrix.resize(DType::bf16, 20, 10);
  EXPECT_EQ(matrix.view().data, memory);
  EXPECT_EQ(matrix.dtype(), DType::bf16);
  EXPECT_EQ(matrix.view().stride, 10);
  matrix.resize(DType::f32, 11, 100);
  EXPECT_GE(matrix.capacity_bytes(), 4400U);
}

TEST(Matrix, CopyOfStridedRows) {
  Matrix source(DType::f32, 4, 6);
  std::iota(source.floats().begin(), source.floats().end(), 0.0F);
  ConstMatrixView part = std::as_const(source).view().row_range(1, 3);
  part.cols = 2;
  const Matrix copy = Matrix::copy_of(part);
  ASSERT_EQ(copy.rows(), 2);
  ASSERT_EQ(copy.cols(), 2);
  const float expected[] = {6, 7, 12, 13};
  for (std::size_t i = 0; i < 4; ++i) EXPECT_EQ(copy.floats()[i], expected[i]);
  EXPECT_TRUE(Matrix::copy_of(ConstMatrixView{}).empty());
}

TEST(Matrix, MovedFromIsEmptyAndUsableAgain) {
  Matrix first(DType::f32, 8, 8);
  first.floats()[5] = 2.0F;
  Matrix second = std::move(first);
  EXPECT_EQ(second.floats()[5], 2.0F);
  EXPECT_TRUE(first.empty());  // NOLINT(bugprone-use-after-move)
  first.resize(DType::f32, 2, 2);
  ASSERT_NE(first.view().data, nullptr);
  first.floats()[3] = 1.0F;
  first = std::move(second);
  EXPECT_EQ(first.floats()[5], 2.0F);
  EXPECT_TRUE(second.empty());  // NOLINT(bugprone-use-after-move)
  EXPECT_EQ(second.capacity_bytes(), 0U);
}

TEST(Matrix, ReleaseGivesMemoryBack) {
  Matrix matrix(DType::f32, 8, 8);
  matrix.release();
  EXPECT_TRUE(matrix.empty());
  EXPECT_EQ(matrix.capacity_bytes(), 0U);
  matrix.resize(DType::f32, 1, 1);
  EXPECT_NE(matrix.view().data, nullptr);
}

TEST(Matrix, RefusesImpossibleSizes) {
  constexpr std::int64_t huge = std::numeric_limits<std::int64_t>::max() / 2;
  Matrix matrix;
  EXPECT_THROW(matrix.resize(DType::f32, huge, huge), Error);
  EXPECT_THROW(matrix.resize(DType::f32, std::int64_t{1} << 32, std::int64_t{1} << 32), Error);
  EXPECT_THROW(matrix.resize(DType::f32, -1, 4), Error);
  EXPECT_TRUE(matrix.empty());
}

}  // namespace
}  // namespace cola
