#include "model/product_weight.h"

#include <gtest/gtest.h>

#include <utility>
#include <vector>

#include "backend/elementwise.h"
#include "support/tensors.h"

namespace cola {
namespace {

using test::numbers;
using test::random_matrix;

Matrix matrix(DType dtype, std::uint64_t seed) {
  return Matrix::copy_of(random_matrix(dtype, 70, 40, seed).view());
}

std::vector<double> numbers_of(const ops::PackedMatrix& packed) {
  Matrix all(DType::f32, packed.rows(), packed.cols());
  for (std::int64_t row = 0; row < packed.rows(); ++row)
    packed.read_row(row, all.view().row_range(row, row + 1));
  return numbers(all.view());
}

TEST(WeightValues, LieInOnePlace) {
  WeightValues values;
  EXPECT_TRUE(values.empty());
  const Matrix elsewhere = matrix(DType::bf16, 1);
  values = elsewhere.view();
  EXPECT_EQ(values.plain().data, elsewhere.view().data);
  EXPECT_EQ(values.owned(), nullptr);
  EXPECT_EQ(values.packed(), nullptr);
  values = matrix(DType::bf16, 1);
  ASSERT_NE(values.owned(), nullptr);
  EXPECT_EQ(values.plain().data, values.owned()->view().data);
  EXPECT_EQ(values.packed(), nullptr);
  values = ops::PackedMatrix(elsewhere.view());
  EXPECT_EQ(values.owned(), nullptr);
  ASSERT_NE(values.packed(), nullptr);
  EXPECT_EQ(values.view().packed, values.packed());
  EXPECT_EQ(numbers_of(*values.packed()), numbers(elsewhere.view()));
  EXPECT_EQ(values.plain().data, nullptr);
  EXPECT_EQ(std::pair(values.plain().rows, values.plain().cols), std::pair(70L, 40L));
  EXPECT_FALSE(values.empty());
}

TEST(WeightValues, GoWithTheirRoundedCopy) {
  WeightValues values = matrix(DType::f32, 1);
  EXPECT_TRUE(values.rounded().empty());
  values.keep_rounded(matrix(DType::bf16, 1));
  const void* const copy = values.rounded().data;
  ASSERT_NE(copy, nullptr);
  const Matrix others = matrix(DType::f32, 2);
  WeightValues before = std::exchange(values, others.view());
  EXPECT_TRUE(values.rounded().empty());
  values = std::move(before);
  EXPECT_EQ(values.rounded().data, copy);
}

// As a head and the token table it is tied to do.
TEST(ProductWeight, MergedValuesAreOneLayersOwn) {
  const Matrix sum = matrix(DType::f32, 2);
  Matrix rounded(DType::bf16, sum.rows(), sum.cols());
  ops::Context context;
  ops::convert(context, sum.view(), rounded.view());
  for (const bool packed : {false, true}) {
    const Matrix original = matrix(DType::bf16, 1);
    Parameter parameter;
    parameter.value = original.view();
    if (packed) parameter.value = ops::PackedMatrix(original.view());
    ProductWeight weight(parameter);
    const ProductWeight other(parameter);
    weight.use(context, sum.view());
    EXPECT_TRUE(weight.is_merged());
    EXPECT_FALSE(other.is_merged());
    EXPECT_EQ(&other.values(), &parameter.value);
    const ops::WeightView merged = weight.view();
    ASSERT_EQ(merged.packed != nullptr, packed);
    EXPECT_EQ(packed ? numbers_of(*merged.packed) : numbers(merged.plain), numbers(rounded.view()));
    if (!packed) {  // a second merge takes no more memory
      weight.use(context, sum.view());
      EXPECT_EQ(weight.view().plain.data, merged.plain.data);
    }
    weight.use_original();
    EXPECT_FALSE(weight.is_merged());
    EXPECT_EQ(&weight.values(), &parameter.value);
  }
}

TEST(ProductWeight, ProductsReadTheResidentCopyOfWhatIsUsed) {
  const Matrix original = matrix(DType::f32, 1), sum = matrix(DType::f32, 2), copy = matrix(DType::f32, 3);
  Parameter parameter;
  parameter.value = original.view();
  ProductWeight weight(parameter);
  ops::Context context;
  for (const bool merged : {false, true}) {
    if (merged) weight.use(context, sum.view());
    weight.set_resident(copy.view());
    EXPECT_EQ(weight.view().plain.data, copy.view().data);
    EXPECT_EQ(numbers(weight.values().plain()), numbers((merged ? sum : original).view()));
    weight.set_resident({});
    EXPECT_EQ(weight.view().plain.data, weight.values().plain().data);
  }
}

}  // namespace
}  // namespace cola
