#include <gtest/gtest.h>

#include <array>
#include <limits>
#include <vector>

#include "backend/attention.h"
#include "backend/attention_pairs.h"
#include "backend/attention_problem.h"
#include "backend/cpu/kernels/tile_attention.h"
#include "backend/ref/attention.h"
#include "support/tensors.h"

namespace cola {
namespace {

using test::AttentionProblem;
using test::numbers;
using test::scores_of;
using test::shape_of;
using test::TestMatrix;
using test::variants;
using test::with;

struct Batch {
  std::vector<std::int32_t> offsets, prefixes;
};

// No tokens, one, lengths around the blocks of 32 queries and 64 keys; prefixes of one token, of less,
// exactly and more than a block of keys, their continuations of none, one and several blocks of queries,
// behind them and further on, and one of a prefix without rows.
const std::vector<Batch> batches = {{{0, 0, 1, 34, 34, 98, 163, 300}, {}},
                                    {{0, 70, 71, 72, 136, 141, 141, 181, 250, 251, 260, 260, 263},
                                     {-1, -1, 1, -1, 0, 0, 3, 0, -1, 3, -1, 10}}};

// One key, block edges of both kinds and their neighbours, more than a prefix, more than any sequence.
const std::vector<std::int64_t> windows = {1, 2, 16, 31, 32, 33, 63, 64, 65, 100, 129, 1000};

TEST(AttentionWindow, AgreesWithRef) {
  for (const DType dtype : {DType::f32, DType::bf16}) {
    for (const Batch& batch : batches) {
      for (const std::int64_t window : windows) {
        SCOPED_TRACE(testing::Message() << name_of(dtype) << " window " << window);
        AttentionProblem p(dtype, with(shape_of(2, 1, 13), window, 0.0F), batch.offsets, 1, batch.prefixes);
        p.run();
        p.check(dtype);
      }
    }
  }
}

TEST(AttentionWindow, AndSoftCapAgreeWithRefForEveryKindOfHead) {
  for (const DType dtype : {DType::f32, DType::bf16}) {
    for (const auto& [heads, kv_heads, head_dim] :
         std::vector<std::array<std::int64_t, 3>>{{2, 2, 1}, {4, 2, 16}, {2, 1, 72}, {1, 1, 128}}) {
      for (const auto& shape : variants(shape_of(heads, kv_heads, head_dim))) {
        for (const Batch& batch : batches) {
          SCOPED_TRACE(testing::Message()
                       << name_of(dtype) << " heads " << heads << "/" << kv_heads << " x " << head_dim
                       << " window " << shape.window << " cap " << shape.soft_cap);
          AttentionProblem p(dtype, shape, batch.offsets, head_dim % 3, batch.prefixes);
          p.run();
          p.check(dtype);
        }
      }
    }
  }
}

TEST(AttentionWindow, OfTheLongestSequenceChangesNothing) {
  for (const DType dtype : {DType::f32, DType::bf16}) {
    AttentionProblem p(dtype, shape_of(4, 2, 24), {0, 90, 97, 120}, 0, {-1, 0, -1});
    p.run();
    const auto without = p.results(0, 120);
    p.shape.window = 97;
    p.run();
    EXPECT_EQ(p.results(0, 120), without);
    p.shape.window = 96;
    p.run();
    EXPECT_NE(p.results(0, 120), without);
  }
}

void spoil(AttentionProblem& p, std::int64_t begin, std::int64_t end) {
  for (TestMatrix* matrix : {&p.q, &p.k, &p.v, &p.dout}) {
    for (std::int64_t row = begin; row < end; ++row) {
      test::set_element(matrix->view(), row, 3, std::numeric_limits<double>::quiet_NaN());
    }
  }
}

TEST(AttentionWindow, NothingLeaksFromBeforeIt) {
  for (const DType dtype : {DType::f32, DType::bf16}) {
    if (test::attends_by_tiles(dtype)) continue;
    // The window of the first row of the continuation begins at row 71 of the prefix.
    AttentionProblem p(dtype, with(shape_of(4, 2, 24), 30, 0.0F), {0, 100, 105, 140}, 0, {-1, -1, 0});
    p.run();
    const auto later = p.results(88, 140);
    spoil(p, 40, 59);  // seen by queries up to 87
    p.run();
    EXPECT_EQ(p.results(88, 140), later);
  }
}

// Where a NaN of a value is multiplied by zero, it shows which blocks of keys a query looks at.
TEST(AttentionWindow, BlocksBeforeItAreNotLookedAt) {
  constexpr std::int64_t length = 300;
  AttentionProblem p(DType::bf16, with(shape_of(1, 1, 32), 50, 0.0F), {0, length});
  spoil(p, 0, 64);
  const auto in = [](const TestMatrix& m) {
    return kernels::Rows<const std::uint16_t>{static_cast<const std::uint16_t*>(m.view().data),
                                              m.view().stride};
  };
  const auto to = [](TestMatrix& m) {
    return kernels::Rows<std::uint16_t>{static_cast<std::uint16_t*>(m.view().data), m.view().stride};
  };
  const kernels::Rows<float> log_sum_exp = {p.log_sum_exp.view().as<float>(), 1};
  const ops::CpuIsa isa = test::runnable_isas().back();
  const kernels::AttentionTiles tiles = {kernels::emulated_tiles, kernels::tile_operand_kernels(isa)};
  std::vector<float> scratch(
      static_cast<std::size_t>(kernels::tile_attention_backward_scratch(length + 64, 32)));
  kernels::tile_attention_forward(isa)(
      {length, length, 32, 1, scores_of(p.shape), in(p.q), in(p.k), in(p.v), to(p.out), log_sum_exp, {}},
      tiles, scratch.data());
  kernels::tile_attention_backward(isa)({length,
                                         32,
                                         1,
                                         scores_of(p.shape),
                                         in(p.dout),
                                         in(p.q),
                                         in(p.k),
                                         in(p.v),
                                         in(p.out),
                                         {log_sum_exp.data, 1},
                                         to(p.dq),
                                         to(p.dk),
                                         to(p.dv),
                                         {}},
                                        tiles, scratch.data());
  // Queries from 128 on, whose windows begin behind row 64.
  for (const double value : p.results(128, length)) ASSERT_EQ(value, value);
}

std::int64_t counted_pairs(const Batch& batch, std::int64_t window) {
  std::size_t pairs = 0;
  for (const auto& query :
       ref::attention_queries(batch.offsets, batch.prefixes, static_cast<std::size_t>(window)))
    pairs += query.keys.size();
  return static_cast<std::int64_t>(pairs);
}

TEST(AttentionWindow, PairsAreThoseThatAreSeen) {
  for (const Batch& batch : batches) {
    EXPECT_EQ(ops::attention_pairs(batch.offsets, batch.prefixes, 0), counted_pairs(batch, 0));
    for (const std::int64_t window : windows)
      EXPECT_EQ(ops::attention_pairs(batch.offsets, batch.prefixes, window), counted_pairs(batch, window));
  }
  EXPECT_EQ(ops::attention_pairs(3, 10, 0), 8 + 9 + 10);
  EXPECT_EQ(ops::attention_pairs(3, 10, 9), 8 + 9 + 9);
  EXPECT_EQ(ops::attention_pairs(0, 10, 4), 0);
}

TEST(AttentionWindow, ProductsAreThoseOfThePairs) {
  for (const Batch& batch : batches) {
    for (const std::int64_t window : {std::int64_t{0}, std::int64_t{1}, std::int64_t{40}}) {
      AttentionProblem p(DType::f32, with(shape_of(2, 1, 8), window, 0.0F), batch.offsets, 0, batch.prefixes);
      ops::Context context;
      ops::attention_forward(context, p.shape, p.offsets, p.prefixes, p.q.view(), p.k.view(), p.v.view(),
                             p.out.view(), p.log_sum_exp.view());
      const auto product = static_cast<std::uint64_t>(counted_pairs(batch, window) * 2 * 8);
      EXPECT_EQ(context.flops(), 4 * product);
      ops::attention_backward(context, p.shape, p.offsets, p.prefixes, p.dout.view(), p.q.view(), p.k.view(),
                              p.v.view(), p.out.view(), p.log_sum_exp.view(), p.dq.view(), p.dk.view(),
                              p.dv.view());
      EXPECT_EQ(context.flops(), 14 * product);
    }
  }
}

}  // namespace
}  // namespace cola
