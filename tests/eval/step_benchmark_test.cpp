#include "eval/step_benchmark.h"

#include <gtest/gtest.h>

#include <cmath>

#include "core/error.h"

namespace cola {
namespace {

StepBenchmarkOptions tiny_options() {
  StepBenchmarkOptions options;
  options.config = config_of_shape("opt-125m");
  options.config.vocab_size = 40;
  options.config.hidden_size = options.config.word_embed_proj_dim = 16;
  options.config.intermediate_size = 24;
  options.config.num_hidden_layers = 2;
  options.config.num_attention_heads = options.config.num_key_value_heads = 2;
  options.config.head_dim = 8;
  options.config.max_position_embeddings = 32;
  options.batch_size = 2;
  options.seq_length = 8;
  options.lora_r = 2;
  options.steps = 2;
  return options;
}

TEST(StepBenchmark, NecessaryFlopsAreThoseOfThePublishedTable) {
  // 4 FLOPs a parameter and token of 1,024 tokens, head included: OPT-125m 0.51 TFLOP, TinyLlama-1.1B 4.2,
  // whose token table is looked up and no part of a product.
  EXPECT_NEAR(necessary_flops(config_of_shape("opt-125m"), false, 1024), 0.51e12, 0.005e12);
  EXPECT_NEAR(necessary_flops(config_of_shape("tinyllama-1.1b"), false, 1024), 4.2e12, 0.05e12);
  EXPECT_DOUBLE_EQ(necessary_flops(config_of_shape("opt-125m"), true, 10),
                   1.5 * necessary_flops(config_of_shape("opt-125m"), false, 10));
}

TEST(StepBenchmark, KeysFitTogether) {
  const StepBenchmark result = benchmark_step(tiny_options());
  EXPECT_EQ(result.trained_parameters, 2 * 2 * 2 * (16 + 16));  // blocks, modules, rank, A and B
  EXPECT_NEAR(result.loss, std::log(40.0), 0.1);                // random weights know nothing
  EXPECT_GT(result.seconds_per_step, 0.0);
  EXPECT_DOUBLE_EQ(result.tokens_per_second * result.seconds_per_step, 16.0);
  EXPECT_DOUBLE_EQ(result.fraction_of_peak * result.peak_flops_per_second * result.seconds_per_step,
                   result.model_flops_per_step);
  EXPECT_GT(result.peak_rss_bytes, 1 << 20);
  // Counted: less than necessary at the lowest layers, attention and LoRA on top.
  EXPECT_GT(result.flops_per_step, 0.7 * result.model_flops_per_step);
  EXPECT_LT(result.flops_per_step, 1.7 * result.model_flops_per_step);
}

TEST(StepBenchmark, FullTrainingTrainsEveryParameter) {
  StepBenchmarkOptions options = tiny_options();
  options.full = true;
  const StepBenchmark lora = benchmark_step(tiny_options());
  const StepBenchmark full = benchmark_step(options);
  EXPECT_EQ(full.trained_parameters, parameter_count(options.config));
  EXPECT_GT(full.flops_per_step, 1.2 * lora.flops_per_step);
}

TEST(StepBenchmark, RefusesWhatCannotBe) {
  const auto refuses = [](auto change) {
    StepBenchmarkOptions options = tiny_options();
    change(options);
    EXPECT_THROW((void)benchmark_step(options), UsageError);
  };
  refuses([](auto& options) { options.batch_size = 0; });
  refuses([](auto& options) { options.seq_length = 1; });
  refuses([](auto& options) { options.seq_length = 33; });
  refuses([](auto& options) { options.steps = 0; });
  refuses([](auto& options) { options.lora_r = 17; });
  refuses([](auto& options) { options.target_modules = {"nothing"}; });
}

}  // namespace
}  // namespace cola
