#include "backend/cpu/peak.h"

#include <gtest/gtest.h>

#include <vector>

#include "backend/cpu/kernels/peak.h"
#include "backend/cpu_isa.h"

namespace cola::ops {
namespace {

TEST(Peak, LoopsComputeWhatTheySay) {
  // x -> x / 2 + 1 from i + 1/4, i < 12, on every lane: after 3 passes the sum over i is (69 - 24) / 8 + 24 a
  // lane.
  const auto& loops = kernels::isa_baseline::peak_loops;
  const double lanes = loops.f32.flops_of_one_pass / (2.0 * 12.0);
  EXPECT_FLOAT_EQ(loops.f32.run(3), static_cast<float>(lanes * (45.0 / 8.0 + 24.0)));
  if (processor_isa() < CpuIsa::avx512_bf16) return;
  // Sums of two products of 2^-10, from i: 66 + 12 * 1000 * 2^-19 a lane, 16 lanes.
  const auto& bf16 = kernels::isa_avx512_bf16::peak_loops.bf16;
  EXPECT_FLOAT_EQ(bf16.run(1000), static_cast<float>(16.0 * (66.0 + 12.0 * 1000.0 * 0x1p-19)));
  EXPECT_EQ(bf16.flops_of_one_pass, 12.0 * 16.0 * 4.0);
}

TEST(Peak, TileLoopComputesWhatItSays) {
  if (processor_isa() != CpuIsa::amx) GTEST_SKIP() << "no AMX";
  // An element gains 32 products of 2^-20 a pass, from 0.
  EXPECT_FLOAT_EQ(kernels::peak_loop_tiles()->run(1000), 1000.0F * 0x1p-15F);
}

TEST(Peak, ReadingReadsEveryValue) {
  std::vector<float> values(1003);  // a part of the widest vectors is left over
  for (std::size_t i = 0; i < values.size(); ++i) values[i] = static_cast<float>(i);
  const auto sum = [&](const kernels::PeakLoops& loops) { return loops.read(values.data(), 1003); };
  // Whole numbers below 2^24: exact in any order.
  EXPECT_EQ(sum(kernels::isa_baseline::peak_loops), 1003.0F * 1002.0F / 2.0F);
  if (processor_isa() >= CpuIsa::avx2) {
    EXPECT_EQ(sum(kernels::isa_avx2::peak_loops), 502503.0F);
  }
  if (processor_isa() >= CpuIsa::avx512) {
    EXPECT_EQ(sum(kernels::isa_avx512::peak_loops), 502503.0F);
  }
}

TEST(Peak, ReadRateIsOneThatAMachineCanHave) {
  const double rate = measure_read_rate();
  EXPECT_GT(rate, 0.0);
  EXPECT_LT(rate, 1e14);
}

// No bound from below: on a loaded machine the loops may hardly run.
TEST(Peak, IsARateThatAProcessorCanHave) {
  for (const DType dtype : {DType::f32, DType::bf16}) {
    const PeakRate peak = measure_peak(dtype);
    EXPECT_GT(peak.flops_per_second, 0.0);
    EXPECT_LT(peak.flops_per_second, 1e16);
    EXPECT_FALSE(peak.instruction.empty());
  }
}

}  // namespace
}  // namespace cola::ops
