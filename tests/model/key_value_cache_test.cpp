#include "model/key_value_cache.h"

#include <gtest/gtest.h>

#include <stdexcept>
#include <vector>

#include "backend/attention_pairs.h"
#include "backend/attention_problem.h"
#include "backend/elementwise.h"

namespace cola {
namespace {

using test::AttentionProblem;
using test::numbers;

/// Sequences of one problem, generated side by side: calls[c][s] rows are new to sequence s in call c.
class Generation {
 public:
  Generation(DType dtype, std::int64_t window, const std::vector<std::vector<std::int32_t>>& calls)
      : calls_(calls), problem_(dtype, test::with(test::shape_of(4, 2, 12), window, 0.0F), whole(calls)) {
    for (std::size_t s = 0; s < calls.front().size(); ++s) {
      caches_.emplace_back(host_memory(), dtype, problem_.offsets[s + 1] - problem_.offsets[s],
                           problem_.k.view().cols, window);
    }
  }

  /// As if nothing had been generated, in the caches as they are.
  void clear() {
    for (KeyValueCache& cache : caches_) cache.clear();
  }

  void run() {
    const std::uint64_t flops_before = context_.flops();
    std::vector<KeyValueCache*> caches;
    for (KeyValueCache& cache : caches_) caches.push_back(&cache);
    for (const auto& rows : calls_) {
      // The new rows of all sequences, one after the other.
      std::vector<std::int32_t> offsets = {0};
      std::vector<std::int64_t> sources;
      for (std::size_t s = 0; s < rows.size(); ++s) {
        for (std::int64_t i = 0; i < rows[s]; ++i)
          sources.push_back(problem_.offsets[s] + caches_[s].length() + i);
        offsets.push_back(offsets.back() + rows[s]);
      }
      const Matrix q = gather(problem_.q, sources);
      const Matrix k = gather(problem_.k, sources);
      const Matrix v = gather(problem_.v, sources);
      Matrix out = gather(problem_.out, sources);
      const auto sequences = append(context_, offsets, k.view(), v.view(), caches);
      ops::attention_cached(context_, problem_.shape, offsets, sequences, q.view(), out.view());
      for (std::size_t i = 0; i < sources.size(); ++i) {
        const auto row = static_cast<std::int64_t>(i);
        ops::convert(context_, out.view().row_range(row, row + 1),
                     problem_.out.view().row_range(sources[i], sources[i] + 1));
      }
    }
    const auto expected = ref::attention_forward<double>(
        test::sizes_of(problem_.shape), problem_.offsets, {}, numbers(problem_.q.view()),
        numbers(problem_.k.view()), numbers(problem_.v.view()));
    EXPECT_TRUE(is_near(problem_.out.view(), expected.out, test::forward_tolerance(problem_.q.view().dtype)));
    // What was recomputed would have taken more products, not less.
    EXPECT_EQ(context_.flops() - flops_before,
              static_cast<std::uint64_t>(4 * 4 * 12 *
                                         ops::attention_pairs(problem_.offsets, {}, problem_.shape.window)));
  }

 private:
  static std::vector<std::int32_t> whole(const std::vector<std::vector<std::int32_t>>& calls) {
    std::vector<std::int32_t> offsets = {0};
    for (std::size_t s = 0; s < calls.front().size(); ++s) {
      offsets.push_back(offsets.back());
      for (const auto& rows : calls) offsets.back() += rows[s];
    }
    return offsets;
  }
  Matrix gather(const test::TestMatrix& from, const std::vector<std::int64_t>& rows) {
    const ConstMatrixView view = from.view();
    Matrix to(view.dtype, std::ssize(rows), view.cols);
    for (std::size_t i = 0; i < rows.size(); ++i) {
      const auto row = static_cast<std::int64_t>(i);
      ops::convert(context_, view.row_range(rows[i], rows[i] + 1), to.view().row_range(row, row + 1));
    }
    return to;
  }

  std::vector<std::vector<std::int32_t>> calls_;
  AttentionProblem problem_;
  std::vector<KeyValueCache> caches_;
  ops::Context context_;
};

/// A prompt, then a row a call.
std::vector<std::vector<std::int32_t>> decoding(std::int32_t prompt, std::size_t rows) {
  std::vector<std::vector<std::int32_t>> calls = {{prompt}};
  calls.insert(calls.end(), rows, {1});
  return calls;
}

TEST(KeyValueCache, ARowACallEqualsRecomputationBeyondThreeWindows) {
  for (const DType dtype : {DType::f32, DType::bf16}) {
    for (const std::int64_t window : {0, 1, 2, 7, 16, 1000}) {
      for (const std::int32_t prompt : {1, 6, 7, 8, 30}) {
        SCOPED_TRACE(testing::Message() << name_of(dtype) << " window " << window << " prompt " << prompt);
        Generation(dtype, window, decoding(prompt, 50)).run();
      }
    }
  }
}

TEST(KeyValueCache, SeveralRowsACallMayOverwriteWhatTheFirstSees) {
  for (const DType dtype : {DType::f32, DType::bf16}) {
    for (const std::int64_t window : {0, 1, 2, 7, 16, 64, 100}) {
      SCOPED_TRACE(testing::Message() << name_of(dtype) << " window " << window);
      Generation(dtype, window, {{5}, {4}, {2}, {1}, {3}, {7}, {8}, {1}, {6}, {40}, {1}, {1}, {16}, {9}})
          .run();
    }
  }
}

TEST(KeyValueCache, SequencesOfACallShareNothing) {
  for (const std::int64_t window : {0, 7, 16}) {
    SCOPED_TRACE(testing::Message() << "window " << window);
    Generation(DType::f32, window, {{30, 1, 0}, {1, 5, 9}, {3, 20, 12}, {9, 0, 1}, {1, 8, 40}, {8, 1, 2}})
        .run();
  }
}

TEST(KeyValueCache, ClearedItIsAsNew) {
  for (const std::int64_t window : {0, 7, 16}) {
    SCOPED_TRACE(testing::Message() << "window " << window);
    Generation generation(DType::f32, window, {{5}, {1}, {30}, {1}, {3}});
    generation.run();
    generation.clear();
    generation.run();
  }
}

TEST(KeyValueCache, ARingHoldsAWindow) {
  EXPECT_EQ(KeyValueCache::rows(100, 0), 100);
  EXPECT_EQ(KeyValueCache::rows(100, 16), 16);
  EXPECT_EQ(KeyValueCache::rows(10, 16), 10);
}

TEST(KeyValueCache, HasNoRoomBeyondItsCapacity) {
  ops::Context context;
  const Matrix rows(DType::f32, 5, 8);
  for (const std::int64_t window : {0, 4, 9}) {
    KeyValueCache cache(host_memory(), DType::f32, 4, 8, window);
    const auto append_five = [&] { (void)cache.append(context, {rows.view(), rows.view()}, {}, {}); };
    EXPECT_THROW(append_five(), std::logic_error);
  }
}

}  // namespace
}  // namespace cola
