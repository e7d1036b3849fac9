#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <cstring>
#include <stdexcept>

#include "backend/blocks_seen.h"
#include "backend/cpu/gemm.h"
#include "backend/cpu/gemm_packed.h"
#include "backend/cpu/kernels/dequantize.h"
#include "backend/cpu/weight_slabs.h"
#include "backend/cross_entropy.h"
#include "backend/embedding.h"
#include "backend/linear.h"
#include "backend/ref/linear.h"
#include "core/parallel.h"
#include "support/near.h"
#include "support/quantized.h"

// Ops that read weights of a quantised type.
namespace cola::ops {
namespace {

using test::is_near;
using test::numbers;
using test::quantized_types;
using test::random_blocks;
using test::random_floats;
using test::random_matrix;
using test::TestMatrix;
using test::Tolerance;
using test::values_of;

std::size_t u(std::int64_t value) { return static_cast<std::size_t>(value); }

/// Every finite f16 as a scale, subnormal, zero and negative ones too.
void put_any_scale(DType dtype, std::uint8_t* block, std::uint32_t random) {
  for (const test::ScaleInBlock& scale : test::scales_of(dtype)) {
    auto bits = static_cast<std::uint16_t>(scale.at % 4 == 0 ? random & 0xffffU : random >> 16U);
    if ((bits & 0x7c00U) == 0x7c00U) bits &= 0x83ffU;
    std::memcpy(block + scale.at, &bits, sizeof bits);
  }
  if (dtype == DType::mxfp4) block[0] = static_cast<std::uint8_t>(random);
}

TEST(DequantizeKernels, EveryInstructionSetHasTheBitsOfTheCore) {
  constexpr std::int64_t count = 256 * 300;
  for (const DType dtype : quantized_types) {
    SCOPED_TRACE(name_of(dtype));
    Matrix blocks = random_blocks(dtype, 1, count, 1);
    RandomStream stream(2, RandomPurpose::benchmark);
    const BlockLayout layout = layout_of(dtype);
    auto* bytes = static_cast<std::uint8_t*>(blocks.view().data);
    for (std::int64_t i = 0; i < count / layout.values; ++i)
      put_any_scale(dtype, bytes + i * layout.bytes, stream.next_u32());
    std::vector<float> expected(count);
    dequantize(dtype, reinterpret_cast<const std::byte*>(bytes), expected);
    for (const CpuIsa isa : test::runnable_isas()) {
      SCOPED_TRACE(name_of(isa));
      std::vector<float> wide(count);
      std::vector<std::uint16_t> narrow(count);
      const kernels::DequantizeKernels& kernel = kernels::dequantize_kernels(isa);
      of_type(kernel.f32, dtype)(count / layout.values, bytes, wide.data());
      of_type(kernel.bf16, dtype)(count / layout.values, bytes, narrow.data());
      for (std::size_t i = 0; i < expected.size(); ++i) {
        ASSERT_EQ(std::bit_cast<std::uint32_t>(wide[i]), std::bit_cast<std::uint32_t>(expected[i])) << i;
        ASSERT_EQ(narrow[i], BFloat16(expected[i]).bits) << i << ": " << expected[i];
      }
    }
  }
}

struct Case {
  DType weight, dtype;
  std::int64_t rows, n, k;
};
std::ostream& operator<<(std::ostream& out, const Case& c) {
  return out << name_of(c.weight) << ' ' << name_of(c.dtype) << " T=" << c.rows << " N=" << c.n
             << " K=" << c.k;
}

/// One row, whose blocks are taken several at a time, few rows and many; more columns than a block of the
/// blocked product has; odd counts where none is of whole blocks.
std::vector<Case> all_cases() {
  std::vector<Case> cases;
  for (const DType weight : quantized_types) {
    const std::int64_t block = layout_of(weight).values;
    for (const DType dtype : {DType::f32, DType::bf16}) {
      cases.push_back({weight, dtype, 1, 129, block});
      cases.push_back({weight, dtype, 1, 21, 7 * block});
      cases.push_back({weight, dtype, 3, 70, 3 * block});
      cases.push_back({weight, dtype, 9, 17, block});
      cases.push_back({weight, dtype, 20, 801, 256});
      cases.push_back({weight, dtype, 20, 90, 1024});
    }
  }
  return cases;
}

// As in linear_test.cpp: f32 sums of exact products; w is of order 1 with heavier tails than a normal one.
Tolerance tolerance(DType result, std::int64_t depth) {
  const double sum = 0x1p-21 * static_cast<double>(depth) + 1e-6;
  if (result == DType::bf16) return {.absolute = sum, .relative = 0x1p-8, .cosine = 2e-5};
  return {.absolute = sum, .relative = 1e-6, .cosine = 1e-11};
}

class QuantizedLinear : public testing::TestWithParam<Case> {
 protected:
  const Case c_ = GetParam();
  const Matrix w_ = random_blocks(c_.weight, c_.n, c_.k, 1);
  const TestMatrix values_ = values_of(w_.view(), c_.dtype);  ///< what products see
  Context context_;
};

void add_to(std::vector<double>& values, const std::vector<double>& more) {
  for (std::size_t i = 0; i < values.size(); ++i) values[i] += more[i];
}

TEST_P(QuantizedLinear, ForwardAgreesWithTheReference) {
  const TestMatrix x = random_matrix(c_.dtype, c_.rows, c_.k, 2, 1.0, 3);
  const std::vector<float> bias = random_floats(c_.n, 3);
  for (const DType result : {c_.dtype, DType::f32}) {
    for (const bool with_addend : {false, true}) {
      TestMatrix y = random_matrix(result, c_.rows, c_.n, 4, 1.0, 5);
      auto expected = ref::linear_forward<double>(numbers(x.view()), numbers(values_.view()),
                                                  numbers(std::span(bias)), u(c_.rows), u(c_.n), u(c_.k));
      if (with_addend) add_to(expected, numbers(y.view()));
      linear_forward(context_, x.view(), w_.view(), bias, with_addend ? y.view() : MatrixView(), y.view());
      EXPECT_TRUE(is_near(y.view(), expected, tolerance(result, c_.k)));
      EXPECT_TRUE(y.padding_intact());
    }
  }
}

TEST_P(QuantizedLinear, BackwardInputAgreesWithTheReference) {
  const TestMatrix dy = random_matrix(c_.dtype, c_.rows, c_.n, 5, 1.0, 3);
  const auto product =
      ref::linear_backward_input(numbers(dy.view()), numbers(values_.view()), u(c_.rows), u(c_.n), u(c_.k));
  for (const DType result : {c_.dtype, DType::f32}) {
    for (const Write write : {Write::replace, Write::add}) {
      TestMatrix dx = random_matrix(result, c_.rows, c_.k, 6, 1.0, 5);
      auto expected = product;
      if (write == Write::add) add_to(expected, numbers(dx.view()));
      linear_backward_input(context_, dy.view(), w_.view(), dx.view(), write);
      EXPECT_TRUE(is_near(dx.view(), expected, tolerance(result, c_.n)));
      EXPECT_TRUE(dx.padding_intact());
    }
  }
}

// Of the kernels that expand what they read.
TEST_P(QuantizedLinear, HasTheBitsOfTheExpandedMatrix) {
  const TestMatrix x = random_matrix(c_.dtype, c_.rows, c_.k, 2);
  const TestMatrix dy = random_matrix(c_.dtype, c_.rows, c_.n, 3);
  TestMatrix y(c_.dtype, c_.rows, c_.n);
  TestMatrix dx(c_.dtype, c_.rows, c_.k);
  TestMatrix expected_y(c_.dtype, c_.rows, c_.n);
  TestMatrix expected_dx(c_.dtype, c_.rows, c_.k);
  const FewRowsProduct of_values = {values_.view(), {}, expected_y.view(), Write::replace};
  multiply_few_rows(context_, x.view(), {&of_values, 1});
  const FewRowsProduct of_blocks = {w_.view(), {}, y.view(), Write::replace};
  multiply_few_rows(context_, x.view(), {&of_blocks, 1});
  if (c_.rows > 1) {  // a single one is summed in the order of the blocks
    EXPECT_EQ(numbers(y.view()), numbers(expected_y.view()));
  }
  for (const int threads : {1, 2, 3}) {
    const Threads scope(threads);
    multiply_blocked(context_, x.view(), Transpose::no, values_.view(), Transpose::yes, {}, expected_y.view(),
                     Write::replace);
    multiply_blocked(context_, x.view(), Transpose::no, w_.view(), Transpose::yes, {}, y.view(),
                     Write::replace);
    EXPECT_EQ(numbers(y.view()), numbers(expected_y.view())) << threads;
    multiply_blocked(context_, dy.view(), Transpose::no, values_.view(), Transpose::no, {},
                     expected_dx.view(), Write::replace);
    multiply_blocked(context_, dy.view(), Transpose::no, w_.view(), Transpose::no, {}, dx.view(),
                     Write::replace);
    EXPECT_EQ(numbers(dx.view()), numbers(expected_dx.view())) << threads;
  }
}

TEST_P(QuantizedLinear, ReluAndGateAreThoseOfTheProduct) {
  const TestMatrix x = random_matrix(c_.dtype, c_.rows, c_.k, 2);
  const TestMatrix dy = random_matrix(c_.dtype, c_.rows, c_.n, 3);
  const std::vector<float> bias = random_floats(c_.n, 4);
  TestMatrix y(c_.dtype, c_.rows, c_.n), expected_y(c_.dtype, c_.rows, c_.n);
  TestMatrix dx(c_.dtype, c_.rows, c_.k), expected_dx(c_.dtype, c_.rows, c_.k);
  std::vector<std::uint8_t> mask(u(relu_mask_bytes(c_.rows, c_.n))), expected_mask(mask.size());
  linear_forward(context_, x.view(), w_.view(), bias, {}, expected_y.view());
  const auto up_values = numbers(expected_y.view());
  relu_forward(context_, expected_y.view(), expected_mask);
  linear_relu_forward(context_, x.view(), w_.view(), bias, y.view(), mask);
  EXPECT_EQ(numbers(y.view()), numbers(expected_y.view()));
  EXPECT_EQ(mask, expected_mask);

  std::vector<std::uint8_t> mask_of_x(u(relu_mask_bytes(c_.rows, c_.k)));
  TestMatrix signs = random_matrix(c_.dtype, c_.rows, c_.k, 5);
  relu_forward(context_, signs.view(), mask_of_x);
  linear_backward_input(context_, dy.view(), w_.view(), expected_dx.view(), Write::replace);
  const auto dh_values = numbers(expected_dx.view());
  relu_backward(context_, expected_dx.view(), mask_of_x, expected_dx.view());
  linear_relu_backward(context_, dy.view(), w_.view(), mask_of_x, dx.view());
  EXPECT_EQ(numbers(dx.view()), numbers(expected_dx.view()));

  const TestMatrix gate = random_matrix(c_.dtype, c_.rows, c_.n, 6);
  TestMatrix up(c_.dtype, c_.rows, c_.n);
  linear_gate_forward(context_, Gate::silu, x.view(), w_.view(), bias, gate.view(), up.view(), y.view());
  EXPECT_EQ(numbers(up.view()), up_values);
  gate_forward(context_, Gate::silu, gate.view(), up.view(), expected_y.view());
  EXPECT_EQ(numbers(y.view()), numbers(expected_y.view()));

  const TestMatrix gate_in = random_matrix(c_.dtype, c_.rows, c_.k, 7);
  const TestMatrix up_in = random_matrix(c_.dtype, c_.rows, c_.k, 8);
  TestMatrix dgate(c_.dtype, c_.rows, c_.k), dup(c_.dtype, c_.rows, c_.k);
  linear_gate_backward(context_, Gate::gelu_tanh, dy.view(), w_.view(), gate_in.view(), up_in.view(),
                       dx.view(), dgate.view(), dup.view());
  EXPECT_EQ(numbers(dx.view()), dh_values);
  TestMatrix expected_dup(c_.dtype, c_.rows, c_.k);
  gate_backward(context_, Gate::gelu_tanh, dx.view(), gate_in.view(), up_in.view(), expected_dx.view(),
                expected_dup.view());
  EXPECT_EQ(numbers(dgate.view()), numbers(expected_dx.view()));
  EXPECT_EQ(numbers(dup.view()), numbers(expected_dup.view()));
}

TEST_P(QuantizedLinear, PackedProductsHaveTheBitsOfThePackedMatrix) {
  if (c_.dtype != DType::bf16) return;
  const TestMatrix x = random_matrix(c_.dtype, c_.rows, c_.k, 2);
  const TestMatrix dy = random_matrix(c_.dtype, c_.rows, c_.n, 3);
  const std::vector<float> bias = random_floats(c_.n, 4);
  const PackedKernels kernels = {kernels::emulated_tiles, kernels::tile_operand_kernels(cpu_isa())};
  const PackedMatrix packed(values_.view());
  TestMatrix y(c_.dtype, c_.rows, c_.n), expected_y(c_.dtype, c_.rows, c_.n);
  TestMatrix dx(c_.dtype, c_.rows, c_.k), expected_dx(c_.dtype, c_.rows, c_.k);
  multiply_packed_forward(context_, x.view(), packed, bias, expected_y.view(), Write::replace, {}, kernels);
  multiply_packed(context_, x.view(), {w_.view(), Transpose::yes, bias, y.view(), {}}, Write::replace,
                  kernels);
  EXPECT_EQ(numbers(y.view()), numbers(expected_y.view()));
  multiply_packed_backward(context_, dy.view(), packed, expected_dx.view(), Write::replace, {}, kernels);
  multiply_packed(context_, dy.view(), {w_.view(), Transpose::no, {}, dx.view(), {}}, Write::replace,
                  kernels);
  EXPECT_EQ(numbers(dx.view()), numbers(expected_dx.view()));
}

INSTANTIATE_TEST_SUITE_P(Sizes, QuantizedLinear, testing::ValuesIn(all_cases()));

// Several slabs a product.
TEST(WeightSlabs, AreThePartsOfOneProduct) {
  for (const DType dtype : {DType::q4_0, DType::q4_k}) {
    const Matrix w = random_blocks(dtype, 3001, 3072, 1);
    const TestMatrix values = values_of(w.view(), DType::bf16);
    const PackedMatrix packed(values.view());
    const PackedKernels kernels = {kernels::emulated_tiles, kernels::tile_operand_kernels(cpu_isa())};
    const TestMatrix x = random_matrix(DType::bf16, 2, 3072, 2);
    const TestMatrix dy = random_matrix(DType::bf16, 2, 3001, 3);
    const std::vector<float> bias = random_floats(3001, 4);
    Context context;
    TestMatrix y(DType::bf16, 2, 3001), expected_y(DType::bf16, 2, 3001);
    multiply_packed_forward(context, x.view(), packed, bias, expected_y.view(), Write::replace, {}, kernels);
    const std::uint64_t flops = context.flops();
    BlocksSeen of_y(y.view());
    const WeightSide forward = {w.view(), Transpose::yes, bias, y.view(), BlockEpilogue(of_y)};
    multiply_packed(context, x.view(), forward, Write::replace, kernels);
    EXPECT_EQ(context.flops(), 2 * flops);
    EXPECT_EQ(numbers(y.view()), numbers(expected_y.view()));
    of_y.expect_all();
    TestMatrix dx(DType::bf16, 2, 3072), expected_dx(DType::bf16, 2, 3072);
    multiply_packed_backward(context, dy.view(), packed, expected_dx.view(), Write::replace, {}, kernels);
    BlocksSeen of_dx(dx.view());
    const WeightSide backward = {w.view(), Transpose::no, {}, dx.view(), BlockEpilogue(of_dx)};
    multiply_packed(context, dy.view(), backward, Write::replace, kernels);
    EXPECT_EQ(numbers(dx.view()), numbers(expected_dx.view()));
    of_dx.expect_all();
    for (const WeightSide& side : {forward, backward}) {
      const ConstMatrixView largest = largest_slab(side.w, side.transpose);
      int slabs = 0;
      for_each_slab(side, [&](const WeightSide& slab) {
        ++slabs;
        EXPECT_LE(slab.w.rows, largest.rows);
        EXPECT_LE(slab.w.cols, largest.cols);
      });
      EXPECT_GT(slabs, 1);
      EXPECT_LE(2 * largest.rows * largest.cols, 8 << 20);
    }
  }
}

class QuantizedTypes : public testing::TestWithParam<std::tuple<DType, DType>> {};

TEST_P(QuantizedTypes, RowsAreLookedUpAndConverted) {
  const auto [weight, dtype] = GetParam();
  Context context;
  const Matrix table = random_blocks(weight, 11, 512, 1);
  const TestMatrix values = values_of(table.view(), dtype);
  const std::vector<std::int32_t> ids = {4, 0, 10, 4, 7};
  TestMatrix y = random_matrix(dtype, 5, 512, 2, 1.0, 3);
  TestMatrix expected = random_matrix(dtype, 5, 512, 2);
  for (const Write write : {Write::add, Write::replace}) {
    for (const float scale : {1.0F, 2.5F}) {
      const Lookup lookup = {.scale = scale, .padding_index = -1};
      embedding_forward(context, table.view(), ids, y.view(), write, lookup);
      embedding_forward(context, values.view(), ids, expected.view(), write, lookup);
      EXPECT_EQ(numbers(y.view()), numbers(expected.view()));
    }
  }
  gather_rows(context, table.view(), ids, y.view());
  gather_rows(context, values.view(), ids, expected.view());
  EXPECT_EQ(numbers(y.view()), numbers(expected.view()));
  EXPECT_TRUE(y.padding_intact());

  TestMatrix dense(dtype, 11, 512), apart(dtype, 11, 256, 5);
  convert(context, table.view(), dense.view());
  EXPECT_EQ(numbers(dense.view()), numbers(values.view()));
  convert(context, table.view().column_range(256, 512), apart.view());
  EXPECT_EQ(numbers(apart.view()), numbers(values.view().column_range(256, 512)));
  EXPECT_TRUE(apart.padding_intact());
}

TEST_P(QuantizedTypes, TheHeadIsThatOfItsValues) {
  const auto [weight, dtype] = GetParam();
  constexpr std::int64_t rows = 20, width = 256, vocabulary = 333;
  Context context;
  const Matrix head = random_blocks(weight, vocabulary, width, 1);
  const TestMatrix values = values_of(head.view(), dtype);
  const TestMatrix hidden = random_matrix(dtype, rows, width, 2, 0.1);
  const std::vector<float> weights = random_floats(rows, 3);
  std::vector<std::int32_t> targets;
  for (std::int32_t i = 0; i < rows; ++i) targets.push_back(i * 16);
  std::vector<float> nll(rows), expected_nll(rows), only_forward(rows);
  TestMatrix dhidden(dtype, rows, width), expected(dtype, rows, width);
  cross_entropy_forward(context, hidden.view(), head.view(), targets, only_forward, {});
  cross_entropy_forward_backward(context, hidden.view(), head.view(), targets, weights, nll, dhidden.view(),
                                 {});
  cross_entropy_forward_backward(context, hidden.view(), values.view(), targets, weights, expected_nll,
                                 expected.view(), {});
  const auto wanted = numbers(std::span<const float>(expected_nll));
  const Tolerance of_nll = {.absolute = 2e-5, .relative = 1e-5, .cosine = 1e-9};
  EXPECT_TRUE(is_near(std::span<const float>(nll), wanted, of_nll));
  EXPECT_TRUE(is_near(std::span<const float>(only_forward), wanted, of_nll));
  EXPECT_TRUE(is_near(dhidden.view(), numbers(expected.view()),
                      {.absolute = dtype == DType::bf16 ? 2e-2 : 2e-5, .relative = 0x1p-7, .cosine = 1e-4}));
}

INSTANTIATE_TEST_SUITE_P(Types, QuantizedTypes,
                         testing::Combine(testing::ValuesIn(quantized_types),
                                          testing::Values(DType::f32, DType::bf16)));

TEST(QuantizedErrors, OnlyFrozenWeightsAreQuantized) {
  Context context;
  const Matrix blocks = random_blocks(DType::q4_0, 32, 32, 1);
  Matrix mutable_blocks = random_blocks(DType::q4_0, 32, 32, 1);
  TestMatrix x(DType::f32, 32, 32), y(DType::f32, 32, 32);
  EXPECT_THROW(linear_forward(context, blocks.view(), x.view(), {}, {}, y.view()), std::logic_error);
  EXPECT_THROW(linear_forward(context, x.view(), blocks.view(), {}, {}, mutable_blocks.view()),
               std::logic_error);
  EXPECT_THROW(linear_backward_weight(context, x.view(), x.view(), mutable_blocks.view()), std::logic_error);
  EXPECT_THROW(linear_backward_weight(context, blocks.view(), x.view(), y.view()), std::logic_error);
  EXPECT_THROW(convert(context, x.view(), mutable_blocks.view()), std::logic_error);
  EXPECT_THROW(convert(context, blocks.view(), mutable_blocks.view()), std::logic_error);
}

}  // namespace
}  // namespace cola::ops
