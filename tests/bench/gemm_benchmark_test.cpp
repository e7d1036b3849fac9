#include "bench/gemm_benchmark.h"

#include <gtest/gtest.h>

#include "backend/cpu_isa.h"
#include "core/error.h"
#include "support/tiny_opt.h"

namespace cola {
namespace {

using Names = std::vector<std::string>;

TEST(GemmBenchmark, EveryDistinctLayerInBothDirections) {
  for (const DType dtype : {DType::f32, DType::bf16}) {
    GemmBenchmarkOptions options;
    options.config = test::tiny_config();
    options.dtype = dtype;
    options.rows = {9, 16};
    options.lora_r = 2;
    options.least_seconds = 0.0;
    std::int64_t reports = 0;
    const GemmBenchmark result = benchmark_gemm(options, [&](std::int64_t done, std::int64_t total) {
      EXPECT_EQ(done, ++reports);
      EXPECT_EQ(total, 20);  // 4 shapes and 1 of LoRA, 2 numbers of rows, 2 directions
    });
    EXPECT_EQ(reports, 20);
    ASSERT_EQ(result.results.size(), 16U);
    ASSERT_EQ(result.thin.size(), 4U);
    const ProductRate& forward = result.results[0];
    EXPECT_EQ(forward.layers, (Names{"q_proj", "k_proj", "v_proj", "out_proj"}));
    EXPECT_FALSE(forward.backward);
    EXPECT_EQ(result.results[4].layers, Names{"fc1"});
    EXPECT_EQ(result.results[4].m, 9);
    EXPECT_EQ(result.results[4].n, 24);
    EXPECT_EQ(result.results[4].k, 16);
    EXPECT_TRUE(result.results[5].backward);
    EXPECT_EQ(result.results[5].n, 16);
    EXPECT_EQ(result.results[5].k, 24);
    EXPECT_EQ(result.results[6].m, 16);
    EXPECT_EQ(result.results[15].layers, Names{"lm_head"});
    EXPECT_EQ(result.thin[0].layers, (Names{"q_proj", "v_proj"}));
    for (const ProductRate& rate : result.results) {
      const double flops = 2.0 * static_cast<double>(rate.m * rate.n * rate.k);
      EXPECT_DOUBLE_EQ(rate.flops_per_second * rate.seconds.median, flops);
      EXPECT_GT(rate.fraction_of_peak.low, 0.0);
      EXPECT_EQ(rate.speedup_over_onednn.has_value(), rate.onednn_flops_per_second.has_value());
      EXPECT_EQ(rate.onednn_flops_per_second.has_value(), dtype == DType::f32 || ops::has_bf16_products());
    }
    // u = x A^T and y += u B^T: 2 m r (k + n); the backward twice that.
    EXPECT_DOUBLE_EQ(result.thin[0].flops_per_second * result.thin[0].seconds.median, 2.0 * 9 * 2 * 32);
    EXPECT_DOUBLE_EQ(result.thin[1].flops_per_second * result.thin[1].seconds.median, 4.0 * 9 * 2 * 32);
    EXPECT_TRUE(result.thin[1].onednn_flops_per_second.has_value());
  }
}

TEST(GemmBenchmark, RefusesWhatCannotBe) {
  const auto refuses = [](auto change) {
    GemmBenchmarkOptions options;
    options.config = test::tiny_config();
    change(options);
    EXPECT_THROW((void)benchmark_gemm(options), UsageError);
  };
  refuses([](auto& options) { options.rows = {}; });
  refuses([](auto& options) { options.rows = {4, 0}; });
  refuses([](auto& options) { options.lora_r = 0; });
  refuses([](auto& options) { options.least_seconds = -1.0; });
  refuses([](auto& options) { options.lora_r = 17; });
  refuses([](auto& options) { options.target_modules = {"nothing"}; });
}

}  // namespace
}  // namespace cola
