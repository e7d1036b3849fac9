#include <gtest/gtest.h>

#include <algorithm>
#include <limits>
#include <stdexcept>
#include <utility>
#include <vector>

#include "backend/attention.h"
#include "backend/attention_problem.h"
#include "backend/ref/attention.h"
#include "support/near.h"
#include "support/tensors.h"

namespace cola {
namespace {

using test::AttentionProblem;
using test::forward_tolerance;
using test::is_near;
using test::numbers;
using test::shape_of;
using test::sizes_of;
using test::TestMatrix;

TEST(AttentionCached, IsTheLastRowsOfTheForward) {
  for (const DType dtype : {DType::f32, DType::bf16}) {
    for (const std::int64_t head_dim : {5, 16, 72, 80}) {
      for (const std::int64_t rows : {1, 2, 7, 8, 40, 131}) {
        SCOPED_TRACE(testing::Message() << name_of(dtype) << " " << head_dim << " " << rows);
        constexpr std::int64_t length = 131;
        // 80: read in place, five vectors; more queries of a head than are taken at once.
        AttentionProblem p(dtype, shape_of(head_dim == 80 ? 10 : 4, 2, head_dim), {0, length}, 3);
        const auto expected = ref::attention_forward<double>(
            sizes_of(p.shape), p.offsets, {}, numbers(p.q.view()), numbers(p.k.view()), numbers(p.v.view()));
        // The cache has room for more rows, which hold NaN.
        TestMatrix k(dtype, length + 9, p.k.view().cols, 1);
        TestMatrix v(dtype, length + 9, p.v.view().cols);
        for (std::int64_t row = 0; row < length + 9; ++row) {
          for (std::int64_t col = 0; col < p.k.view().cols; ++col) {
            const double nan = std::numeric_limits<double>::quiet_NaN();
            test::set_element(k.view(), row, col, row < length ? test::element(p.k.view(), row, col) : nan);
            test::set_element(v.view(), row, col, row < length ? test::element(p.v.view(), row, col) : nan);
          }
        }
        ops::Context context;
        const std::int64_t begin = length - rows;
        const std::vector<std::int32_t> offsets = {0, static_cast<std::int32_t>(rows)};
        const std::vector<ops::CachedSequence> sequences = {
            {k.view().row_range(0, length), v.view().row_range(0, length)}};
        ops::attention_cached(context, p.shape, offsets, sequences, p.q.view().row_range(begin, length),
                              p.out.view().row_range(begin, length));
        const std::span<const double> last =
            std::span(expected.out).subspan(static_cast<std::size_t>(begin * p.q.view().cols));
        EXPECT_TRUE(is_near(p.out.view().row_range(begin, length), last, forward_tolerance(dtype)));
        EXPECT_TRUE(p.out.padding_intact());
      }
    }
  }
}

TEST(AttentionCached, AWindowNeedsTheCachesLastRowsOnly) {
  for (const DType dtype : {DType::f32, DType::bf16}) {
    for (const auto& [window, cap] : std::vector<std::pair<std::int64_t, float>>{
             {1, 0.0F}, {5, 1.5F}, {63, 0.0F}, {64, 0.0F}, {65, 1.5F}, {300, 1.5F}}) {
      constexpr std::int64_t length = 201;
      AttentionProblem p(dtype, test::with(shape_of(4, 2, 20), window, cap), {0, length}, 3);
      const auto expected = ref::attention_forward<double>(
          sizes_of(p.shape), p.offsets, {}, numbers(p.q.view()), numbers(p.k.view()), numbers(p.v.view()));
      for (const std::int64_t rows : {1, 2, 7, 8, 40, 131}) {
        const std::int64_t begin = length - rows;
        const std::vector<std::int32_t> offsets = {0, static_cast<std::int32_t>(rows)};
        for (const std::int64_t first : {std::int64_t{0}, std::max<std::int64_t>(0, begin + 1 - window)}) {
          SCOPED_TRACE(testing::Message()
                       << name_of(dtype) << " window " << window << " rows " << rows << " from " << first);
          ops::Context context;
          const std::vector<ops::CachedSequence> sequences = {
              {p.k.view().row_range(first, length), p.v.view().row_range(first, length)}};
          ops::attention_cached(context, p.shape, offsets, sequences, p.q.view().row_range(begin, length),
                                p.out.view().row_range(begin, length));
          const std::span<const double> last =
              std::span(expected.out).subspan(static_cast<std::size_t>(begin * p.q.view().cols));
          EXPECT_TRUE(is_near(p.out.view().row_range(begin, length), last, forward_tolerance(dtype)));
          std::int64_t pairs = 0;
          for (std::int64_t row = begin; row < length; ++row) pairs += std::min(row + 1, window);
          EXPECT_EQ(context.flops(), static_cast<std::uint64_t>(4 * pairs * 4 * 20));
        }
      }
      EXPECT_TRUE(p.out.padding_intact());
    }
  }
}

TEST(AttentionCached, SequencesOfABatchShareNothing) {
  for (const DType dtype : {DType::f32, DType::bf16}) {
    // Whole sequences, of which the last rows are new: a prompt, a token, several, none.
    const std::vector<std::int32_t> whole = {0, 12, 90, 121, 130};
    const std::vector<std::int32_t> lengths_new = {12, 1, 9, 0};
    AttentionProblem p(dtype, shape_of(4, 2, 24), whole);
    const auto expected = ref::attention_forward<double>(
        sizes_of(p.shape), p.offsets, {}, numbers(p.q.view()), numbers(p.k.view()), numbers(p.v.view()));
    const auto width = p.q.view().cols;
    TestMatrix q(dtype, 22, width), out(dtype, 22, width);
    std::vector<std::int32_t> offsets = {0};
    std::vector<ops::CachedSequence> sequences;
    std::vector<double> wanted;
    for (std::size_t s = 0; s + 1 < whole.size(); ++s) {
      sequences.push_back(
          {p.k.view().row_range(whole[s], whole[s + 1]), p.v.view().row_range(whole[s], whole[s + 1])});
      for (std::int64_t row = whole[s + 1] - lengths_new[s]; row < whole[s + 1]; ++row) {
        for (std::int64_t col = 0; col < width; ++col) {
          const auto to = static_cast<std::int64_t>(wanted.size()) / width;
          test::set_element(q.view(), to, col, test::element(p.q.view(), row, col));
          wanted.push_back(expected.out[static_cast<std::size_t>(row * width + col)]);
        }
      }
      offsets.push_back(offsets.back() + lengths_new[s]);
    }
    ops::Context context;
    ops::attention_cached(context, p.shape, offsets, sequences, q.view(), out.view());
    EXPECT_TRUE(is_near(out.view(), wanted, forward_tolerance(dtype)));
  }
}

TEST(AttentionCached, WrongOperandsAreLogicErrors) {
  AttentionProblem p(DType::f32, shape_of(4, 2, 8), {0, 10});
  ops::Context context;
  const auto run_cached = [&](const std::vector<std::int32_t>& offsets, std::int64_t cached_rows) {
    const std::vector<ops::CachedSequence> sequences = {
        {p.k.view().row_range(0, cached_rows), p.v.view().row_range(0, cached_rows)}};
    ops::attention_cached(context, p.shape, offsets, sequences, p.q.view(), p.out.view());
  };
  EXPECT_NO_THROW(run_cached({0, 10}, 10));
  EXPECT_THROW(run_cached({0, 10}, 9), std::logic_error);      // less cached than new
  EXPECT_THROW(run_cached({0, 1, 10}, 10), std::logic_error);  // a sequence without a cache
  EXPECT_THROW(run_cached({0, 9}, 10), std::logic_error);      // not all rows
}

}  // namespace
}  // namespace cola
