#include "backend/lora.h"

#include <gtest/gtest.h>

#include <complex>

#include "backend/cpu/kernels/thin_product.h"
#include "backend/cpu/lora_tiles.h"
#include "backend/ref/lora.h"
#include "core/parallel.h"
#include "support/near.h"
#include "support/tensors.h"
#include "support/tile_kernels.h"

namespace cola::ops {
namespace {

using test::is_near;
using test::numbers;
using test::random_matrix;
using test::TestMatrix;
using test::Tolerance;

struct Case {
  std::int64_t rows, in, out, rank, padding;
};
std::ostream& operator<<(std::ostream& out, const Case& c) {
  return out << "T=" << c.rows << " K=" << c.in << " N=" << c.out << " r=" << c.rank
             << " padding=" << c.padding;
}
const std::vector<Case> cases = {{1, 1, 1, 1, 0},     {3, 17, 129, 1, 2},    {17, 64, 3, 3, 0},
                                 {64, 129, 64, 8, 5}, {129, 64, 129, 17, 0}, {5, 300, 200, 64, 1},
                                 {260, 33, 65, 5, 0}};
constexpr double scale = 0.5;

ref::LoraSizes sizes(const Case& c) {
  return {static_cast<std::size_t>(c.rows), static_cast<std::size_t>(c.in), static_cast<std::size_t>(c.out),
          static_cast<std::size_t>(c.rank)};
}

// f32 sums of `depth` products of size `size` against double; a bf16 result is rounded once (2^-9 relative).
// `by_tiles`: a factor is multiplied as two bf16, which leave up to 2^-17 of it.
Tolerance tolerance(DType result, std::int64_t depth, double size = 1.0, bool by_tiles = false) {
  const double term = by_tiles ? 0x1p-16 : 2e-6;  // five standard deviations and more
  const double sum = size * (term * std::sqrt(static_cast<double>(depth)) + 1e-6);
  if (result == DType::bf16) return {.absolute = sum, .relative = 0x1p-8, .cosine = 2e-5};
  return {.absolute = sum, .relative = 1e-6, .cosine = 1e-11};
}

std::vector<double> sum_of(std::vector<double> a, const std::vector<double>& b) {
  for (std::size_t i = 0; i < a.size(); ++i) a[i] += b[i];
  return a;
}

class Lora : public testing::TestWithParam<std::tuple<DType, Case>> {
 protected:
  Context context_;
};

TEST_P(Lora, ForwardAgreesWithTheReference) {
  const auto [dtype, c] = GetParam();
  const TestMatrix x = random_matrix(dtype, c.rows, c.in, 1, 1.0, c.padding);
  const TestMatrix a = random_matrix(DType::f32, c.rank, c.in, 2, 0.1, c.padding);
  const TestMatrix b = random_matrix(DType::f32, c.out, c.rank, 3, 1.0, c.padding);
  TestMatrix u(DType::f32, c.rows, c.rank, c.padding);
  TestMatrix y = random_matrix(dtype, c.rows, c.out, 4, 1.0, c.padding);
  const auto expected =
      ref::lora_forward(sizes(c), numbers(x.view()), numbers(a.view()), numbers(b.view()), scale);
  const auto expected_y = sum_of(numbers(y.view()), expected.added_y);
  const LoraForward branch = {a.view(), b.view(), static_cast<float>(scale), u.view(), y.view()};
  lora_forward(context_, x.view(), {&branch, 1});
  const double size = 0.1 * std::sqrt(static_cast<double>(c.in)) + 1.0;
  EXPECT_TRUE(is_near(u.view(), expected.u, tolerance(DType::f32, c.in))) << c;
  EXPECT_TRUE(is_near(y.view(), expected_y, tolerance(dtype, c.rank, size))) << c;
  EXPECT_TRUE(u.padding_intact() && y.padding_intact());
  EXPECT_EQ(context_.flops(), static_cast<std::uint64_t>(2 * c.rows * c.rank * (c.in + c.out)));
}

TEST_P(Lora, BackwardAgreesWithTheReference) {
  const auto [dtype, c] = GetParam();
  const TestMatrix x = random_matrix(dtype, c.rows, c.in, 1, 1.0, c.padding);
  const TestMatrix dy = random_matrix(dtype, c.rows, c.out, 5, 1.0, c.padding);
  const TestMatrix a = random_matrix(DType::f32, c.rank, c.in, 2, 0.1, c.padding);
  const TestMatrix b = random_matrix(DType::f32, c.out, c.rank, 3, 0.1, c.padding);
  const TestMatrix u = random_matrix(DType::f32, c.rows, c.rank, 6, 1.0, c.padding);
  TestMatrix du(DType::f32, c.rows, c.rank, c.padding);
  TestMatrix da = random_matrix(DType::f32, c.rank, c.in, 7, 1.0, c.padding);
  TestMatrix db = random_matrix(DType::f32, c.out, c.rank, 8, 1.0, c.padding);
  TestMatrix dx = random_matrix(dtype, c.rows, c.in, 9, 1.0, c.padding);
  const auto expected = ref::lora_backward(sizes(c), numbers(dy.view()), numbers(x.view()), numbers(u.view()),
                                           numbers(a.view()), numbers(b.view()), scale);
  const auto expected_da = sum_of(numbers(da.view()), expected.da);
  const auto expected_db = sum_of(numbers(db.view()), expected.db);
  const auto expected_dx = sum_of(numbers(dx.view()), expected.added_dx);
  const LoraBackwardB of_b = {dy.view(), u.view(), b.view(), static_cast<float>(scale), du.view(), db.view()};
  lora_backward_b(context_, {&of_b, 1});
  const LoraBackwardA of_a = {du.view(), a.view(), da.view()};
  lora_backward_a(context_, x.view(), {&of_a, 1}, dx.view());
  const double size = 0.05 * std::sqrt(static_cast<double>(c.out)) + 1.0;
  const bool by_tiles = prefers_packed(dtype);
  EXPECT_TRUE(is_near(du.view(), expected.du, tolerance(DType::f32, c.out))) << c;
  EXPECT_TRUE(is_near(db.view(), expected_db, tolerance(DType::f32, c.rows, 1.0, by_tiles))) << c;
  EXPECT_TRUE(is_near(da.view(), expected_da, tolerance(DType::f32, c.rows, size, by_tiles))) << c;
  EXPECT_TRUE(is_near(dx.view(), expected_dx, tolerance(dtype, c.rank, size))) << c;
  EXPECT_TRUE(du.padding_intact() && da.padding_intact() && db.padding_intact() && dx.padding_intact());
}

TEST_P(Lora, EmptyGradientsAreNotComputed) {
  const auto [dtype, c] = GetParam();
  const TestMatrix dy = random_matrix(dtype, c.rows, c.out, 5);
  const TestMatrix a = random_matrix(DType::f32, c.rank, c.in, 2);
  const TestMatrix b = random_matrix(DType::f32, c.out, c.rank, 3);
  TestMatrix du(DType::f32, c.rows, c.rank);
  const LoraBackwardB of_b = {dy.view(), {}, b.view(), 1.0F, du.view(), {}};
  lora_backward_b(context_, {&of_b, 1});
  const std::uint64_t product = static_cast<std::uint64_t>(2 * c.rows * c.rank * c.out);
  EXPECT_EQ(context_.flops(), product);
  const LoraBackwardA of_a = {du.view(), a.view(), {}};
  lora_backward_a(context_, {}, {&of_a, 1}, {});
  EXPECT_EQ(context_.flops(), product);
}

TEST_P(Lora, GradientsDoNotDependOnTheThreadCount) {
  const auto [dtype, c] = GetParam();
  const TestMatrix x = random_matrix(dtype, c.rows, c.in, 1);
  const TestMatrix du = random_matrix(DType::f32, c.rows, c.rank, 2);
  const int threads = thread_count();
  std::vector<std::vector<double>> results;
  for (const int count : {1, 3}) {
    set_thread_count(count);
    TestMatrix da(DType::f32, c.rank, c.in);
    const LoraBackwardA of_a = {du.view(), {}, da.view()};
    lora_backward_a(context_, x.view(), {&of_a, 1}, {});
    results.push_back(numbers(da.view()));
  }
  set_thread_count(threads);
  EXPECT_EQ(results[0], results[1]);
}

TEST_P(Lora, DeltaAgreesWithTheReference) {
  const auto [dtype, c] = GetParam();
  const TestMatrix a = random_matrix(DType::f32, c.rank, c.in, 2, 1.0, c.padding);
  const TestMatrix b = random_matrix(DType::f32, c.out, c.rank, 3, 1.0, c.padding);
  TestMatrix delta = random_matrix(DType::f32, c.out, c.in, 4, 1.0, c.padding);
  const auto expected =
      sum_of(numbers(delta.view()), ref::lora_delta(sizes(c), numbers(a.view()), numbers(b.view()), scale));
  lora_delta(context_, a.view(), b.view(), static_cast<float>(scale), delta.view());
  EXPECT_TRUE(is_near(delta.view(), expected, tolerance(DType::f32, c.rank))) << c;
  EXPECT_TRUE(delta.padding_intact());
}

// Branches of one call, of different widths and ranks, two of them adding to the same y: the bits of a call
// each.
TEST_P(Lora, BranchesTogetherAreBranchesOneByOne) {
  const auto [dtype, c] = GetParam();
  struct Branch {
    std::int64_t out, rank;
    bool same_y;  ///< as the branch before
  };
  const std::vector<Branch> branches = {
      {c.out, c.rank, false}, {c.out + 3, c.rank + 2, false}, {c.out + 3, 1, true}};
  const TestMatrix x = random_matrix(dtype, c.rows, c.in, 1);
  const auto run = [&](bool together) {
    std::vector<TestMatrix> kept;
    kept.reserve(64);
    const auto make = [&](DType of, std::int64_t rows, std::int64_t cols) {
      kept.push_back(random_matrix(of, rows, cols, kept.size() + 2));
      return kept.back().view();
    };
    std::vector<LoraForward> forward;
    std::vector<LoraBackwardB> of_b;
    std::vector<LoraBackwardA> of_a;
    MatrixView y;
    for (const Branch& branch : branches) {
      if (!branch.same_y) y = make(dtype, c.rows, branch.out);
      const MatrixView a = make(DType::f32, branch.rank, c.in);
      const MatrixView b = make(DType::f32, branch.out, branch.rank);
      const MatrixView u = make(DType::f32, c.rows, branch.rank);
      const MatrixView du = make(DType::f32, c.rows, branch.rank);
      forward.push_back({a, b, 0.5F, u, y});
      of_b.push_back({y, u, b, 0.5F, du, make(DType::f32, branch.out, branch.rank)});
      of_a.push_back({du, a, make(DType::f32, branch.rank, c.in)});
    }
    const MatrixView dx = make(dtype, c.rows, c.in);
    const std::size_t at_a_time = together ? branches.size() : 1;
    for (std::size_t i = 0; i < branches.size(); i += at_a_time)
      lora_forward(context_, x.view(), std::span(forward).subspan(i, at_a_time));
    for (std::size_t i = 0; i < branches.size(); i += at_a_time)
      lora_backward_b(context_, std::span(of_b).subspan(i, at_a_time));
    for (std::size_t i = 0; i < branches.size(); i += at_a_time)
      lora_backward_a(context_, x.view(), std::span(of_a).subspan(i, at_a_time), dx);
    std::vector<std::vector<double>> results;
    for (const TestMatrix& matrix : kept) results.push_back(numbers(matrix.view()));
    return results;
  };
  EXPECT_EQ(run(true), run(false));
}

INSTANTIATE_TEST_SUITE_P(Sizes, Lora,
                         testing::Combine(testing::Values(DType::f32, DType::bf16),
                                          testing::ValuesIn(cases)));

TEST(LoraErrors, WrongShapesAndDTypesAreRefused) {
  Context context;
  TestMatrix x(DType::f32, 4, 8);
  TestMatrix a(DType::f32, 2, 8);
  TestMatrix b(DType::f32, 3, 2);
  TestMatrix u(DType::f32, 4, 2);
  TestMatrix wrong_u(DType::f32, 4, 3);
  TestMatrix y(DType::f32, 4, 3);
  TestMatrix a_bf16(DType::bf16, 2, 8);
  const LoraForward wrong_shape = {a.view(), b.view(), 1.0F, wrong_u.view(), y.view()};
  EXPECT_THROW(lora_forward(context, x.view(), {&wrong_shape, 1}), std::logic_error);
  const LoraForward wrong_dtype = {a_bf16.view(), b.view(), 1.0F, u.view(), y.view()};
  EXPECT_THROW(lora_forward(context, x.view(), {&wrong_dtype, 1}), std::logic_error);
}

// On a processor without AMX the tiles are emulated; whole tiles and all remainders, and ranks in several
// groups.
TEST(ThinProductsByTiles, AgreeWithTheReference) {
  for (const auto* tiles : test::tile_kernels_here()) {
    for (const CpuIsa isa : test::runnable_isas()) {
      const PackedKernels kernels = {*tiles, kernels::tile_operand_kernels(isa)};
      for (const Case& c :
           std::vector<Case>{{64, 128, 0, 8, 0}, {37, 70, 0, 3, 1}, {1, 1, 0, 1, 0}, {130, 33, 0, 19, 2}}) {
        SCOPED_TRACE(testing::Message() << tiles->name << ", " << name_of(isa) << ", " << c);
        Context context;
        const TestMatrix x = random_matrix(DType::bf16, c.rows, c.in, 1, 1.0, c.padding);
        const TestMatrix a = random_matrix(DType::f32, c.rank, c.in, 2, 1.0, c.padding);
        const ThinFactor factor = split_factor(context, "a", a.view(), kernels);
        TestMatrix dots(DType::f32, c.rows, c.rank, c.padding);
        std::vector<std::uint16_t> panel(static_cast<std::size_t>(thin_panel_elements(c.in)));
        tiles->begin();
        for (std::int64_t row = 0; row < c.rows; row += thin_rows) {
          const std::int64_t end = std::min(row + thin_rows, c.rows);
          pack_thin_rows(x.view().row_range(row, end), panel.data(), kernels);
          dot_by_tiles(panel.data(), factor, 0.5F, dots.view().row_range(row, end), kernels);
        }
        tiles->end();
        std::vector<double> expected =
            ref::linear_forward(numbers(x.view()), numbers(a.view()), {}, static_cast<std::size_t>(c.rows),
                                static_cast<std::size_t>(c.rank), static_cast<std::size_t>(c.in));
        for (double& value : expected) value *= 0.5;
        EXPECT_TRUE(is_near(dots.view(), expected, tolerance(DType::f32, c.in, 1.0, true)));
        EXPECT_TRUE(dots.padding_intact());

        const TestMatrix u = random_matrix(DType::f32, c.rows, c.rank, 3, 1.0, c.padding);
        TestMatrix out = random_matrix(DType::f32, c.rank, c.in, 4, 1.0, c.padding);
        const std::vector<double> sums = sum_of(
            numbers(out.view()), ref::linear_backward_weight(
                                     numbers(u.view()), numbers(x.view()), static_cast<std::size_t>(c.rows),
                                     static_cast<std::size_t>(c.rank), static_cast<std::size_t>(c.in)));
        outer_by_tiles(context, u.view(), x.view(), 1.0F, out.view(), kernels);
        EXPECT_TRUE(is_near(out.view(), sums, tolerance(DType::f32, c.rows, 1.0, true)));
        EXPECT_TRUE(out.padding_intact());
      }
    }
  }
}

// Every instruction set's table, on a size that exercises whole tiles and every kind of remainder.
TEST(ThinProductKernels, EveryInstructionSetAgreesWithTheReference) {
  constexpr std::int64_t rows = 135;  // one block of 128 rows, one tile of 4, three single rows
  constexpr std::int64_t rank = 6;
  constexpr std::int64_t cols = 91;
  const TestMatrix u = random_matrix(DType::f32, rows, rank, 1);
  const TestMatrix a = random_matrix(DType::f32, rank, cols, 2);
  for (const CpuIsa isa : test::runnable_isas()) {
    const kernels::ThinProductKernels& kernel = kernels::thin_product_kernels(isa);
    const TestMatrix x = random_matrix(DType::bf16, rows, cols, 3);
    const auto* bits = static_cast<const std::uint16_t*>(x.view().data);

    TestMatrix dots(DType::f32, rows, rank);
    kernel.dot_bf16(rows, rank, cols, bits, cols, a.view().as<float>(), cols, 1.0F, dots.view().as<float>(),
                    rank, 1);
    EXPECT_TRUE(is_near(dots.view(),
                        ref::linear_forward(numbers(x.view()), numbers(a.view()), {}, rows, rank, cols),
                        tolerance(DType::f32, cols)))
        << name_of(isa);

    TestMatrix outer(DType::f32, rank, cols);
    kernel.outer_bf16(rows, rank, cols, u.view().as<float>(), rank, bits, cols, 1.0F,
                      outer.view().as<float>(), cols);
    EXPECT_TRUE(is_near(outer.view(),
                        ref::linear_backward_weight(numbers(u.view()), numbers(x.view()), rows, rank, cols),
                        tolerance(DType::f32, rows)))
        << name_of(isa);

    TestMatrix y = random_matrix(DType::bf16, rows, cols, 4);
    const auto expected =
        sum_of(numbers(y.view()),
               ref::linear_backward_input(numbers(u.view()), numbers(a.view()), rows, rank, cols));
    kernel.expand_bf16(rows, rank, cols, u.view().as<float>(), rank, a.view().as<float>(), cols, 1.0F,
                       static_cast<std::uint16_t*>(y.view().data), cols);
    EXPECT_TRUE(is_near(y.view(), expected, tolerance(DType::bf16, rank))) << name_of(isa);
  }
}

// The reference's own backward against the complex-step derivative of L = sum(g * y).
TEST(LoraReference, BackwardIsTheDerivative) {
  using Complex = std::complex<double>;
  const ref::LoraSizes size = {3, 5, 4, 2};
  const auto x = numbers(random_matrix(DType::f32, 3, 5, 1).view());
  const auto a = numbers(random_matrix(DType::f32, 2, 5, 2).view());
  const auto b = numbers(random_matrix(DType::f32, 4, 2, 3).view());
  const auto dy = numbers(random_matrix(DType::f32, 3, 4, 4).view());
  const auto derivative = [&](int which, std::size_t index) {
    std::vector<Complex> inputs[3] = {{x.begin(), x.end()}, {a.begin(), a.end()}, {b.begin(), b.end()}};
    inputs[which][index] += Complex(0.0, 1e-30);
    const auto y = ref::lora_forward(size, inputs[0], inputs[1], inputs[2], scale).added_y;
    double sum = 0.0;
    for (std::size_t i = 0; i < y.size(); ++i) sum += dy[i] * y[i].imag();
    return sum / 1e-30;
  };
  const auto u = ref::lora_forward(size, x, a, b, scale).u;
  const auto backward = ref::lora_backward(size, dy, x, u, a, b, scale);
  for (std::size_t i = 0; i < x.size(); ++i) EXPECT_NEAR(backward.added_dx[i], derivative(0, i), 1e-12);
  for (std::size_t i = 0; i < a.size(); ++i) EXPECT_NEAR(backward.da[i], derivative(1, i), 1e-12);
  for (std::size_t i = 0; i < b.size(); ++i) EXPECT_NEAR(backward.db[i], derivative(2, i), 1e-12);
}

}  // namespace
}  // namespace cola::ops
