#include "dist/ranks.h"

#include <gtest/gtest.h>

#include <array>
#include <cstdlib>
#include <vector>

#include "core/error.h"
#include "dist/agreement.h"
#include "dist/launch.h"
#include "dist/tensor_walk.h"
#include "support/numbered_rank.h"

namespace cola {
namespace {

using test::NumberedRank;

TEST(Ranks, SharesAreContiguousEvenAndComplete) {
  for (const int size : {1, 2, 3, 7}) {
    for (const std::int64_t count : {0, 1, 2, 3, 6, 20, 100}) {
      std::int64_t next = 0;
      std::int64_t last = count;
      for (int rank = 0; rank < size; ++rank) {
        const auto [begin, end] = share_of(NumberedRank(rank, size), count);
        EXPECT_EQ(begin, next);
        EXPECT_LE(end - begin, last) << "a later share is larger";
        EXPECT_GE(end - begin, count / size);
        EXPECT_LE(end - begin, (count + size - 1) / size);
        last = end - begin;
        next = end;
      }
      EXPECT_EQ(next, count);
    }
  }
}

TEST(Ranks, OneProcessIsAllThereIs) {
  OneProcess alone;
  std::array figures{1.5};
  std::vector<float> tensor{2.0F};
  const std::array tensors{std::span(tensor)};
  alone.sum(figures, tensors);
  EXPECT_EQ(figures[0], 1.5);
  EXPECT_EQ(tensor[0], 2.0F);
  EXPECT_EQ(alone.gather("text"), std::vector<std::string>{"text"});
  EXPECT_EQ(find_neighbours(alone).on_machine, std::vector<std::size_t>{0});
  EXPECT_EQ(find_neighbours(alone).on_processors, 1);
  EXPECT_NO_THROW(require_alike(alone, {{"name", "value"}}));
}

TEST(Ranks, FactsThatDifferAreNamed) {
  NumberedRank ranks(0, 3);
  ranks.others = {"dtype: f32\nseed: 1\n", "dtype: bf16\nseed: 2\n"};
  try {
    require_alike(ranks, {{"dtype", "f32"}, {"seed", "1"}});
    FAIL() << "no error";
  } catch (const Error& error) {
    EXPECT_EQ(std::string(error.what()).find("rank 2 has dtype: bf16; rank 0 has dtype: f32"), 0U)
        << error.what();
  }
}

TEST(TensorWalk, ReadsAndWritesAcrossTensors) {
  std::vector<float> a{1, 2, 3};
  std::vector<float> b;
  std::vector<float> c{4, 5};
  const std::array<std::span<float>, 3> tensors{a, b, c};
  TensorWalk from(tensors);
  std::vector<float> first(2);
  std::vector<float> second(3);
  from.read(first);
  from.read(second);
  EXPECT_EQ(first, (std::vector<float>{1, 2}));
  EXPECT_EQ(second, (std::vector<float>{3, 4, 5}));
  TensorWalk to(tensors);
  to.write(std::vector<float>{10, 20, 30, 40});
  EXPECT_EQ(a, (std::vector<float>{10, 20, 30}));
  EXPECT_EQ(c, (std::vector<float>{40, 5}));
}

class LaunchTest : public testing::Test {
 protected:
  LaunchTest() {
    for (const char* name : {"OMPI_COMM_WORLD_SIZE", "OMPI_COMM_WORLD_RANK", "PMI_SIZE", "PMI_RANK",
                             "SLURM_STEP_NUM_TASKS", "SLURM_PROCID", "SLURM_NTASKS"})
      unsetenv(name);
  }
};

TEST_F(LaunchTest, NoneAlone) { EXPECT_FALSE(find_launch()); }

TEST_F(LaunchTest, OpenMpi) {
  setenv("OMPI_COMM_WORLD_SIZE", "4", 1);
  setenv("OMPI_COMM_WORLD_RANK", "3", 1);
  const auto launch = find_launch();
  ASSERT_TRUE(launch);
  EXPECT_EQ(launch->launcher, "mpirun (Open MPI)");
  EXPECT_EQ(launch->rank, 3);
  EXPECT_EQ(launch->size, 4);
}

TEST_F(LaunchTest, OneProcessOfAnMpirunIsAlone) {
  setenv("OMPI_COMM_WORLD_SIZE", "1", 1);
  setenv("OMPI_COMM_WORLD_RANK", "0", 1);
  EXPECT_FALSE(find_launch());
}

TEST_F(LaunchTest, ASlurmStepButNotABatchScript) {
  setenv("SLURM_NTASKS", "8", 1);
  setenv("SLURM_PROCID", "0", 1);
  EXPECT_FALSE(find_launch());
  setenv("SLURM_STEP_NUM_TASKS", "8", 1);
  const auto launch = find_launch();
  ASSERT_TRUE(launch);
  EXPECT_EQ(launch->size, 8);
}

TEST_F(LaunchTest, NonsenseIsPassedOver) {
  setenv("PMI_SIZE", "many", 1);
  setenv("PMI_RANK", "0", 1);
  EXPECT_FALSE(find_launch());
  setenv("PMI_SIZE", "2", 1);
  setenv("PMI_RANK", "2", 1);
  EXPECT_FALSE(find_launch());
}

}  // namespace
}  // namespace cola
