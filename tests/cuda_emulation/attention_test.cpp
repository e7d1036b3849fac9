#include "backend/cuda/kernels/attention.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>
#include <vector>

#include "backend/ref/attention.h"
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
using test::Tolerance;

// f32: scores of order 1 to 10 from up to 256 products, good to 1e-6, and so are the weights. bf16: a weight
// is rounded to 2^-9 of itself before it meets a value of order 1 to 4, the result once more.
Tolerance forward_tolerance(DType dtype) {
  if (dtype == DType::f32) return {6e-6, 6e-6, 1e-11};
  return {8e-3, 0x1p-8, 2e-5};
}

// bf16: the backward starts from the forward's rounded result, an error of up to 2^-9 |dout out| (2^-9 x 12)
// in a term of rowsum(dout out), times a key or query (up to 5) and half a weight in an element of dq or dk;
// and score gradients are rounded to bf16. A wrong formula shows in the cosine, and in f32.
Tolerance backward_tolerance(DType dtype) {
  if (dtype == DType::f32) return {4e-5, 1e-5, 1e-10};
  return {6e-2, 0x1p-8, 6e-5};
}

DeviceTiles on_device(const AttentionTiles& tiles) {
  return {std::ssize(tiles.tiles), tiles.tiles.data(), tiles.ranges.data()};
}

/// Random operands of attention, and room for its results, which start as NaN.
struct Problem {
  Problem(DType dtype, int heads, int kv_heads, int head_dim, std::vector<std::int32_t> sequence_offsets,
          std::vector<std::int32_t> sequence_prefixes = {}, std::int64_t padding = 0)
      : offsets(std::move(sequence_offsets)),
        prefixes(std::move(sequence_prefixes)),
        sizes{offsets.back(), heads, kv_heads, head_dim, 1.0F / std::sqrt(static_cast<float>(head_dim))},
        q(random_matrix(dtype, sizes.rows, heads * head_dim, 1, 1.5, padding)),
        k(random_matrix(dtype, sizes.rows, kv_heads * head_dim, 2, 1.5, padding)),
        v(random_matrix(dtype, sizes.rows, kv_heads * head_dim, 3, 1.0, padding)),
        dout(random_matrix(dtype, sizes.rows, heads * head_dim, 4, 1.0, padding)),
        out(dtype, sizes.rows, heads * head_dim, padding),
        log_sum_exp(DType::f32, sizes.rows, heads, padding),
        delta(DType::f32, sizes.rows, heads),
        dq(dtype, sizes.rows, heads * head_dim, padding),
        dk(dtype, sizes.rows, kv_heads * head_dim, padding),
        dv(dtype, sizes.rows, kv_heads * head_dim, padding) {}

  template <class T>
  std::vector<double> run() {
    const AttentionTiles queries = query_tiles(offsets, prefixes, sizes.window);
    const AttentionTiles keys = key_tiles(offsets, prefixes, sizes.window);
    EXPECT_TRUE(succeeds(attention_forward<T>(nullptr, {sizes, on_device(queries), in<T>(q), in<T>(k),
                                                        in<T>(v), to<T>(out), to<float>(log_sum_exp)})));
    EXPECT_TRUE(succeeds(attention_backward<T>(
        nullptr, {sizes, on_device(queries), on_device(keys), in<T>(dout), in<T>(q), in<T>(k), in<T>(v),
                  in<T>(out), in<float>(log_sum_exp), to<float>(delta), to<T>(dq), to<T>(dk), to<T>(dv)})));
    return elements_of({&out, &log_sum_exp, &dq, &dk, &dv});
  }

  [[nodiscard]] ref::AttentionSizes ref_sizes() const {
    return {static_cast<std::size_t>(sizes.heads),    static_cast<std::size_t>(sizes.kv_heads),
            static_cast<std::size_t>(sizes.head_dim), static_cast<double>(sizes.scale),
            static_cast<std::size_t>(sizes.window),   static_cast<double>(sizes.soft_cap)};
  }
  [[nodiscard]] ref::AttentionResult<double> expected() const {
    return ref::attention_forward<double>(ref_sizes(), offsets, prefixes, numbers(q.view()),
                                          numbers(k.view()), numbers(v.view()));
  }

  /// Compares what run() has left with the reference.
  void check(DType dtype) const {
    const auto forward = expected();
    EXPECT_TRUE(is_near(out.view(), forward.out, forward_tolerance(dtype)));
    EXPECT_TRUE(is_near(log_sum_exp.view(), forward.log_sum_exp, forward_tolerance(DType::f32)));
    const auto gradients =
        ref::attention_backward<double>(ref_sizes(), offsets, prefixes, numbers(dout.view()),
                                        numbers(q.view()), numbers(k.view()), numbers(v.view()));
    EXPECT_TRUE(is_near(dq.view(), gradients.dq, backward_tolerance(dtype)));
    EXPECT_TRUE(is_near(dk.view(), gradients.dk, backward_tolerance(dtype)));
    EXPECT_TRUE(is_near(dv.view(), gradients.dv, backward_tolerance(dtype)));
    EXPECT_TRUE(out.padding_intact() && log_sum_exp.padding_intact() && dq.padding_intact() &&
                dk.padding_intact() && dv.padding_intact());
  }

  std::vector<std::int32_t> offsets, prefixes;
  AttentionSizes sizes;
  TestMatrix q, k, v, dout, out, log_sum_exp, delta, dq, dk, dv;
};

// Prefixes of one token, of less, exactly and more than a tile, without continuations and without rows;
// continuations of none, one and several tiles, not all beside their prefix.
const std::vector<std::int32_t> mixed_offsets = {0, 70, 71, 72, 136, 141, 141, 181, 250, 251, 260, 260, 263};
const std::vector<std::int32_t> mixed_prefixes = {-1, -1, 1, -1, 0, 0, 3, 0, -1, 3, -1, 10};

template <class T>
void check_agrees(const std::vector<std::int32_t>& offsets, const std::vector<std::int32_t>& prefixes,
                  const std::vector<std::pair<int, int>>& head_dims_and_paddings) {
  for (const auto& [head_dim, padding] : head_dims_and_paddings) {
    for (const auto& [heads, kv_heads] : std::vector<std::pair<int, int>>{{2, 2}, {4, 2}}) {
      if (heads == 4 && head_dim > 64) continue;  // the reference is slow
      SCOPED_TRACE(testing::Message()
                   << name_of(dtype_of<T>) << " heads " << heads << "/" << kv_heads << " x " << head_dim);
      Problem p(dtype_of<T>, heads, kv_heads, head_dim, offsets, prefixes, padding);
      p.run<T>();
      p.check(dtype_of<T>);
    }
  }
}

/// In f32, and in bf16 where a head is whole 16-byte words: each width of the tensor cores' tiles, filled or
/// not.
void check_paths_agree(const std::vector<std::int32_t>& offsets, const std::vector<std::int32_t>& prefixes) {
  check_agrees<float>(offsets, prefixes, {{1, 0}, {13, 1}, {64, 0}, {128, 0}});
  check_agrees<BFloat16>(offsets, prefixes, {{8, 0}, {64, 8}, {72, 0}, {80, 0}, {128, 0}});
}

TEST(CudaAttention, AgreesWithTheReference) { check_paths_agree({0, 0, 1, 34, 34, 98, 163, 300}, {}); }

TEST(CudaAttention, ContinuationsAgreeWithTheReference) { check_paths_agree(mixed_offsets, mixed_prefixes); }

struct Variant {
  std::int32_t window;
  float soft_cap;
};

/// One key, edges of the steps of 32 and 64 keys and beside them, less and more than the prefixes.
const std::vector<Variant> every_variant = {{1, 0.0F},  {32, 0.0F}, {33, 0.0F},  {64, 0.0F},
                                            {65, 0.0F}, {0, 1.5F},  {100, 1.5F}, {1000, 0.0F}};
const std::vector<Variant> window_with_cap = {{40, 1.5F}};

template <class T>
void check_variants(int head_dim, int padding, const std::vector<Variant>& variants) {
  for (const auto& [window, soft_cap] : variants) {
    SCOPED_TRACE(testing::Message() << name_of(dtype_of<T>) << " x " << head_dim << " window " << window
                                    << " cap " << soft_cap);
    for (const auto& [offsets, prefixes] :
         {std::pair<std::vector<std::int32_t>, std::vector<std::int32_t>>{{0, 0, 1, 34, 98, 230}, {}},
          {mixed_offsets, mixed_prefixes}}) {
      Problem p(dtype_of<T>, 2, 1, head_dim, offsets, prefixes, padding);
      p.sizes.window = window;
      p.sizes.soft_cap = soft_cap;
      p.run<T>();
      p.check(dtype_of<T>);
    }
  }
}

TEST(CudaAttention, WindowsAndSoftCapsAgreeWithTheReference) {
  check_variants<float>(13, 1, every_variant);
  check_variants<float>(72, 0, window_with_cap);
  check_variants<float>(136, 0, window_with_cap);
  check_variants<BFloat16>(13, 1, window_with_cap);
  check_variants<BFloat16>(24, 0, every_variant);
  check_variants<BFloat16>(72, 0, window_with_cap);
  check_variants<BFloat16>(128, 0, window_with_cap);
}

TEST(CudaAttention, AWindowOfTheLongestSequenceChangesNothing) {
  for_each_dtype([]<class T>(T) {
    Problem p(dtype_of<T>, 2, 1, 24, {0, 90, 97, 150}, {-1, 0, -1});
    const auto without = p.run<T>();
    p.sizes.window = 97;
    EXPECT_EQ(p.run<T>(), without);
    p.sizes.window = 96;
    EXPECT_NE(p.run<T>(), without);
  });
}

TEST(CudaAttention, AWideHeadAgreesWithTheReference) {
  for_each_dtype([]<class T>(T) {
    Problem p(dtype_of<T>, 2, 1, 200, {0, 40, 110, 113}, {-1, -1, 1});
    p.run<T>();
    p.check(dtype_of<T>);
  });
}

TEST(CudaAttention, UnalignedRowsOfBFloat16TakeTheOtherPath) {
  check_agrees<BFloat16>({0, 90}, {}, {{64, 3}, {13, 0}});
}

TEST(CudaAttention, ResultsDoNotDependOnTheOrderOfThreads) {
  for_each_dtype([]<class T>(T) {
    for (const int head_dim : {16, 80}) {
      test::run_in_every_order([&] {
        Problem p(dtype_of<T>, 4, 2, head_dim, {0, 70, 75, 140}, {-1, 0, -1});
        return p.run<T>();
      });
    }
  });
}

TEST(CudaAttention, LargeScoresDoNotOverflow) {
  for_each_dtype([]<class T>(T) {
    Problem p(dtype_of<T>, 1, 1, 16, {0, 100});
    p.sizes.scale = 100.0F;  // scores of up to some thousands: exp of one is infinite
    p.run<T>();
    // A score of 1000s has an error of 1e-3 or less in f32, and so has a weight.
    EXPECT_TRUE(is_near(p.out.view(), p.expected().out, {1e-2, 1e-2, 1e-5}));
  });
}

TEST(CudaAttention, NothingLeaksBetweenSequences) {
  for_each_dtype([]<class T>(T) {
    Problem p(dtype_of<T>, 4, 2, 24, {0, 70, 75, 140}, {-1, 0, -1});
    const auto results = [&](std::int64_t begin, std::int64_t end) {
      p.run<T>();
      std::vector<double> all = numbers(p.out.view().row_range(begin, end));
      const auto dq = numbers(p.dq.view().row_range(begin, end));
      all.insert(all.end(), dq.begin(), dq.end());
      return all;
    };
    const auto first = results(0, 70);
    const auto last = results(75, 140);
    for (TestMatrix* matrix : {&p.q, &p.k, &p.v, &p.dout}) {
      for (std::int64_t row = 70; row < 75; ++row) {
        test::set_element(matrix->view(), row, 3, std::numeric_limits<double>::quiet_NaN());
      }
    }
    EXPECT_EQ(results(0, 70), first);
    EXPECT_EQ(results(75, 140), last);
  });
}

// In f32 a NaN of a row reaches the queries whose windows it is in; on tensor cores all of their tiles, but
// no tile whose queries' windows begin behind it.
TEST(CudaAttention, NothingLeaksFromBeforeTheWindow) {
  for_each_dtype([]<class T>(T) {
    Problem p(dtype_of<T>, 2, 1, 24, {0, 200});
    p.sizes.window = 30;
    const std::int64_t first = dtype_of<T> == DType::f32 ? 90 : 128;
    p.run<T>();
    const auto out = numbers(p.out.view().row_range(first, 200));
    const auto dk = numbers(p.dk.view().row_range(first, 200));
    for (TestMatrix* matrix : {&p.q, &p.k, &p.v, &p.dout}) {
      for (std::int64_t row = 40; row <= 60; ++row) {
        test::set_element(matrix->view(), row, 3, std::numeric_limits<double>::quiet_NaN());
      }
    }
    p.run<T>();
    EXPECT_EQ(numbers(p.out.view().row_range(first, 200)), out);
    EXPECT_EQ(numbers(p.dk.view().row_range(first, 200)), dk);
  });
}

// In f32; on tensor cores a NaN can reach earlier tokens of its own tile.
TEST(CudaAttention, NothingLeaksFromLaterTokens) {
  Problem p(DType::f32, 2, 1, 20, {0, 100});
  p.run<float>();
  const auto out = numbers(p.out.view().row_range(0, 45));
  const auto dq = numbers(p.dq.view().row_range(0, 45));
  for (TestMatrix* matrix : {&p.q, &p.k, &p.v}) {
    for (std::int64_t row = 45; row < 100; ++row) {
      test::set_element(matrix->view(), row, 3, std::numeric_limits<double>::quiet_NaN());
    }
  }
  p.run<float>();
  EXPECT_EQ(numbers(p.out.view().row_range(0, 45)), out);
  EXPECT_EQ(numbers(p.dq.view().row_range(0, 45)), dq);
}

TEST(CudaAttention, ATileWithoutRowsIsNoWork) {
  Problem p(DType::bf16, 2, 2, 64, {0, 70});
  AttentionTiles queries = query_tiles(p.offsets, {}, 0);
  queries.tiles.resize(5);
  ASSERT_TRUE(succeeds(attention_forward<BFloat16>(
      nullptr, {p.sizes, on_device(queries), in<BFloat16>(p.q), in<BFloat16>(p.k), in<BFloat16>(p.v),
                to<BFloat16>(p.out), to<float>(p.log_sum_exp)})));
  EXPECT_TRUE(is_near(p.out.view(), p.expected().out, forward_tolerance(DType::bf16)));
}

TEST(CudaAttention, HeadsThatItCannotDoAreRefused) {
  Problem p(DType::f32, 3, 2, 8, {0, 4});
  const AttentionTiles queries = query_tiles(p.offsets, {}, 0);
  const auto run = [&] {
    return attention_forward<float>(nullptr, {p.sizes, on_device(queries), in<float>(p.q), in<float>(p.k),
                                              in<float>(p.v), to<float>(p.out), to<float>(p.log_sum_exp)});
  };
  EXPECT_EQ(run(), cudaErrorInvalidValue);
  p.sizes = {4, 1, 1, 257, 1.0F};
  EXPECT_EQ(run(), cudaErrorInvalidValue);
}

std::vector<RowRange> ranges_of(const AttentionTiles& tiles, std::size_t tile) {
  const auto begin = tiles.ranges.begin();
  return {begin + tiles.tiles[tile].first_range, begin + tiles.tiles[tile].end_range};
}

TEST(AttentionPlan, TilesNameWhatTheySee) {
  // 0 is continued by 1, right behind it, and by 3.
  const std::vector<std::int32_t> offsets = {0, 70, 75, 76, 80};
  const std::vector<std::int32_t> prefixes = {-1, 0, -1, 0};
  const AttentionTiles queries = query_tiles(offsets, prefixes, 0);
  ASSERT_EQ(queries.tiles.size(), 5U);
  EXPECT_EQ(queries.tiles[0].row, 70);  // 75 keys; one range, as they lie side by side
  EXPECT_EQ(ranges_of(queries, 0), (std::vector<RowRange>{{0, 75}}));
  EXPECT_EQ(queries.tiles[1].row, 76);
  EXPECT_EQ(ranges_of(queries, 1), (std::vector<RowRange>{{0, 70}, {76, 80}}));
  EXPECT_EQ(queries.tiles[2].row, 64);
  EXPECT_EQ(queries.tiles[2].count, 6);
  EXPECT_EQ(ranges_of(queries, 2), (std::vector<RowRange>{{0, 70}}));
  EXPECT_EQ(ranges_of(queries, 3), (std::vector<RowRange>{{0, 64}}));
  EXPECT_EQ(ranges_of(queries, 4), (std::vector<RowRange>{{75, 76}}));
  const AttentionTiles keys = key_tiles(offsets, prefixes, 0);
  ASSERT_EQ(keys.tiles.size(), 5U);
  EXPECT_EQ(ranges_of(keys, 0), (std::vector<RowRange>{{0, 75}, {76, 80}}));
  EXPECT_EQ(ranges_of(keys, 1), (std::vector<RowRange>{{64, 75}, {76, 80}}));
  EXPECT_EQ(ranges_of(keys, 2), (std::vector<RowRange>{{70, 75}}));
  EXPECT_TRUE(query_tiles(std::vector<std::int32_t>{0}, {}, 0).tiles.empty());
}

TEST(AttentionPlan, TilesNameWhatIsInTheirWindows) {
  // 0 is continued by 1, right behind it, and by 3, six rows further on.
  const std::vector<std::int32_t> offsets = {0, 70, 75, 76, 280};
  const std::vector<std::int32_t> prefixes = {-1, 0, -1, 0};
  const AttentionTiles queries = query_tiles(offsets, prefixes, 10);
  const auto at_row = [](const AttentionTiles& tiles, std::int32_t row) {
    const auto at = std::ranges::find(tiles.tiles, row, &AttentionTile::row);
    return ranges_of(tiles, static_cast<std::size_t>(at - tiles.tiles.begin()));
  };
  EXPECT_EQ(at_row(queries, 0), (std::vector<RowRange>{{0, 64}}));
  EXPECT_EQ(at_row(queries, 64), (std::vector<RowRange>{{55, 70}}));
  EXPECT_EQ(at_row(queries, 70), (std::vector<RowRange>{{61, 75}}));
  EXPECT_EQ(at_row(queries, 76), (std::vector<RowRange>{{61, 70, 6}, {76, 140}}));
  EXPECT_EQ(at_row(queries, 140), (std::vector<RowRange>{{131, 204}}));
  const AttentionTiles keys = key_tiles(offsets, prefixes, 10);
  EXPECT_EQ(at_row(keys, 0), (std::vector<RowRange>{{0, 73}, {76, 79, 6}}));
  EXPECT_EQ(at_row(keys, 64), (std::vector<RowRange>{{64, 75}, {76, 85, 6}}));
  EXPECT_EQ(at_row(keys, 70), (std::vector<RowRange>{{70, 75}}));
  EXPECT_EQ(at_row(keys, 76), (std::vector<RowRange>{{76, 149}}));
  const AttentionTiles cached =
      cached_query_tiles(std::vector<std::int32_t>{0, 70}, std::vector<std::int32_t>{100}, 10);
  EXPECT_EQ(at_row(cached, 0), (std::vector<RowRange>{{21, 94}}));
  EXPECT_EQ(at_row(cached, 64), (std::vector<RowRange>{{85, 100}}));
}

}  // namespace
}  // namespace cola::cuda
