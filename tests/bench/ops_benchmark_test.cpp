#include "bench/ops_benchmark.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "core/error.h"
#include "support/tiny_opt.h"

namespace cola {
namespace {

OpsBenchmarkOptions tiny_options() {
  OpsBenchmarkOptions options;
  options.config = test::tiny_config();
  options.batch_size = 3;
  options.seq_length = 5;
  options.lora_r = 2;
  options.least_seconds = 0.0;
  return options;
}

void expect_to_fit(const OpsBenchmark& result) {
  for (const OpRate& rate : result.results) {
    EXPECT_GT(rate.seconds, 0.0) << rate.op;
    EXPECT_DOUBLE_EQ(rate.bytes_per_second * rate.seconds, rate.bytes) << rate.op;
    EXPECT_DOUBLE_EQ(rate.flops_per_second * rate.seconds, rate.flops) << rate.op;
    EXPECT_GT(rate.fraction_of_bandwidth, 0.0) << rate.op;
    EXPECT_EQ(rate.fraction_of_peak > 0.0, rate.flops > 0.0) << rate.op;
  }
}

TEST(OpsBenchmark, OfOpt) {
  OpsBenchmarkOptions options = tiny_options();
  options.dtype = DType::bf16;
  std::int64_t reports = 0, expected = 0;
  const OpsBenchmark result = benchmark_ops(options, [&](std::int64_t done, std::int64_t total) {
    EXPECT_EQ(done, ++reports);
    expected = total;
  });
  EXPECT_GT(reports, 0);
  EXPECT_EQ(expected, reports);
  EXPECT_EQ(result.results.size(), 15U);
  EXPECT_EQ(result.results[1].op, "layer norm");
  EXPECT_EQ(result.results[1].bytes, 2 * 15 * 16 * 2);
  expect_to_fit(result);
}

TEST(OpsBenchmark, OfLlamaByHand) {
  OpsBenchmarkOptions options = tiny_options();
  RotarySpec table;
  table.rotary_dim = options.config.block(0).attention.head_dim;
  table.max_position_embeddings = options.config.max_position_embeddings;
  options.config.rotary_tables = {table};
  options.config.vary_blocks([](std::int64_t, BlockSpec& block) {
    block.norm.kind = NormKind::rms;
    block.mlp.activation = Activation::silu_gate;
    block.attention.rotary = 0;
  });
  const OpsBenchmark result = benchmark_ops(options);
  expect_to_fit(result);
  const auto op = [&](const std::string& name) {
    const auto found = std::ranges::find(result.results, name, &OpRate::op);
    EXPECT_NE(found, result.results.end()) << name;
    return found == result.results.end() ? OpRate() : *found;
  };
  const double pairs = 3 * 15;  // of a query and a key that it sees
  EXPECT_EQ(op("RMS norm").bytes, 2 * 15 * 16 * 4);
  EXPECT_EQ(op("gate backward").bytes, 5 * 15 * 24 * 4);
  EXPECT_EQ(op("rotary").cols, 16);
  EXPECT_EQ(op("attention").flops, 4 * 16 * pairs);
  EXPECT_EQ(op("attention backward").flops, 10 * 16 * pairs);
  EXPECT_EQ(op("cross-entropy").flops, 2 * 15 * 16 * 40);
  EXPECT_EQ(op("cross-entropy with backward").flops, 4 * 15 * 16 * 40);
  EXPECT_EQ(op("AdamW").bytes, 7 * 24 * 16 * 4);
  EXPECT_EQ(op("LoRA").flops, 2 * 15 * 2 * (16 + 16));
  EXPECT_EQ(op("LoRA backward, A").flops, 4 * 15 * 2 * 16);
  EXPECT_EQ(op("residual").flops, 0.0);
}

TEST(OpsBenchmark, RefusesWhatCannotBe) {
  const auto refuses = [](auto change) {
    OpsBenchmarkOptions options = tiny_options();
    change(options);
    EXPECT_THROW((void)benchmark_ops(options), UsageError);
  };
  refuses([](auto& options) { options.batch_size = 0; });
  refuses([](auto& options) { options.seq_length = 33; });
  refuses([](auto& options) { options.lora_r = 17; });
  refuses([](auto& options) { options.least_seconds = 1e9; });
}

}  // namespace
}  // namespace cola
