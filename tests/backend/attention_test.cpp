#include "backend/attention.h"

#include <gtest/gtest.h>

#include <limits>
#include <stdexcept>
#include <vector>

#include "backend/attention_problem.h"
#include "backend/cpu/kernels/attention.h"
#include "backend/cpu/kernels/attention_backward.h"
#include "backend/cpu/kernels/tile_attention.h"
#include "backend/ref/attention.h"
#include "core/parallel.h"
#include "support/complex_step.h"
#include "support/near.h"
#include "support/tensors.h"
#include "support/tile_kernels.h"

namespace cola {
namespace {

using Complex = std::complex<double>;
using test::AttentionProblem;
using test::backward_tolerance;
using test::forward_tolerance;
using test::is_near;
using test::numbers;
using test::random_matrix;
using test::scores_of;
using test::shape_of;
using test::sizes_of;
using test::TestMatrix;
using test::variants;
using test::with;

TEST(AttentionRef, BackwardIsTheComplexStepDerivative) {
  for (const auto& shape :
       {shape_of(4, 2, 3), with(shape_of(4, 2, 3), 2, 0.0F), with(shape_of(4, 2, 3), 3, 0.7F)}) {
    // Sequence 1 has no rows; 2 and 4 continue 0, 3 stands alone, 5 continues the empty 1.
    const AttentionProblem p(DType::f32, shape, {0, 2, 2, 4, 6, 7, 9}, 0, {-1, -1, 0, -1, 0, 1});
    const auto sizes = sizes_of(p.shape);
    const auto q = numbers(p.q.view());
    const auto k = numbers(p.k.view());
    const auto v = numbers(p.v.view());
    const auto dout = numbers(p.dout.view());
    const auto loss = [&](std::span<const Complex> a, std::span<const Complex> b,
                          std::span<const Complex> c) {
      return test::weighted_sum<Complex>(
          dout, ref::attention_forward<Complex>(sizes, p.offsets, p.prefixes, a, b, c).out);
    };
    const auto cq = test::complex_of(q);
    const auto ck = test::complex_of(k);
    const auto cv = test::complex_of(v);
    const auto gradients = ref::attention_backward<double>(sizes, p.offsets, p.prefixes, dout, q, k, v);
    const test::Tolerance rounding = {1e-13, 1e-12, 1e-13};
    EXPECT_TRUE(is_near(
        gradients.dq, test::complex_step_gradient(q, [&](auto& at) { return loss(at, ck, cv); }), rounding));
    EXPECT_TRUE(is_near(
        gradients.dk, test::complex_step_gradient(k, [&](auto& at) { return loss(cq, at, cv); }), rounding));
    EXPECT_TRUE(is_near(
        gradients.dv, test::complex_step_gradient(v, [&](auto& at) { return loss(cq, ck, at); }), rounding));
  }
}

TEST(Attention, AgreesWithRef) {
  // Lengths around the kernels' blocks of 32 queries and 64 keys, one token, none.
  const std::vector<std::int32_t> offsets = {0, 0, 1, 34, 34, 98, 163};
  for (const DType dtype : {DType::f32, DType::bf16}) {
    for (const std::int64_t head_dim : {1, 8, 13, 16, 64, 80, 128}) {
      for (const auto& [heads, kv_heads] : std::vector<std::pair<int, int>>{{2, 2}, {2, 1}, {8, 2}}) {
        if (heads == 8 && head_dim > 16) continue;  // the reference is slow
        SCOPED_TRACE(testing::Message()
                     << name_of(dtype) << " heads " << heads << "/" << kv_heads << " x " << head_dim);
        AttentionProblem p(dtype, shape_of(heads, kv_heads, head_dim), offsets, head_dim % 3);
        p.run();
        p.check(dtype);
      }
    }
  }
}

// Prefixes of one token, of less, exactly and more than a block of keys, without continuations and without
// rows; continuations of none, one and several blocks of queries, not all beside their prefix.
const std::vector<std::int32_t> mixed_offsets = {0, 70, 71, 72, 136, 141, 141, 181, 250, 251, 260, 260, 263};
const std::vector<std::int32_t> mixed_prefixes = {-1, -1, 1, -1, 0, 0, 3, 0, -1, 3, -1, 10};

TEST(Attention, ContinuationsAgreeWithRef) {
  for (const DType dtype : {DType::f32, DType::bf16}) {
    for (const std::int64_t head_dim : {1, 8, 13, 16, 64, 80}) {
      for (const auto& [heads, kv_heads] : std::vector<std::pair<int, int>>{{2, 2}, {2, 1}, {8, 2}}) {
        if (heads == 8 && head_dim > 16) continue;  // the reference is slow
        SCOPED_TRACE(testing::Message()
                     << name_of(dtype) << " heads " << heads << "/" << kv_heads << " x " << head_dim);
        AttentionProblem p(dtype, shape_of(heads, kv_heads, head_dim), mixed_offsets, head_dim % 3,
                           mixed_prefixes);
        p.run();
        p.check(dtype);
      }
    }
  }
}

// The rows of a prefix and of one continuation are a whole sequence; the other continuation is not seen.
TEST(Attention, AContinuationIsTheRestOfItsSequence) {
  AttentionProblem shared(DType::f32, shape_of(4, 2, 24), {0, 90, 97, 120}, 0, {-1, 0, 0});
  AttentionProblem whole(DType::f32, shape_of(4, 2, 24), {0, 97});
  for (std::int64_t row = 0; row < 97; ++row) {
    for (TestMatrix AttentionProblem::* matrix :
         {&AttentionProblem::q, &AttentionProblem::k, &AttentionProblem::v}) {
      const ConstMatrixView from = (shared.*matrix).view();
      for (std::int64_t col = 0; col < from.cols; ++col) {
        test::set_element((whole.*matrix).view(), row, col, test::element(from, row, col));
      }
    }
  }
  shared.run();
  whole.run();
  EXPECT_TRUE(
      is_near(shared.out.view().row_range(0, 97), numbers(whole.out.view()), forward_tolerance(DType::f32)));
}

TEST(Attention, NothingLeaksBetweenContinuations) {
  // Sequences 1 and 2 continue 0; 3 stands alone.
  AttentionProblem p(DType::f32, shape_of(4, 2, 24), {0, 70, 75, 80, 90}, 0, {-1, 0, 0, -1});
  p.run();
  const auto out = numbers(p.out.view());
  const auto dq = numbers(p.dq.view());
  const auto alone = p.results(80, 90);
  for (TestMatrix* matrix : {&p.q, &p.k, &p.v, &p.dout}) {
    for (std::int64_t row = 75; row < 80; ++row) {
      test::set_element(matrix->view(), row, 3, std::numeric_limits<double>::quiet_NaN());
    }
  }
  p.run();
  const auto before = static_cast<std::ptrdiff_t>(75 * p.out.view().cols);
  const auto changed_out = numbers(p.out.view());
  const auto changed_dq = numbers(p.dq.view());
  EXPECT_TRUE(std::equal(out.begin(), out.begin() + before, changed_out.begin()));
  EXPECT_TRUE(std::equal(dq.begin(), dq.begin() + before, changed_dq.begin()));
  EXPECT_EQ(p.results(80, 90), alone);
}

TEST(Attention, ALongSequenceAgreesWithRef) {
  AttentionProblem p(DType::f32, shape_of(1, 1, 8), {0, 777});
  p.run();
  p.check(DType::f32);
}

TEST(Attention, LargeScoresDoNotOverflow) {
  AttentionProblem p(DType::f32, shape_of(1, 1, 16), {0, 100});
  p.shape.scale = 100.0F;  // scores of up to some thousands: exp of one is infinite
  p.run();
  const auto expected = ref::attention_forward<double>(sizes_of(p.shape), p.offsets, {}, numbers(p.q.view()),
                                                       numbers(p.k.view()), numbers(p.v.view()));
  // A score of 1000s has an error of 1e-3 or less in f32, and so has a weight.
  EXPECT_TRUE(is_near(p.out.view(), expected.out, {1e-2, 1e-2, 1e-5}));
}

TEST(Attention, NothingLeaksBetweenSequences) {
  const std::vector<std::int32_t> offsets = {0, 70, 75, 140};
  for (const DType dtype : {DType::f32, DType::bf16}) {
    AttentionProblem p(dtype, shape_of(4, 2, 24), offsets);
    p.run();
    const auto first = p.results(0, 70);
    const auto last = p.results(75, 140);
    for (const double value : {3.25, std::numeric_limits<double>::quiet_NaN()}) {
      for (TestMatrix* matrix : {&p.q, &p.k, &p.v, &p.dout}) {
        for (std::int64_t row = 70; row < 75; ++row) {
          for (std::int64_t col = 0; col < matrix->view().cols; ++col) {
            test::set_element(matrix->view(), row, col, value);
          }
        }
      }
      p.run();
      EXPECT_EQ(p.results(0, 70), first);
      EXPECT_EQ(p.results(75, 140), last);
    }
  }
}

TEST(Attention, NothingLeaksFromLaterTokens) {
  AttentionProblem p(DType::f32, shape_of(2, 1, 20), {0, 100});
  p.run();
  const auto out = numbers(p.out.view().row_range(0, 45));
  const auto dq = numbers(p.dq.view().row_range(0, 45));
  for (TestMatrix* matrix : {&p.q, &p.k, &p.v}) {
    for (std::int64_t row = 45; row < 100; ++row) {
      test::set_element(matrix->view(), row, 3, std::numeric_limits<double>::quiet_NaN());
    }
  }
  p.run();  // a masked key that is multiplied by zero would make a NaN
  EXPECT_EQ(numbers(p.out.view().row_range(0, 45)), out);
  EXPECT_EQ(numbers(p.dq.view().row_range(0, 45)), dq);
}

TEST(Attention, ResultsDoNotDependOnTheThreadCount) {
  const int threads = thread_count();
  std::vector<std::vector<double>> results;
  for (const int count : {1, 2, 3, 2}) {
    set_thread_count(count);
    AttentionProblem p(DType::bf16, shape_of(8, 4, 40), {0, 200, 230, 231, 400}, 0, {-1, 0, 0, -1});
    p.run();
    results.push_back(p.results(0, 400));
  }
  set_thread_count(threads);
  for (const auto& other : results) EXPECT_EQ(other, results[0]);
}

/// Scratch memory of a kernel filled with NaN, so that reading what was never written shows.
std::vector<float> poisoned(std::int64_t floats) {
  return std::vector<float>(static_cast<std::size_t>(floats), std::numeric_limits<float>::quiet_NaN());
}

template <class T>
void check_tables(DType dtype, const ops::AttentionShape& shape) {
  constexpr std::int64_t length = 101;
  const std::int64_t head_dim = shape.head_dim;
  AttentionProblem p(dtype, shape, {0, length});
  AttentionProblem shared(dtype, shape, {0, 101, 140, 143}, 0, {-1, 0, 0});
  const std::vector<kernels::RowRange> continuations = {{101, 140}, {140, 143}};
  const auto expected = ref::attention_forward<double>(sizes_of(p.shape), p.offsets, {}, numbers(p.q.view()),
                                                       numbers(p.k.view()), numbers(p.v.view()))
                            .out;
  const auto in = [](const TestMatrix& m) {
    return kernels::Rows<const T>{static_cast<const T*>(m.view().data), m.view().stride};
  };
  const auto to = [](TestMatrix& m) {
    return kernels::Rows<T>{static_cast<T*>(m.view().data), m.view().stride};
  };
  const auto forward_of = [&](AttentionProblem& of, const kernels::Continuations& behind) {
    return kernels::AttentionForward<T>{
        length,   length,   head_dim, 2,          scores_of(of.shape),
        in(of.q), in(of.k), in(of.v), to(of.out), {of.log_sum_exp.view().template as<float>(), 2},
        behind};
  };
  const auto backward_of = [&](AttentionProblem& of, const kernels::Continuations& behind) {
    return kernels::AttentionBackward<T>{length,      head_dim,
                                         2,           scores_of(of.shape),
                                         in(of.dout), in(of.q),
                                         in(of.k),    in(of.v),
                                         in(of.out),  {of.log_sum_exp.view().template as<float>(), 2},
                                         to(of.dq),   to(of.dk),
                                         to(of.dv),   behind};
  };
  for (const ops::CpuIsa isa : test::runnable_isas()) {
    SCOPED_TRACE(testing::Message() << ops::name_of(isa) << " " << name_of(dtype) << " " << head_dim
                                    << " window " << shape.window << " cap " << shape.soft_cap);
    auto scratch = poisoned(kernels::attention_cached_scratch(length, head_dim, 2));
    kernels::attention_kernels<T>(isa).cached(forward_of(p, {}), scratch.data());
    EXPECT_TRUE(is_near(p.out.view(), expected, forward_tolerance(dtype)));
    const kernels::Continuations both = {continuations.data(), std::ssize(continuations)};
    for (auto& [problem, behind] :
         {std::pair<AttentionProblem&, kernels::Continuations>{p, {}}, {shared, both}}) {
      const std::int64_t packed = kernels::attention_packed_keys(length, behind);
      scratch = poisoned(kernels::attention_forward_scratch(packed, head_dim));
      kernels::attention_kernels<T>(isa).forward(forward_of(problem, behind), scratch.data());
      scratch = poisoned(kernels::attention_backward_scratch(packed, head_dim));
      kernels::attention_backward_kernels<T>(isa).backward(backward_of(problem, behind), scratch.data());
      problem.check(dtype);
    }
  }
}

TEST(AttentionKernels, EveryInstructionSetAgreesWithRef) {
  for (const std::int64_t head_dim : {8, 20, 64, 80}) {
    check_tables<float>(DType::f32, shape_of(2, 1, head_dim));
    check_tables<std::uint16_t>(DType::bf16, shape_of(2, 1, head_dim));
  }
  for (const auto& shape : variants(shape_of(2, 1, 20))) {
    check_tables<float>(DType::f32, shape);
    check_tables<std::uint16_t>(DType::bf16, shape);
  }
}

void check_tile_attention(const kernels::TileKernels& products, const ops::CpuIsa isa, AttentionProblem& p,
                          const kernels::Continuations& behind) {
  const std::int64_t length = p.offsets[1];
  const std::int64_t head_dim = p.shape.head_dim;
  const std::int64_t group = p.shape.heads;
  const auto in = [](const TestMatrix& m) {
    return kernels::Rows<const std::uint16_t>{static_cast<const std::uint16_t*>(m.view().data),
                                              m.view().stride};
  };
  const auto to = [](TestMatrix& m) {
    return kernels::Rows<std::uint16_t>{static_cast<std::uint16_t*>(m.view().data), m.view().stride};
  };
  const auto log_sum_exp =
      kernels::Rows<float>{p.log_sum_exp.view().as<float>(), p.log_sum_exp.view().stride};
  const kernels::AttentionTiles tiles = {products, kernels::tile_operand_kernels(isa)};
  const std::int64_t packed = kernels::attention_packed_keys(length, behind);
  auto scratch = poisoned(kernels::tile_attention_forward_scratch(packed, head_dim));
  kernels::tile_attention_forward(isa)({length, length, head_dim, group, scores_of(p.shape), in(p.q), in(p.k),
                                        in(p.v), to(p.out), log_sum_exp, behind},
                                       tiles, scratch.data());
  scratch = poisoned(kernels::tile_attention_backward_scratch(packed, head_dim));
  kernels::tile_attention_backward(isa)({length,
                                         head_dim,
                                         group,
                                         scores_of(p.shape),
                                         in(p.dout),
                                         in(p.q),
                                         in(p.k),
                                         in(p.v),
                                         in(p.out),
                                         {log_sum_exp.data, log_sum_exp.stride},
                                         to(p.dq),
                                         to(p.dk),
                                         to(p.dv),
                                         behind},
                                        tiles, scratch.data());
  p.check(test::tile_forward_tolerance(), test::tile_backward_tolerance());
}

TEST(TileAttention, AgreesWithRef) {
  const std::vector<kernels::RowRange> continuations = {{101, 140}, {140, 143}, {143, 240}};
  for (const kernels::TileKernels* tiles : test::tile_kernels_here()) {
    for (const ops::CpuIsa isa : test::runnable_isas()) {
      for (const std::int64_t head_dim : {1, 8, 20, 64, 80, 128}) {
        for (const std::int32_t length : {1, 16, 31, 64, 101}) {
          SCOPED_TRACE(testing::Message()
                       << tiles->name << " " << ops::name_of(isa) << " " << head_dim << " x " << length);
          AttentionProblem p(DType::bf16, shape_of(2, 1, head_dim), {0, length}, head_dim % 3);
          check_tile_attention(*tiles, isa, p, {});
        }
        SCOPED_TRACE(testing::Message() << tiles->name << " " << ops::name_of(isa) << " " << head_dim);
        AttentionProblem shared(DType::bf16, shape_of(2, 1, head_dim), {0, 101, 140, 143, 240}, 1,
                                {-1, 0, 0, 0});
        check_tile_attention(*tiles, isa, shared, {continuations.data(), std::ssize(continuations)});
      }
      for (const auto& shape : variants(shape_of(2, 1, 20))) {
        SCOPED_TRACE(testing::Message() << tiles->name << " " << ops::name_of(isa) << " window "
                                        << shape.window << " cap " << shape.soft_cap);
        AttentionProblem p(DType::bf16, shape, {0, 290}, 1);
        check_tile_attention(*tiles, isa, p, {});
        AttentionProblem shared(DType::bf16, shape, {0, 101, 140, 143, 240}, 1, {-1, 0, 0, 0});
        check_tile_attention(*tiles, isa, shared, {continuations.data(), std::ssize(continuations)});
      }
    }
  }
}

// As a prompt's last rows meet the cache of those before them.
TEST(TileAttention, QueriesMayBeTheLastOfTheKeys) {
  constexpr std::int64_t keys = 150;
  for (const kernels::TileKernels* tiles : test::tile_kernels_here()) {
    for (const auto& [queries, window] :
         std::vector<std::pair<std::int64_t, std::int64_t>>{{1, 0}, {37, 0}, {150, 0}, {1, 70}, {37, 20}}) {
      AttentionProblem p(DType::bf16, with(shape_of(2, 1, 40), window, 0.0F), {0, keys});
      const auto rows = [](ConstMatrixView view) {
        return kernels::Rows<const std::uint16_t>{static_cast<const std::uint16_t*>(view.data), view.stride};
      };
      const MatrixView out = p.out.view().row_range(keys - queries, keys);
      auto scratch = poisoned(kernels::tile_attention_forward_scratch(keys, 40));
      kernels::tile_attention_forward(ops::cpu_isa())({queries,
                                                       keys,
                                                       40,
                                                       2,
                                                       scores_of(p.shape),
                                                       rows(p.q.view().row_range(keys - queries, keys)),
                                                       rows(p.k.view()),
                                                       rows(p.v.view()),
                                                       {static_cast<std::uint16_t*>(out.data), out.stride},
                                                       {nullptr, 0},
                                                       {}},
                                                      {*tiles, kernels::tile_operand_kernels(ops::cpu_isa())},
                                                      scratch.data());
      const auto expected =
          ref::attention_forward<double>(sizes_of(p.shape), p.offsets, {}, numbers(p.q.view()),
                                         numbers(p.k.view()), numbers(p.v.view()))
              .out;
      const std::span<const double> last =
          std::span(expected).subspan(static_cast<std::size_t>((keys - queries) * p.out.view().cols));
      EXPECT_TRUE(is_near(out, last, test::tile_forward_tolerance())) << tiles->name << " " << queries;
    }
  }
}

TEST(Attention, CountsItsProducts) {
  AttentionProblem p(DType::f32, shape_of(2, 1, 8), {0, 3, 5});
  ops::Context context;
  ops::attention_forward(context, p.shape, p.offsets, {}, p.q.view(), p.k.view(), p.v.view(), p.out.view(),
                         p.log_sum_exp.view());
  EXPECT_EQ(context.flops(), 2U * 2U * (6 + 3) * 2 * 8);  // two products; 6 + 3 pairs, 2 heads of 8
  ops::attention_forward(context, p.shape, p.offsets, std::vector<std::int32_t>{-1, 0}, p.q.view(),
                         p.k.view(), p.v.view(), p.out.view(), p.log_sum_exp.view());
  EXPECT_EQ(context.flops(), 2U * 2U * (6 + 3 + 6 + 3 + 2 * 3) * 2 * 8);  // each of 2 sees the prefix's 3
}

TEST(Attention, WrongOperandsAreLogicErrors) {
  AttentionProblem p(DType::f32, shape_of(4, 2, 8), {0, 10});
  const auto run = [&](const ops::AttentionShape& shape, std::vector<std::int32_t> offsets) {
    p.shape = shape;
    p.offsets = std::move(offsets);
    p.run();
  };
  EXPECT_NO_THROW(run(shape_of(4, 2, 8), {0, 4, 10}));
  EXPECT_THROW(run(with(shape_of(4, 2, 8), -1, 0.0F), {0, 10}), std::logic_error);
  EXPECT_THROW(run(with(shape_of(4, 2, 8), 0, -1.0F), {0, 10}), std::logic_error);
  EXPECT_THROW(run(shape_of(4, 3, 8), {0, 10}), std::logic_error);
  EXPECT_THROW(run(shape_of(4, 2, 9), {0, 10}), std::logic_error);
  EXPECT_THROW(run(shape_of(4, 2, 8), {0, 9}), std::logic_error);
  EXPECT_THROW(run(shape_of(4, 2, 8), {0, 7, 3, 10}), std::logic_error);
  EXPECT_THROW(run(shape_of(4, 2, 8), {}), std::logic_error);
  const auto run_prefixes = [&](std::vector<std::int32_t> prefixes) {
    p.prefixes = std::move(prefixes);
    run(shape_of(4, 2, 8), {0, 4, 7, 10});
  };
  EXPECT_NO_THROW(run_prefixes({-1, 0, 0}));
  EXPECT_THROW(run_prefixes({-1, 0}), std::logic_error);
  EXPECT_THROW(run_prefixes({0, -1, -1}), std::logic_error);   // itself
  EXPECT_THROW(run_prefixes({-1, 2, -1}), std::logic_error);   // a later one
  EXPECT_THROW(run_prefixes({-1, 0, 1}), std::logic_error);    // a prefix with a prefix
  EXPECT_THROW(run_prefixes({-1, -2, -1}), std::logic_error);  // no sequence
}

}  // namespace
}  // namespace cola
