#include <gtest/gtest.h>

#include <bit>
#include <limits>
#include <stdexcept>
#include <vector>

#include "backend/cpu/kernels/convert.h"
#include "backend/elementwise.h"
#include "core/random.h"
#include "support/tensors.h"

namespace cola {
namespace {

using test::TestMatrix;

/// Bits of floats: random ones (of every exponent), and those at which rounding to bf16 changes.
std::vector<float> interesting_floats() {
  std::vector<float> values;
  RandomStream stream(1, RandomPurpose::benchmark);
  for (int i = 0; i < 20000; ++i) values.push_back(std::bit_cast<float>(stream.next_u32()));
  for (const std::uint32_t high :
       {0x0000U, 0x0001U, 0x3f80U, 0x3f81U, 0x7f7fU, 0x7f80U, 0x7fc0U, 0x8000U, 0xff80U}) {
    for (const std::uint32_t low : {0x0000U, 0x0001U, 0x7fffU, 0x8000U, 0x8001U, 0xffffU}) {
      values.push_back(std::bit_cast<float>((high << 16) | low));
    }
  }
  return values;
}

std::vector<std::uint16_t> all_half_words() {
  std::vector<std::uint16_t> words(65536);
  for (std::size_t i = 0; i < words.size(); ++i) words[i] = static_cast<std::uint16_t>(i);
  return words;
}

TEST(ConvertKernels, EveryInstructionSetRoundsAsTheCoreTypesDo) {
  const auto floats = interesting_floats();
  const auto halves = all_half_words();
  for (const ops::CpuIsa isa : test::runnable_isas()) {
    SCOPED_TRACE(ops::name_of(isa));
    const kernels::ConvertKernels& table = kernels::convert_kernels(isa);
    std::vector<std::uint16_t> narrow(floats.size());
    table.f32_to_bf16(1, std::ssize(floats), {floats.data(), 0}, {narrow.data(), 0});
    for (std::size_t i = 0; i < floats.size(); ++i)
      ASSERT_EQ(narrow[i], BFloat16(floats[i]).bits) << floats[i];

    std::vector<float> wide(halves.size());
    table.bf16_to_f32(1, std::ssize(halves), {halves.data(), 0}, {wide.data(), 0});
    for (std::size_t i = 0; i < halves.size(); ++i) ASSERT_EQ(std::bit_cast<std::uint32_t>(wide[i]), i << 16);

    table.f16_to_f32(1, std::ssize(halves), {halves.data(), 0}, {wide.data(), 0});
    narrow.resize(halves.size());
    table.f16_to_bf16(1, std::ssize(halves), {halves.data(), 0}, {narrow.data(), 0});
    for (std::size_t i = 0; i < halves.size(); ++i) {
      Float16 half;
      half.bits = halves[i];
      const auto expected = static_cast<float>(half);
      ASSERT_EQ(std::bit_cast<std::uint32_t>(wide[i]), std::bit_cast<std::uint32_t>(expected)) << i;
      ASSERT_EQ(narrow[i], BFloat16(expected).bits) << i;
    }
  }
}

TEST(Convert, EveryPairOfTypesAndEveryLayout) {
  ops::Context context;
  for (const auto& [from, to] : std::vector<std::pair<DType, DType>>{{DType::f32, DType::f32},
                                                                     {DType::f32, DType::bf16},
                                                                     {DType::bf16, DType::f32},
                                                                     {DType::bf16, DType::bf16},
                                                                     {DType::f16, DType::f32},
                                                                     {DType::f16, DType::bf16},
                                                                     {DType::f16, DType::f16}}) {
    for (const std::int64_t padding : {0, 3}) {
      SCOPED_TRACE(testing::Message() << name_of(from) << " to " << name_of(to) << ", padding " << padding);
      // 150 x 301 is worth more than one thread.
      const TestMatrix source = test::random_matrix(from, 150, 301, 1, 1.0, padding);
      TestMatrix destination(to, 150, 301, 2 * padding);
      ops::convert(context, source.view(), destination.view());
      TestMatrix expected(to, 1, 1);
      for (std::int64_t row = 0; row < 150; ++row) {
        for (std::int64_t col = 0; col < 301; ++col) {
          test::set_element(expected.view(), 0, 0, test::element(source.view(), row, col));
          ASSERT_EQ(test::element(destination.view(), row, col), test::element(expected.view(), 0, 0));
        }
      }
      EXPECT_TRUE(destination.padding_intact());
    }
  }
}

TEST(Convert, RefusesWhatItCannotDo) {
  ops::Context context;
  TestMatrix f32(DType::f32, 2, 3);
  TestMatrix f16(DType::f16, 2, 3);
  TestMatrix other(DType::bf16, 3, 2);
  EXPECT_THROW(ops::convert(context, f32.view(), f16.view()), std::logic_error);
  EXPECT_THROW(ops::convert(context, f32.view(), other.view()), std::logic_error);
  TestMatrix nothing(DType::f32, 0, 3);
  EXPECT_NO_THROW(ops::convert(context, nothing.view(), nothing.view()));
}

}  // namespace
}  // namespace cola
