#include "tasks/split.h"

#include <gtest/gtest.h>

#include <set>

#include "core/error.h"
#include "tasks/task.h"

namespace cola {
namespace {

using Indices = std::vector<std::int64_t>;

// Official sizes, and what the paper's 1000/500/1000 becomes of them.
struct Sizes {
  const char* task;
  std::int64_t train, validation;
  std::size_t train_used, dev_used, test_used;
};
constexpr Sizes official[] = {{"sst2", 67349, 872, 1000, 500, 872},
                              {"rte", 2490, 277, 1000, 500, 277},
                              {"cb", 250, 56, 150, 100, 56},
                              {"boolq", 9427, 3270, 1000, 500, 1000},
                              {"wsc", 554, 104, 54, 500, 104},
                              {"wic", 5428, 638, 1000, 500, 638},
                              {"multirc", 27243, 4848, 1000, 500, 1000},
                              {"copa", 400, 100, 300, 100, 100},
                              {"record", 100730, 10000, 1000, 500, 1000},
                              {"squad", 87599, 10570, 1000, 500, 1000},
                              {"drop", 77400, 9535, 1000, 500, 1000}};

TEST(Split, SizesOfEveryTask) {
  for (const Sizes& sizes : official) {
    const Task task = find_task(sizes.task);
    const TaskSplits splits = make_splits(sizes.train, sizes.validation, task.train_examples,
                                          task.dev_examples, task.test_examples, 0);
    EXPECT_EQ(splits.train.size(), sizes.train_used) << sizes.task;
    EXPECT_EQ(splits.dev.size(), sizes.dev_used) << sizes.task;
    EXPECT_EQ(splits.test.size(), sizes.test_used) << sizes.task;
    std::set<std::int64_t> used(splits.train.begin(), splits.train.end());
    used.insert(splits.dev.begin(), splits.dev.end());
    EXPECT_EQ(used.size(), sizes.train_used + sizes.dev_used) << sizes.task;
  }
}

// numpy's permutations (tests/data/numpy_random_test.cpp) begin 85 132 96 107 140 37 and 45 33 40 26 11 2.
TEST(Split, TrainIsFirstAndDevLastOfThePermutation) {
  const TaskSplits splits = make_splits(554, 56, 4, 2, 3, 0);
  EXPECT_EQ(splits.train, (Indices{85, 132, 96, 107}));
  EXPECT_EQ(splits.dev, (Indices{140, 37}));
  EXPECT_EQ(splits.test, (Indices{45, 33, 40}));
}

TEST(Split, AShortFileTakesFromTrainNotFromDev) {
  const TaskSplits splits = make_splits(554, 104, 1000, 500, 1000, 0);
  EXPECT_EQ((Indices{splits.train.begin(), splits.train.begin() + 3}), (Indices{85, 132, 96}));
  EXPECT_EQ(splits.train.size(), 54U);
  EXPECT_EQ(splits.dev.size(), 500U);
}

TEST(Split, NothingLeftToTrainOnIsRefused) {
  EXPECT_THROW((void)make_splits(50, 10, 1000, 50, 10, 0), UsageError);
  EXPECT_THROW((void)make_splits(50, 10, -1, 5, 10, 0), UsageError);
  EXPECT_TRUE(make_splits(50, 10, 0, 0, 10, 0).train.empty());
}

TEST(Split, DemonstrationsOfEachTestExample) {
  EXPECT_EQ(demonstration_seeds(6), (std::vector<std::uint32_t>{2732, 9845, 3264, 4859, 9225, 7891}));
  EXPECT_EQ(demonstration_indices(554, 6, 0), (Indices{85, 132, 96, 107, 140, 37}));
  EXPECT_EQ(demonstration_indices(554, 32, 2732), make_splits(554, 104, 32, 0, 0, 2732).train);
  EXPECT_EQ(demonstration_indices(5, 32, 1).size(), 5U);
}

}  // namespace
}  // namespace cola
