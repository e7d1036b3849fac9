#include "backend/cuda/kernels/lora.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <span>
#include <type_traits>
#include <vector>

#include "backend/ref/lora.h"
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

struct Case {
  std::int64_t rows, in, out, rank, padding;
};
// One element; odd; tiles not full; several chunks of ranks, of columns, of slices of rows.
const std::vector<Case> cases = {{1, 1, 1, 1, 0},    {5, 7, 9, 3, 1},       {33, 264, 272, 8, 0},
                                 {2, 40, 24, 70, 8}, {260, 16, 1032, 2, 0}, {1030, 8, 16, 3, 8}};

// Sums of `terms` products of order `size`: in f32 2^-24 of each and of each partial sum, which grows as
// sqrt(terms); on tensor cores each f32 factor is rounded by 2^-18 of itself. bf16 results are rounded by
// 2^-9 of themselves.
template <class Wide>
test::Tolerance tolerance(DType result, std::int64_t terms, double size = 1.0) {
  const double of_product = std::is_same_v<Wide, float> ? 1e-6 : 0x1p-16;  // normal numbers reach four
  const double error = of_product * size * (1.0 + std::sqrt(static_cast<double>(terms)));
  if (result == DType::f32) return {error, 2 * of_product, 1e-10};
  return {error, 0x1p-8, 1e-5};
}

std::vector<double> sum_of(std::vector<double> a, const std::vector<double>& b) {
  for (std::size_t i = 0; i < a.size(); ++i) a[i] += b[i];
  return a;
}

template <class T>
void check(const Case& c) {
  SCOPED_TRACE(testing::Message() << name_of(dtype_of<T>) << " " << c.rows << " x " << c.in << " -> " << c.out
                                  << " rank " << c.rank);
  constexpr float scale = 1.5F;
  const ref::LoraSizes sizes = {static_cast<std::size_t>(c.rows), static_cast<std::size_t>(c.in),
                                static_cast<std::size_t>(c.out), static_cast<std::size_t>(c.rank)};
  const TestMatrix x = random_matrix(dtype_of<T>, c.rows, c.in, 1, 1.0, c.padding);
  const TestMatrix a = random_matrix(DType::f32, c.rank, c.in, 2, 1.0, c.padding);
  const TestMatrix b = random_matrix(DType::f32, c.out, c.rank, 3, 1.0, c.padding);
  const TestMatrix dy = random_matrix(dtype_of<T>, c.rows, c.out, 4, 1.0, c.padding);
  const double root_in = std::sqrt(static_cast<double>(c.in));

  TestMatrix u(DType::f32, c.rows, c.rank, c.padding);
  TestMatrix y = random_matrix(dtype_of<T>, c.rows, c.out, 5, 1.0, c.padding);
  const auto y_before = numbers(y.view());
  test::run_in_every_order([&] {
    y = random_matrix(dtype_of<T>, c.rows, c.out, 5, 1.0, c.padding);
    const ThinDot<T> of_u = {c.in, c.rank, 1.0F, in<T>(x), thin_a(in<float>(a)), to<float>(u)};
    EXPECT_TRUE(succeeds(thin_dots<T>(nullptr, c.rows, {&of_u, 1})));
    const ThinExpand<T> of_y = {c.out, c.rank, scale, in<float>(u), thin_b(in<float>(b)), to<T>(y)};
    EXPECT_TRUE(succeeds(thin_expands<T>(nullptr, c.rows, {&of_y, 1})));
    return elements_of({&u, &y});
  });
  const auto forward =
      ref::lora_forward(sizes, numbers(x.view()), numbers(a.view()), numbers(b.view()), scale);
  EXPECT_TRUE(is_near(u.view(), forward.u, tolerance<T>(DType::f32, c.in)));
  EXPECT_TRUE(
      is_near(y.view(), sum_of(y_before, forward.added_y), tolerance<T>(dtype_of<T>, c.rank, 3.0 * root_in)));

  TestMatrix du(DType::f32, c.rows, c.rank, c.padding);
  TestMatrix da(DType::f32, c.rank, c.in, c.padding);
  TestMatrix db(DType::f32, c.out, c.rank, c.padding);
  TestMatrix dx(dtype_of<T>, c.rows, c.in, c.padding);
  const auto run_outer = [&](const ThinOuter<T>& product) {
    std::vector<float> scratch(static_cast<std::size_t>(thin_outers_scratch<T>(c.rows, {&product, 1})),
                               std::numeric_limits<float>::quiet_NaN());
    EXPECT_TRUE(succeeds(thin_outers<T>(nullptr, c.rows, {&product, 1}, scratch.data())));
  };
  const auto start = [&] {
    da = random_matrix(DType::f32, c.rank, c.in, 6, 1.0, c.padding);
    db = random_matrix(DType::f32, c.out, c.rank, 7, 1.0, c.padding);
    dx = random_matrix(dtype_of<T>, c.rows, c.in, 8, 1.0, c.padding);
  };
  start();
  const auto expected = ref::lora_backward(sizes, numbers(dy.view()), numbers(x.view()), numbers(u.view()),
                                           numbers(a.view()), numbers(b.view()), scale);
  const auto expected_da = sum_of(numbers(da.view()), expected.da);
  const auto expected_db = sum_of(numbers(db.view()), expected.db);
  const auto expected_dx = sum_of(numbers(dx.view()), expected.added_dx);
  test::run_in_every_order([&] {
    start();
    const ThinDot<T> of_du = {c.out, c.rank, scale, in<T>(dy), thin_b(in<float>(b)), to<float>(du)};
    EXPECT_TRUE(succeeds(thin_dots<T>(nullptr, c.rows, {&of_du, 1})));
    run_outer({c.out, c.rank, scale, in<float>(u), in<T>(dy), thin_b(to<float>(db))});
    run_outer({c.in, c.rank, 1.0F, in<float>(du), in<T>(x), thin_a(to<float>(da))});
    const ThinExpand<T> of_dx = {c.in, c.rank, 1.0F, in<float>(du), thin_a(in<float>(a)), to<T>(dx)};
    EXPECT_TRUE(succeeds(thin_expands<T>(nullptr, c.rows, {&of_dx, 1})));
    return elements_of({&du, &da, &db, &dx});
  });
  const double root_out = std::sqrt(static_cast<double>(c.out));
  EXPECT_TRUE(is_near(du.view(), expected.du, tolerance<T>(DType::f32, c.out, 2.0)));
  EXPECT_TRUE(is_near(da.view(), expected_da, tolerance<T>(DType::f32, c.rows, 3.0 * root_out)));
  EXPECT_TRUE(is_near(db.view(), expected_db, tolerance<T>(DType::f32, c.rows, 3.0 * root_in)));
  EXPECT_TRUE(is_near(dx.view(), expected_dx, tolerance<T>(dtype_of<T>, c.rank, 3.0 * root_out)));
  EXPECT_TRUE(u.padding_intact() && y.padding_intact() && du.padding_intact() && da.padding_intact() &&
              db.padding_intact() && dx.padding_intact());
}

TEST(CudaLora, AgreesWithTheReference) {
  for_each_dtype([]<class T>(T) {
    for (const Case& c : cases) check<T>(c);
  });
}

// Ten products of different sizes in one call, two and two adding to one matrix, are ten calls.
TEST(CudaLora, ProductsTogetherAreProductsOneByOne) {
  constexpr std::int64_t rows = 21;
  const auto run = [](bool together) {
    std::vector<TestMatrix> kept;
    kept.reserve(80);
    const auto make = [&](DType dtype, std::int64_t height, std::int64_t width) -> TestMatrix& {
      return kept.emplace_back(random_matrix(dtype, height, width, kept.size() + 1));
    };
    std::vector<ThinDot<BFloat16>> dots;
    std::vector<ThinExpand<BFloat16>> expands;
    std::vector<ThinOuter<BFloat16>> outers;
    TestMatrix* to_y = nullptr;
    for (std::int64_t i = 0; i < 10; ++i) {
      const std::int64_t cols = 8 * (1 + i / 2 * 5);
      const std::int64_t rank = 1 + 3 * i;
      if (i % 2 == 0) to_y = &make(DType::bf16, rows, cols);
      const auto wide = in<BFloat16>(make(DType::bf16, rows, cols));
      const auto thin = in<float>(make(DType::f32, cols, rank));
      const auto u = in<float>(make(DType::f32, rows, rank));
      dots.push_back({cols, rank, 0.5F, wide, thin_b(thin), to<float>(make(DType::f32, rows, rank))});
      // The first of a pair is too small to change a bf16: rounding between the two, as alone, is none.
      expands.push_back({cols, rank, i % 2 == 0 ? 0x1p-30F : 0.5F, u, thin_b(thin), to<BFloat16>(*to_y)});
      outers.push_back({cols, rank, 0.5F, u, wide, thin_a(to<float>(make(DType::f32, rank, cols)))});
    }
    const std::size_t at_a_time = together ? dots.size() : 1;
    for (std::size_t i = 0; i < dots.size(); i += at_a_time) {
      const auto some = [&](const auto& products) { return std::span(products).subspan(i, at_a_time); };
      std::vector<float> scratch(static_cast<std::size_t>(thin_outers_scratch<BFloat16>(rows, some(outers))));
      EXPECT_TRUE(succeeds(thin_dots<BFloat16>(nullptr, rows, some(dots))));
      EXPECT_TRUE(succeeds(thin_expands<BFloat16>(nullptr, rows, some(expands))));
      EXPECT_TRUE(succeeds(thin_outers<BFloat16>(nullptr, rows, some(outers), scratch.data())));
    }
    std::vector<double> results;
    for (const TestMatrix& matrix : kept) {
      const auto part = numbers(matrix.view());
      results.insert(results.end(), part.begin(), part.end());
    }
    return results;
  };
  EXPECT_EQ(run(true), run(false));
}

// delta += scale B A is the expansion of B.
TEST(CudaLora, DeltaAgreesWithTheReference) {
  for (const Case& c : cases) {
    const ref::LoraSizes sizes = {1, static_cast<std::size_t>(c.in), static_cast<std::size_t>(c.out),
                                  static_cast<std::size_t>(c.rank)};
    const TestMatrix a = random_matrix(DType::f32, c.rank, c.in, 2, 1.0, c.padding);
    const TestMatrix b = random_matrix(DType::f32, c.out, c.rank, 3, 1.0, c.padding);
    TestMatrix delta = random_matrix(DType::f32, c.out, c.in, 4, 1.0, c.padding);
    const auto expected =
        sum_of(numbers(delta.view()), ref::lora_delta(sizes, numbers(a.view()), numbers(b.view()), 0.5));
    const ThinExpand<float> of_delta = {
        c.in, c.rank, 0.5F, in<float>(b), thin_a(in<float>(a)), to<float>(delta)};
    ASSERT_TRUE(succeeds(thin_expands<float>(nullptr, c.out, {&of_delta, 1})));
    EXPECT_TRUE(is_near(delta.view(), expected, tolerance<float>(DType::f32, c.rank)));
    EXPECT_TRUE(delta.padding_intact());
  }
}

}  // namespace
}  // namespace cola::cuda
