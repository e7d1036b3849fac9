// Products with packed weights. On a processor without AMX the tiles are emulated, and everything else is
// what runs with the hardware's; on one with AMX both run.
#include <gtest/gtest.h>

#include "backend/blocks_seen.h"
#include "backend/cpu/gemm_packed.h"
#include "backend/cpu/kernels/tile_layout.h"
#include "backend/elementwise.h"
#include "backend/linear.h"
#include "backend/ref/linear.h"
#include "core/parallel.h"
#include "support/near.h"
#include "support/tensors.h"
#include "support/tile_kernels.h"

namespace cola::ops {
namespace {

using test::is_near;
using test::numbers;
using test::random_floats;
using test::random_matrix;
using test::TestMatrix;
using test::tile_kernels_here;
using test::Tolerance;

std::size_t u(std::int64_t value) { return static_cast<std::size_t>(value); }

/// A product of one tile each, rows and pairs as tdpbf16ps takes them.
float one_sum(const kernels::TileKernels& tiles, std::span<const float> left, std::span<const float> right,
              float before) {
  alignas(64) std::uint16_t panel[kernels::panel_step_elements] = {};
  alignas(64) std::uint16_t stream[kernels::tile_elements] = {};
  alignas(64) float sums[kernels::micro_sums] = {before};
  for (std::size_t i = 0; i < left.size(); ++i) {
    panel[i] = BFloat16(left[i]).bits;
    stream[i / 2 * kernels::tile_depth + i % 2] = BFloat16(right[i]).bits;
  }
  tiles.begin();
  tiles.outputs_by_tokens({panel, stream, 1, sums, true, reinterpret_cast<const std::byte*>(panel)});
  tiles.end();
  return sums[0];
}

TEST(TileProduct, SumsFirstsAndSecondsOfPairsApart) {
  for (const auto* tiles : tile_kernels_here()) {
    // In order, the 1 would be lost beside 2^24.
    EXPECT_EQ(one_sum(*tiles, std::vector<float>{0x1p24F, 1.0F, -0x1p24F, 0.0F},
                      std::vector<float>{1.0F, 1.0F, 1.0F, 1.0F}, 0.5F),
              1.5F)
        << tiles->name;
  }
}

TEST(TileProduct, TakesSubnormalsForZero) {
  for (const auto* tiles : tile_kernels_here()) {
    const std::vector<float> one = {1.0F};
    EXPECT_EQ(one_sum(*tiles, std::vector<float>{0x1p-127F}, std::vector<float>{0x1p100F}, 0.0F), 0.0F);
    EXPECT_EQ(one_sum(*tiles, std::vector<float>{0x1p-64F}, std::vector<float>{0x1p-64F}, 0.0F), 0.0F);
    EXPECT_EQ(one_sum(*tiles, std::vector<float>{0x1p-126F}, one, 0.0F), 0x1p-126F);
    EXPECT_EQ(one_sum(*tiles, std::vector<float>{0x1p-126F}, std::vector<float>{1.5F}, -0x1p-126F), 0.0F);
  }
}

struct Case {
  std::int64_t rows, n, k;
  std::int64_t padding;
};
std::ostream& operator<<(std::ostream& out, const Case& c) {
  return out << "T=" << c.rows << " N=" << c.n << " K=" << c.k << " padding=" << c.padding;
}

// One element; whole tiles, panels and chunks; all edges at once; several chunks in either direction.
const std::vector<Case> cases = {{1, 1, 1, 0},     {1, 129, 64, 3},  {3, 17, 129, 0}, {16, 64, 32, 0},
                                 {16, 64, 256, 0}, {17, 65, 33, 1},  {40, 96, 96, 0}, {33, 130, 300, 5},
                                 {9, 3, 17, 0},    {50, 530, 24, 2}, {12, 20, 600, 0}};

// As in linear_test.cpp: the sums' roundings, and one to bf16.
Tolerance tolerance(DType result, std::int64_t depth) {
  const double sum = 0x1p-23 * static_cast<double>(depth) + 1e-6;
  if (result == DType::bf16) return {.absolute = sum, .relative = 0x1p-8, .cosine = 2e-5};
  return {.absolute = sum, .relative = 1e-6, .cosine = 1e-11};
}

void add_to(std::vector<double>& values, const std::vector<double>& more) {
  for (std::size_t i = 0; i < values.size(); ++i) values[i] += more[i];
}

/// Runs body(kernels, write, dtype of the result) for every combination there is here.
template <class Body>
void for_each_variant(const Body& body) {
  for (const auto* tiles : tile_kernels_here()) {
    for (const CpuIsa isa : test::runnable_isas()) {
      for (const Write write : {Write::replace, Write::add}) {
        for (const DType result : {DType::bf16, DType::f32}) {
          SCOPED_TRACE(std::string(tiles->name) + ", " + std::string(name_of(isa)));
          body(PackedKernels{*tiles, kernels::tile_operand_kernels(isa)}, write, result);
        }
      }
    }
  }
}

class PackedProduct : public testing::TestWithParam<Case> {};

TEST_P(PackedProduct, ForwardAgreesWithTheReference) {
  const Case c = GetParam();
  const TestMatrix x = random_matrix(DType::bf16, c.rows, c.k, 1, 1.0, c.padding);
  const TestMatrix w = random_matrix(DType::bf16, c.n, c.k, 2, 1.0, 2 * c.padding);
  const PackedMatrix packed(w.view());
  const std::vector<float> bias = random_floats(c.n, 3);
  for_each_variant([&](const PackedKernels& kernels, Write write, DType result) {
    for (const bool with_bias : {false, true}) {
      Context context;
      TestMatrix y = random_matrix(result, c.rows, c.n, 4, 1.0, c.padding);
      std::vector<double> expected = ref::linear_forward<double>(
          numbers(x.view()), numbers(w.view()), with_bias ? numbers(std::span(bias)) : std::vector<double>{},
          u(c.rows), u(c.n), u(c.k));
      if (write == Write::add) add_to(expected, numbers(y.view()));
      BlocksSeen seen(y.view());
      multiply_packed_forward(context, x.view(), packed, with_bias ? bias : std::vector<float>{}, y.view(),
                              write, BlockEpilogue(seen), kernels);
      EXPECT_TRUE(is_near(y.view(), expected, tolerance(result, c.k))) << c << " bias " << with_bias;
      seen.expect_all();
      EXPECT_TRUE(y.padding_intact());
      EXPECT_EQ(context.flops(), 2 * u(c.rows * c.n * c.k));
    }
  });
}

TEST_P(PackedProduct, BackwardAgreesWithTheReference) {
  const Case c = GetParam();
  const TestMatrix dy = random_matrix(DType::bf16, c.rows, c.n, 5, 1.0, c.padding);
  const TestMatrix w = random_matrix(DType::bf16, c.n, c.k, 6, 1.0, 2 * c.padding);
  const PackedMatrix packed(w.view());
  for_each_variant([&](const PackedKernels& kernels, Write write, DType result) {
    Context context;
    TestMatrix dx = random_matrix(result, c.rows, c.k, 7, 1.0, c.padding);
    std::vector<double> expected =
        ref::linear_backward_input(numbers(dy.view()), numbers(w.view()), u(c.rows), u(c.n), u(c.k));
    if (write == Write::add) add_to(expected, numbers(dx.view()));
    BlocksSeen seen(dx.view());
    multiply_packed_backward(context, dy.view(), packed, dx.view(), write, BlockEpilogue(seen), kernels);
    EXPECT_TRUE(is_near(dx.view(), expected, tolerance(result, c.n))) << c;
    seen.expect_all();
    EXPECT_TRUE(dx.padding_intact());
    EXPECT_EQ(context.flops(), 2 * u(c.rows * c.n * c.k));
  });
}

INSTANTIATE_TEST_SUITE_P(Sizes, PackedProduct, testing::ValuesIn(cases));

void expect_forward(DType result, std::int64_t rows, std::int64_t out, std::int64_t in) {
  Context context;
  const TestMatrix x = random_matrix(DType::bf16, rows, in, 1);
  const TestMatrix w = random_matrix(DType::bf16, out, in, 2);
  TestMatrix y(result, rows, out);
  multiply_packed_forward(context, x.view(), PackedMatrix(w.view()), {}, y.view(), Write::replace);
  const auto expected =
      ref::linear_forward<double>(numbers(x.view()), numbers(w.view()), {}, u(rows), u(out), u(in));
  EXPECT_TRUE(is_near(y.view(), expected, tolerance(result, in)));
}

// More outputs than may wait for their next chunk of depth.
TEST(PackedProductBlocks, OfManyOutputsAgreeWithTheReference) { expect_forward(DType::bf16, 20, 4200, 600); }

// By non-temporal stores where rows are aligned, else by others.
TEST(TileResults, PastTheCachesAreTheSame) {
  const std::vector<float> sums = random_floats(2 * kernels::tile_sums, 1);
  const std::vector<float> bias = random_floats(kernels::block_rows, 2);
  for (const CpuIsa isa : test::runnable_isas()) {
    const kernels::TileOperandKernels& operands = kernels::tile_operand_kernels(isa);
    for (const std::int64_t stride : {64, 36}) {
      const auto check = [&]<class T>(DType dtype, T, auto write) {
        Matrix through(dtype, kernels::tile_rows, stride);
        Matrix past(dtype, kernels::tile_rows, stride);
        for (Matrix* to : {&through, &past}) {
          write(kernels::TileResult<T>{sums.data(),
                                       bias.data(),
                                       {static_cast<T*>(to->view().data), stride},
                                       kernels::tile_rows,
                                       kernels::block_rows,
                                       false,
                                       to == &past});
        }
        EXPECT_EQ(numbers(past.view()), numbers(through.view())) << name_of(isa) << ", stride " << stride;
      };
      check(DType::bf16, std::uint16_t{}, operands.write_outputs_by_tokens_bf16);
      check(DType::bf16, std::uint16_t{}, operands.write_tokens_by_outputs_bf16);
      check(DType::f32, float{}, operands.write_outputs_by_tokens_f32);
      check(DType::f32, float{}, operands.write_tokens_by_outputs_f32);
    }
  }
}

// More tokens than a block has, and more depth than a chunk: sums wait for their next chunk.
TEST(PackedProductBlocks, AgreeWithTheReference) {
  constexpr std::int64_t rows = 530;
  constexpr std::int64_t narrow = 600;
  constexpr std::int64_t wide = 1056;
  expect_forward(DType::f32, rows, narrow, wide);
  Context context;
  const TestMatrix dy = random_matrix(DType::bf16, rows, wide, 3);
  const TestMatrix w = random_matrix(DType::bf16, wide, narrow, 4);
  TestMatrix dx(DType::f32, rows, narrow);
  multiply_packed_backward(context, dy.view(), PackedMatrix(w.view()), dx.view(), Write::replace);
  const auto expected = ref::linear_backward_input(numbers(dy.view()), numbers(w.view()), rows, wide, narrow);
  EXPECT_TRUE(is_near(dx.view(), expected, tolerance(DType::f32, wide)));
}

// However threads share outputs and tokens: 10 panels and 2 pairs of tiles forward, 4 panels backward.
TEST(PackedProductThreads, AnyNumberGivesTheSameBits) {
  const TestMatrix x = random_matrix(DType::bf16, 40, 100, 1);
  const TestMatrix w = random_matrix(DType::bf16, 300, 100, 2);
  const PackedMatrix packed(w.view());
  std::vector<double> forward, backward;
  for (const int threads : {1, 2, 3, 4, 7, 16}) {
    const Threads scope(threads);
    Context context;
    TestMatrix y(DType::bf16, 40, 300);
    TestMatrix dx(DType::bf16, 40, 100);
    multiply_packed_forward(context, x.view(), packed, {}, y.view(), Write::replace);
    multiply_packed_backward(context, y.view(), packed, dx.view(), Write::replace);
    if (forward.empty()) {
      forward = numbers(y.view());
      backward = numbers(dx.view());
    }
    EXPECT_EQ(numbers(y.view()), forward) << threads;
    EXPECT_EQ(numbers(dx.view()), backward) << threads;
  }
}

// The ops that end a product with ReLU or a gate, block by block, give what one op after the other does.
TEST(PackedProductEpilogue, IsTheOpThatItStandsFor) {
  constexpr std::int64_t rows = 37;
  constexpr std::int64_t in = 100;
  constexpr std::int64_t out = 300;
  const TestMatrix w = random_matrix(DType::bf16, out, in, 1);
  const TestMatrix down = random_matrix(DType::bf16, in, out, 2);
  const PackedMatrix packed(w.view());
  const PackedMatrix packed_down(down.view());
  const TestMatrix x = random_matrix(DType::bf16, rows, in, 3);
  const TestMatrix gate = random_matrix(DType::bf16, rows, out, 4);
  std::vector<std::uint8_t> mask(u(relu_mask_bytes(rows, out)));
  std::vector<std::uint8_t> expected_mask(mask.size());
  for (const auto& [threads, function] :
       {std::pair(1, Gate::silu), {2, Gate::silu}, {2, Gate::gelu_tanh}, {5, Gate::gelu_tanh}}) {
    const Threads scope(threads);
    Context context;
    TestMatrix expected(DType::bf16, rows, out), up(DType::bf16, rows, out), h(DType::bf16, rows, out);
    TestMatrix dgate(DType::bf16, rows, out), dup(DType::bf16, rows, out);
    linear_forward(context, x.view(), packed, {}, {}, expected.view());
    linear_gate_forward(context, function, x.view(), packed, {}, gate.view(), up.view(), h.view());
    EXPECT_EQ(numbers(up.view()), numbers(expected.view()));
    gate_forward(context, function, gate.view(), expected.view(), dup.view());
    EXPECT_EQ(numbers(h.view()), numbers(dup.view()));

    relu_forward(context, expected.view(), expected_mask);
    linear_relu_forward(context, x.view(), packed, {}, h.view(), mask);
    EXPECT_EQ(numbers(h.view()), numbers(expected.view()));
    EXPECT_EQ(mask, expected_mask);

    linear_backward_input(context, x.view(), packed_down, expected.view(), Write::replace);
    linear_gate_backward(context, function, x.view(), packed_down, gate.view(), up.view(), h.view(),
                         dgate.view(), dup.view());
    EXPECT_EQ(numbers(h.view()), numbers(expected.view()));
    TestMatrix expected_gate(DType::bf16, rows, out), expected_up(DType::bf16, rows, out);
    gate_backward(context, function, h.view(), gate.view(), up.view(), expected_gate.view(),
                  expected_up.view());
    EXPECT_EQ(numbers(dgate.view()), numbers(expected_gate.view()));
    EXPECT_EQ(numbers(dup.view()), numbers(expected_up.view()));

    relu_backward(context, expected.view(), mask, expected.view());
    linear_relu_backward(context, x.view(), packed_down, mask, h.view());
    EXPECT_EQ(numbers(h.view()), numbers(expected.view()));
  }
}

TEST(PackedProductRows, DoNotDependOnOtherRows) {
  Context context;
  const TestMatrix w = random_matrix(DType::bf16, 129, 320, 1);
  const PackedMatrix packed(w.view());
  TestMatrix x = random_matrix(DType::bf16, 40, 320, 2);
  TestMatrix y(DType::bf16, 40, 129);
  TestMatrix again(DType::bf16, 40, 129);
  multiply_packed_forward(context, x.view(), packed, {}, y.view(), Write::replace);
  for (std::int64_t col = 0; col < 320; ++col) {
    for (std::int64_t row = 0; row < 40; ++row) {
      if (row != 3) test::set_element(x.view(), row, col, 1e4);
    }
  }
  multiply_packed_forward(context, x.view(), packed, {}, again.view(), Write::replace);
  EXPECT_EQ(numbers(y.view().row_range(3, 4)), numbers(again.view().row_range(3, 4)));

  TestMatrix alone(DType::bf16, 1, 129);
  multiply_packed_forward(context, x.view().row_range(3, 4), packed, {}, alone.view(), Write::replace);
  EXPECT_EQ(numbers(alone.view()), numbers(again.view().row_range(3, 4)));
}

// In one loop where there are few rows; of different widths, one without rows of blocks of its own.
TEST(PackedProductsTogether, AreProductsOneByOne) {
  constexpr std::int64_t in = 100;
  const TestMatrix query = random_matrix(DType::bf16, 300, in, 1);
  const TestMatrix key = random_matrix(DType::bf16, 40, in, 2);
  const TestMatrix value = random_matrix(DType::bf16, 65, in, 3);
  const PackedMatrix packed[] = {PackedMatrix(query.view()), PackedMatrix(key.view()),
                                 PackedMatrix(value.view())};
  const std::vector<float> bias = random_floats(300, 4);
  for (const std::int64_t rows : {1, 2, 3, 16, 17, 40}) {
    for (const int threads : {1, 3}) {
      const Threads scope(threads);
      SCOPED_TRACE(testing::Message() << rows << " rows, " << threads << " threads");
      Context context;
      const TestMatrix x = random_matrix(DType::bf16, rows, in, 5, 1.0, 3);
      std::vector<TestMatrix> together, alone;
      std::vector<cola::ops::PackedProduct> products;
      for (const std::int64_t out : {300, 40, 65}) {
        together.push_back(random_matrix(DType::bf16, rows, out, 6, 1.0, 1));
        alone.push_back(random_matrix(DType::bf16, rows, out, 6, 1.0, 1));
      }
      const Write writes[] = {Write::replace, Write::add, Write::replace};
      for (std::size_t i = 0; i < 3; ++i) {
        const std::span<const float> of = i == 0 ? std::span(bias) : std::span<const float>();
        products.push_back(cola::ops::PackedProduct{&packed[i], of, together[i].view(), writes[i]});
        multiply_packed_forward(context, x.view(), packed[i], of, alone[i].view(), writes[i]);
      }
      multiply_packed_together(context, x.view(), products);
      for (std::size_t i = 0; i < 3; ++i) EXPECT_EQ(numbers(together[i].view()), numbers(alone[i].view()));
    }
  }
}

TEST(PackedMatrix, GivesItsRowsBack) {
  for (const DType from : {DType::f32, DType::bf16}) {
    const TestMatrix plain = random_matrix(from, 70, 41, 1, 1.0, 3);
    const PackedMatrix packed(plain.view());
    EXPECT_EQ(packed.rows(), 70);
    EXPECT_EQ(packed.cols(), 41);
    for (const DType to : {DType::f32, DType::bf16}) {
      TestMatrix row(to, 1, 41, 2);
      for (std::int64_t index = 0; index < 70; ++index) {
        packed.read_row(index, row.view());
        for (std::int64_t col = 0; col < 41; ++col) {
          const BFloat16 expected(static_cast<float>(test::element(plain.view(), index, col)));
          ASSERT_EQ(test::element(row.view(), 0, col), static_cast<float>(expected)) << index << ", " << col;
        }
      }
      EXPECT_TRUE(row.padding_intact());
    }
  }
}

TEST(PackedMatrix, IsPreferredForBf16WithAmxOnly) {
  EXPECT_EQ(prefers_packed(DType::bf16), cpu_isa() == CpuIsa::amx);
  EXPECT_FALSE(prefers_packed(DType::f32));
}

}  // namespace
}  // namespace cola::ops
