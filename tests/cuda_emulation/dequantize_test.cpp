#include "backend/cuda/kernels/dequantize.h"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "kernel_test.h"
#include "support/quantized.h"

namespace cola::cuda {
namespace {

using test::for_each_dtype;
using test::numbers;
using test::succeeds;
using test::TestMatrix;
using test::to;

TEST(CudaDequantize, HasTheBitsOfTheCore) {
  for (const DType type : test::quantized_types) {
    SCOPED_TRACE(name_of(type));
    constexpr std::int64_t cols = 512;
    const Matrix blocks = test::random_blocks(type, 5, cols, 1);
    const QuantizedRows quantized = {type, static_cast<const std::uint8_t*>(blocks.view().data),
                                     bytes_of(type, cols)};
    for_each_dtype([&]<class T>(T) {
      const auto expected = numbers(test::values_of(blocks.view(), dtype_of<T>).view());
      for (const std::int64_t padding : {0, 3}) {  // whole words, and not
        TestMatrix values(dtype_of<T>, 5, cols, padding);
        ASSERT_TRUE(succeeds(dequantize<T>(nullptr, 5, cols, quantized, nullptr, to<T>(values))));
        EXPECT_EQ(numbers(values.view()), expected);
        EXPECT_TRUE(values.padding_intact());
      }
      const std::vector<std::int32_t> rows = {3, 0, 3};
      TestMatrix some(dtype_of<T>, 3, cols);
      ASSERT_TRUE(succeeds(dequantize<T>(nullptr, 3, cols, quantized, rows.data(), to<T>(some))));
      for (std::size_t i = 0; i < rows.size(); ++i) {
        const auto first = expected.begin() + rows[i] * cols;
        const auto row = static_cast<std::int64_t>(i);
        EXPECT_EQ(numbers(some.view().row_range(row, row + 1)), std::vector<double>(first, first + cols));
      }
    });
  }
}

TEST(CudaDequantize, KeepsSignsOfZeroAndSubnormalScales) {
  std::vector<std::uint8_t> block(18, 0x88);  // every value 0 steps
  block[0] = 0x01;
  block[1] = 0x80;  // -2^-24
  std::vector<float> values(32);
  const QuantizedRows q4_0 = {DType::q4_0, block.data(), 18};
  ASSERT_TRUE(succeeds(dequantize<float>(nullptr, 1, 32, q4_0, nullptr, {values.data(), 32})));
  for (const float value : values) EXPECT_TRUE(value == 0.0F && std::signbit(value));
  block.assign(17, 0x21);
  for (const std::uint8_t e : {0, 1, 2, 254}) {
    block[0] = e;
    std::vector<float> expected(32);
    dequantize(DType::mxfp4, reinterpret_cast<const std::byte*>(block.data()), expected);
    const QuantizedRows mxfp4 = {DType::mxfp4, block.data(), 17};
    ASSERT_TRUE(succeeds(dequantize<float>(nullptr, 1, 32, mxfp4, nullptr, {values.data(), 32})));
    EXPECT_EQ(values, expected);
  }
}

}  // namespace
}  // namespace cola::cuda
