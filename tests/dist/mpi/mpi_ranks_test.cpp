// Run by mpirun: every process runs every test.
#include "dist/mpi_ranks.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <vector>

#include "core/error.h"
#include "core/random.h"
#include "dist/agreement.h"

namespace cola {
namespace {

std::unique_ptr<Ranks> joined;  // MPI begins and ends once a process

std::string bytes_of(std::span<const float> values) {
  return {reinterpret_cast<const char*>(values.data()), values.size_bytes()};
}

/// Values whose f32 sum depends on the order: of all magnitudes and both signs.
std::vector<float> values_of(int rank, std::size_t count) {
  RandomStream random(7, RandomPurpose::benchmark, static_cast<std::uint64_t>(rank));
  std::vector<float> values(count);
  for (float& value : values) {
    const auto bits = random.next_below(1U << 16);
    value = std::ldexp(static_cast<float>(bits) - 32768.0F, static_cast<int>(random.next_below(30)) - 15);
  }
  return values;
}

std::vector<float> sum_in_rank_order(int size, std::size_t count) {
  std::vector<float> sum = values_of(0, count);
  for (int rank = 1; rank < size; ++rank) {
    const auto other = values_of(rank, count);
    for (std::size_t i = 0; i < count; ++i) sum[i] += other[i];
  }
  return sum;
}

// 4 Mi elements are summed at a time: the last count takes two rounds, the second of them of fewer elements.
TEST(MpiRanks, SumsInRankOrderToTheSameBits) {
  for (const std::size_t count : {0, 1, 2, 3, 64, 1001, (1 << 22) + 5}) {
    std::vector<float> values = values_of(joined->rank(), count);
    const std::size_t cut = count / 3;
    const std::array<std::span<float>, 3> tensors{std::span(values).first(cut), std::span<float>(),
                                                  std::span(values).subspan(cut)};
    const int rank = joined->rank();
    std::array figures{1e16 * (rank % 2 == 0 ? 1 : -1), static_cast<double>(rank), 0.5};
    joined->sum(figures, tensors);
    const auto expected = sum_in_rank_order(joined->size(), count);
    EXPECT_EQ(bytes_of(values), bytes_of(expected)) << count;
    double first = 0.0;
    double second = 0.0;
    for (int r = 0; r < joined->size(); ++r) {
      first += 1e16 * (r % 2 == 0 ? 1 : -1);
      second += r;
    }
    EXPECT_EQ(figures, (std::array{first, second, 0.5 * joined->size()}));
  }
}

TEST(MpiRanks, SumsWithoutFigures) {
  std::vector<float> values(5, 1.0F);
  const std::array tensors{std::span(values)};
  joined->sum({}, tensors);
  EXPECT_EQ(values, std::vector<float>(5, static_cast<float>(joined->size())));
}

TEST(MpiRanks, GathersTextsByRank) {
  const auto text_of = [](int rank) {
    return std::string(static_cast<std::size_t>(rank * 3), 'a' + rank % 26);
  };
  const auto texts = joined->gather(text_of(joined->rank()));
  ASSERT_EQ(std::ssize(texts), joined->size());
  for (int rank = 0; rank < joined->size(); ++rank)
    EXPECT_EQ(texts[static_cast<std::size_t>(rank)], text_of(rank));
}

TEST(MpiRanks, AllNoticeThatFactsDiffer) {
  EXPECT_NO_THROW(require_alike(*joined, {{"dtype", "f32"}}));
  const std::string own = joined->rank() == 1 ? "bf16" : "f32";
  EXPECT_THROW(require_alike(*joined, {{"dtype", own}}), Error);
}

TEST(MpiRanks, AllAreNeighboursOnOneMachine) {
  const Neighbours neighbours = find_neighbours(*joined);
  EXPECT_EQ(std::ssize(neighbours.on_machine), joined->size());
  EXPECT_GE(neighbours.on_processors, 1);
  EXPECT_LE(neighbours.on_processors, joined->size());
}

TEST(MpiRanks, AFailureOfAllIsNoticed) { EXPECT_TRUE(joined->all_have_failed()); }

}  // namespace
}  // namespace cola

int main(int argc, char** argv) {
  testing::InitGoogleTest(&argc, argv);
  const auto launch = cola::find_launch();
  if (!launch) {
    fmt::print(stderr, "run by mpirun only\n");
    return 1;
  }
  cola::joined = cola::join_mpi(*launch);
  const int status = RUN_ALL_TESTS();
  cola::joined.reset();
  return status;
}
