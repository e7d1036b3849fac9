#include "core/parallel.h"

#include <gtest/gtest.h>

#include <atomic>
#include <cstddef>
#include <vector>

#include "core/error.h"
#include "core/thread_option.h"

namespace cola {
namespace {

class ParallelTest : public testing::Test {
 protected:
  ParallelTest() : threads_(thread_count()) {}
  ~ParallelTest() override { set_thread_count(threads_); }

 private:
  int threads_;
};

TEST_F(ParallelTest, CoversEveryIndexOnceInSlicesOfAtLeastTheGrain) {
  for (const int threads : {1, 2, 3, 8}) {
    set_thread_count(threads);
    for (const std::int64_t count : {0, 1, 2, 7, 10, 64, 1001}) {
      for (const std::int64_t grain : {0, 1, 3, 8, 5000}) {
        std::vector<std::atomic<int>> visits(static_cast<std::size_t>(count));
        std::atomic<int> slices = 0;
        std::atomic<int> short_slices = 0;
        parallel_for(count, grain, [&](std::int64_t begin, std::int64_t end) {
          ++slices;
          if (end - begin < grain && count >= grain) ++short_slices;
          for (std::int64_t i = begin; i < end; ++i) ++visits[static_cast<std::size_t>(i)];
        });
        for (const auto& visit : visits) ASSERT_EQ(visit, 1) << count << " by " << grain << " on " << threads;
        EXPECT_LE(slices, threads);
        EXPECT_EQ(short_slices, 0) << count << " by " << grain << " on " << threads;
        if (count == 0) {
          EXPECT_EQ(slices, 0);
        }
      }
    }
  }
}

TEST_F(ParallelTest, UsesTheThreadsThatAreSet) {
  set_thread_count(4);
  EXPECT_EQ(thread_count(), 4);
  std::atomic<int> slices = 0;
  parallel_for(100, 1, [&](std::int64_t, std::int64_t) { ++slices; });
  EXPECT_EQ(slices, 4);
  set_thread_count(0);
  EXPECT_EQ(thread_count(), 4);  // left as it is
}

TEST_F(ParallelTest, RefusesMoreThreadsThanCanBeStarted) {
  require_thread_count(0);
  require_thread_count(1024);
  EXPECT_THROW(require_thread_count(-1), UsageError);
  EXPECT_THROW(require_thread_count(100000), UsageError);
}

TEST_F(ParallelTest, NestedLoopsRunOnOneThread) {
  set_thread_count(2);
  std::atomic<int> inner_slices = 0;
  parallel_for(2, 1, [&](std::int64_t, std::int64_t) {
    parallel_for(10, 1, [&](std::int64_t, std::int64_t) { ++inner_slices; });
  });
  EXPECT_EQ(inner_slices, 2);
}

}  // namespace
}  // namespace cola
