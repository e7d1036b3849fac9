// Training on a CUDA device a process. Run by mpirun: every process runs every test.
#include "ranks.h"

#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <filesystem>
#include <memory>

#include "core/random.h"
#include "dist/device_ranks.h"
#include "dist/mpi_ranks.h"
#include "support/files.h"
#include "train/small_run.h"
#include "train/train.h"

namespace cola::test {
namespace {

std::unique_ptr<Ranks> processes;

class CudaRanks : public testing::Test {
 protected:
  void SetUp() override {
    const auto devices = ops::cuda_devices().size();
    for (const auto& fewest : joined().gather(std::to_string(devices))) {
      if (std::stoi(fewest) < joined().size()) GTEST_SKIP() << "no CUDA device for each process";
    }
  }
};

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

TEST_F(CudaRanks, SumToTheBitsOfTheHost) {
  const auto backend = ops::open_backend(device_of_rank("cuda", joined()));
  DeviceRanks ranks(joined(), *backend);
  for (const std::size_t count : {0, 1, 2, 3, 64, 1001, 70'000}) {
    std::vector<float> expected = values_of(ranks.rank(), count);
    Buffer memory(backend->memory());
    memory.resize(count * sizeof(float));
    const std::span<float> on_device = memory.as<float>();
    write_from_host(backend->memory(), on_device,
                    [&](std::span<float> values) { std::ranges::copy(expected, values.begin()); });
    const std::array tensors{on_device.first(count / 3), std::span<float>(), on_device.subspan(count / 3)};
    std::array figures{1e16 * (ranks.rank() % 2 == 0 ? 1 : -1), 0.5};
    std::array expected_figures = figures;
    ranks.sum(figures, tensors);
    const std::array on_host{std::span(expected)};
    joined().sum(expected_figures, on_host);
    const FloatsOnHost actual(backend->memory(), on_device);
    EXPECT_TRUE(std::ranges::equal(actual.values(), expected)) << count;
    EXPECT_EQ(figures, expected_figures);
  }
}

TEST_F(CudaRanks, TrainToTheLossesOfOneProcess) {
  const TemporaryFolder own;  // of which rank 0's is that of all
  const std::filesystem::path folder = joined().gather(own.path().string()).front();
  TrainOptions options = small_options(joined().rank() == 0 ? folder : own.path());
  options.max_steps = 4;
  options.knots = "2";
  options.batch_size = 3;
  options.device = "cuda";
  (void)joined().gather("");
  options.train = {folder / "train.jsonl"};
  const auto train_in = [&](const char* run, Ranks& ranks) {
    options.out = folder / run;
    return train(options, {.quiet = true}, ranks);
  };
  OneProcess alone;
  if (joined().rank() == 0) (void)train_in("alone", alone);
  for (const char* run : {"first", "second"}) {
    const TrainResult result = train_in(run, joined());
    for (const auto& loss : joined().gather(std::to_string(result.train_loss)))
      EXPECT_EQ(loss, std::to_string(result.train_loss));
  }
  if (joined().rank() != 0) return;
  expect_same_run(folder / "second", folder / "first");
  const auto actual = losses(folder / "first");
  const auto expected = losses(folder / "alone");
  ASSERT_EQ(actual.size(), 4);
  ASSERT_EQ(expected.size(), 4);
  for (std::size_t i = 0; i < expected.size(); ++i) EXPECT_NEAR(actual[i], expected[i], 1e-5) << i;
}

}  // namespace

Ranks& joined() { return *processes; }

}  // namespace cola::test

int main(int argc, char** argv) {
  testing::InitGoogleTest(&argc, argv);
  const auto launch = cola::find_launch();
  if (launch) {
    cola::test::processes = cola::join_mpi(*launch);
  } else {
    cola::test::processes = std::make_unique<cola::OneProcess>();
  }
  const int status = RUN_ALL_TESTS();
  cola::test::processes.reset();
  return status;
}
