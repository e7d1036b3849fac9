#include "backend/cuda/kernels/lora.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
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
const std::vector<Case> cases = {
    {1, 1, 1, 1, 0}, {5, 7, 9, 3, 1}, {33, 264, 272, 8, 0}, {2, 40, 24, 70, 8}, {260, 16, 1032, 2, 0}};

// Sums of `terms` products of order `size` in f32: 2^-24 of each and of each partial sum, which grows as
// sqrt(terms); bf16 results are rounded by 2^-9 of themselves.
test::Tolerance tolerance(DType dtype, std::int64_t terms, double size = 1.0) {
  const double error = 1e-6 * size * (1.0 + std::sqrt(static_cast<double>(terms)));
  if (dtype == DType::f32) return {error, 2e-6, 1e-10};
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
    EXPECT_TRUE(
        succeeds(thin_dot<T>(nullptr, c.rows, c.in, c.rank, 1.0F, in<T>(x), in<float>(a), to<float>(u))));
    EXPECT_TRUE(succeeds(
        thin_expand<T>(nullptr, c.rows, c.out, c.rank, scale, in<float>(u), thin_b(in<float>(b)), to<T>(y))));
    return elements_of({&u, &y});
  });
  const auto forward =
      ref::lora_forward(sizes, numbers(x.view()), numbers(a.view()), numbers(b.view()), scale);
  EXPECT_TRUE(is_near(u.view(), forward.u, tolerance(DType::f32, c.in)));
  EXPECT_TRUE(
      is_near(y.view(), sum_of(y_before, forward.added_y), tolerance(dtype_of<T>, c.rank, 3.0 * root_in)));

  TestMatrix bt(DType::f32, c.rank, c.out, c.padding);
  TestMatrix du(DType::f32, c.rows, c.rank, c.padding);
  TestMatrix da(DType::f32, c.rank, c.in, c.padding);
  TestMatrix db(DType::f32, c.out, c.rank, c.padding);
  TestMatrix dx(dtype_of<T>, c.rows, c.in, c.padding);
  const auto scratch_for = [&](std::int64_t cols) {
    return std::vector<float>(static_cast<std::size_t>(thin_outer_scratch(c.rows, cols, c.rank)),
                              std::numeric_limits<float>::quiet_NaN());
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
    auto for_b = scratch_for(c.out);
    auto for_a = scratch_for(c.in);
    EXPECT_TRUE(succeeds(transpose(nullptr, c.out, c.rank, in<float>(b), to<float>(bt))));
    EXPECT_TRUE(succeeds(
        thin_dot<T>(nullptr, c.rows, c.out, c.rank, scale, in<T>(dy), in<float>(bt), to<float>(du))));
    EXPECT_TRUE(succeeds(thin_outer<T>(nullptr, c.rows, c.out, c.rank, scale, in<float>(u), in<T>(dy),
                                       for_b.data(), thin_b(to<float>(db)))));
    EXPECT_TRUE(succeeds(thin_outer<T>(nullptr, c.rows, c.in, c.rank, 1.0F, in<float>(du), in<T>(x),
                                       for_a.data(), thin_a(to<float>(da)))));
    EXPECT_TRUE(succeeds(
        thin_expand<T>(nullptr, c.rows, c.in, c.rank, 1.0F, in<float>(du), thin_a(in<float>(a)), to<T>(dx))));
    return elements_of({&du, &da, &db, &dx});
  });
  const double root_out = std::sqrt(static_cast<double>(c.out));
  EXPECT_TRUE(is_near(du.view(), expected.du, tolerance(DType::f32, c.out, 2.0)));
  EXPECT_TRUE(is_near(da.view(), expected_da, tolerance(DType::f32, c.rows, 3.0 * root_out)));
  EXPECT_TRUE(is_near(db.view(), expected_db, tolerance(DType::f32, c.rows, 3.0 * root_in)));
  EXPECT_TRUE(is_near(dx.view(), expected_dx, tolerance(dtype_of<T>, c.rank, 3.0 * root_out)));
  EXPECT_TRUE(u.padding_intact() && y.padding_intact() && du.padding_intact() && da.padding_intact() &&
              db.padding_intact() && dx.padding_intact());
}

TEST(CudaLora, AgreesWithTheReference) {
  for_each_dtype([]<class T>(T) {
    for (const Case& c : cases) check<T>(c);
  });
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
    ASSERT_TRUE(succeeds(thin_expand<float>(nullptr, c.out, c.in, c.rank, 0.5F, in<float>(b),
                                            thin_a(in<float>(a)), to<float>(delta))));
    EXPECT_TRUE(is_near(delta.view(), expected, tolerance(DType::f32, c.rank)));
    EXPECT_TRUE(delta.padding_intact());
  }
}

}  // namespace
}  // namespace cola::cuda
