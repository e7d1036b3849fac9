#include "core/parallel.h"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <cstddef>
#include <thread>
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
        EXPECT_LE(slices, threads == 1 ? 1 : 8 * threads);
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
  std::atomic<int> begun = 0;
  parallel_for(4, 1, [&](std::int64_t, std::int64_t) {  // none ends before all have begun
    ++begun;
    while (begun < 4) std::this_thread::yield();
  });
  EXPECT_EQ(begun, 4);
}

TEST_F(ParallelTest, ALateThreadsSlicesAreTakenByOthers) {
  set_thread_count(2);
  std::atomic<int> done = 0;
  parallel_for(16, 1, [&](std::int64_t begin, std::int64_t) {
    if (begin == 0) {  // held until all others are done
      while (done < 15) std::this_thread::yield();
    }
    ++done;
  });
  EXPECT_EQ(done, 16);
}

TEST_F(ParallelTest, ALoopInsideALoopRunsOnItsThread) {
  set_thread_count(3);
  std::atomic<int> inner = 0;
  parallel_for(6, 1, [&](std::int64_t, std::int64_t) {
    EXPECT_EQ(thread_count(), 1);
    const auto thread = std::this_thread::get_id();
    parallel_for(100, 1, [&](std::int64_t begin, std::int64_t end) {
      EXPECT_EQ(std::this_thread::get_id(), thread);
      inner += static_cast<int>(end - begin);
    });
  });
  EXPECT_EQ(inner, 600);
  EXPECT_EQ(thread_count(), 3);
}

TEST_F(ParallelTest, LoopsOfSeveralThreadsAreAllDone) {
  set_thread_count(3);
  std::atomic<int> sum = 0;
  const auto loops = [&] {
    for (int i = 0; i < 200; ++i) {
      parallel_for(50, 1,
                   [&](std::int64_t begin, std::int64_t end) { sum += static_cast<int>(end - begin); });
    }
  };
  std::thread other(loops);
  loops();
  other.join();
  EXPECT_EQ(sum, 2 * 200 * 50);
}

// Sleeping threads wake, also where nothing else keeps them awake.
TEST_F(ParallelTest, FindsSleepingThreads) {
  set_thread_count(4);
  for (int i = 0; i < 50; ++i) {
    std::this_thread::sleep_for(std::chrono::microseconds(20 * (i % 10)));
    std::atomic<int> begun = 0;
    parallel_for(4, 1, [&](std::int64_t, std::int64_t) {
      ++begun;
      while (begun < 4) std::this_thread::yield();
    });
  }
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
