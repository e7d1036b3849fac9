#include "bench/step_benchmark.h"

#include <gtest/gtest.h>

#include <cmath>

#include "bench/red_task.h"
#include "bench/step_batches.h"
#include "core/error.h"
#include "model/model_config.h"
#include "model/parameter_spec.h"
#include "support/tiny_opt.h"
#include "train/training_cost.h"

namespace cola {
namespace {

StepBenchmarkOptions tiny_options() {
  StepBenchmarkOptions options;
  options.config = test::tiny_config();
  options.data.batch_size = 2;
  options.seq_length = 8;
  options.part.lora_r = 2;
  options.steps = 2;
  return options;
}

TEST(StepBenchmark, KeysFitTogether) {
  const StepBenchmark result = benchmark_step(tiny_options());
  EXPECT_EQ(result.trained_parameters, 2 * 2 * 2 * (16 + 16));  // blocks, modules, rank, A and B
  EXPECT_NEAR(result.loss, std::log(40.0), 0.1);                // random weights know nothing
  EXPECT_GT(result.seconds_per_step.low, 0.0);
  EXPECT_LE(result.seconds_per_step.low, result.seconds_per_step.high);
  EXPECT_EQ(result.tokens_per_step, 16.0);
  EXPECT_EQ(result.examples_per_step, 2.0);
  EXPECT_DOUBLE_EQ(result.tokens_per_second * result.seconds_per_step.median, 16.0);
  EXPECT_GT(result.fraction_of_peak.low, 0.0);
  EXPECT_LT(result.fraction_of_peak.high, 1.0);
  EXPECT_GT(result.peak_rss_bytes, 1 << 20);
  // Counted: less than necessary at the lowest layers, attention and LoRA on top.
  EXPECT_GT(result.flops_per_step, 0.7 * result.model_flops_per_step);
  EXPECT_LT(result.flops_per_step, 1.7 * result.model_flops_per_step);
}

TEST(StepBenchmark, FullTrainingTrainsEveryParameter) {
  StepBenchmarkOptions options = tiny_options();
  options.part.full = true;
  const StepBenchmark lora = benchmark_step(tiny_options());
  const StepBenchmark full = benchmark_step(options);
  EXPECT_EQ(full.trained_parameters, parameter_count(options.config));
  EXPECT_GT(full.flops_per_step, 1.2 * lora.flops_per_step);
}

// A tied link is part of the weight, or passed through as the live one is, but not trained.
TEST(StepBenchmark, TiedLinksCostAsTheyAreTied) {
  StepBenchmarkOptions options = tiny_options();
  const StepBenchmark lora = benchmark_step(options);
  options.part.tied_links = 2;
  EXPECT_EQ(benchmark_step(options).flops_per_step, lora.flops_per_step);
  options.part.tie = TieMode::stack;
  const StepBenchmark stacked = benchmark_step(options);
  EXPECT_GT(stacked.flops_per_step, lora.flops_per_step);
  EXPECT_EQ(stacked.trained_parameters, lora.trained_parameters);
}

// Of five blocks four are recomputed, one after the other in the same buffers.
TEST(StepBenchmark, CheckpointingTakesTheSameSteps) {
  for (const bool full : {false, true}) {
    StepBenchmarkOptions options = tiny_options();
    options.config.set_blocks(5, options.config.block(0));
    options.part.full = full;
    const StepBenchmark kept = benchmark_step(options);
    options.part.activation_checkpointing = true;
    const StepBenchmark recomputed = benchmark_step(options);
    EXPECT_EQ(recomputed.loss, kept.loss);
    EXPECT_GT(recomputed.flops_per_step, kept.flops_per_step);
  }
}

TEST(StepBenchmark, ReportsEveryStep) {
  std::vector<std::int64_t> counts;
  (void)benchmark_step(tiny_options(), [&](std::int64_t done, std::int64_t total) {
    counts.push_back(done);
    EXPECT_EQ(total, 3);
  });
  EXPECT_EQ(counts, (std::vector<std::int64_t>{1, 2, 3}));
}

TEST(StepBenchmark, RefusesWhatCannotBe) {
  const auto refuses = [](auto change) {
    StepBenchmarkOptions options = tiny_options();
    change(options);
    EXPECT_THROW((void)benchmark_step(options), UsageError);
  };
  refuses([](auto& options) { options.data.batch_size = 0; });
  refuses([](auto& options) { options.seq_length = 1; });
  refuses([](auto& options) { options.seq_length = 33; });
  refuses([](auto& options) { options.steps = 0; });
  refuses([](auto& options) { options.rounds = 0; });
  refuses([](auto& options) { options.part.lora_r = 17; });
  refuses([](auto& options) { options.part.target_modules = {"nothing"}; });
  refuses([](auto& options) { options.pad_batches = true; });
}

TEST(PaddedBatch, OnlyAppendsTokensWithoutLoss) {
  const Example longer{{1, 2, 3, 4, 5, 6, 7, 8, 9}, {no_label, 2, 3, 4, 5, 6, 7, 8, 9}};
  const Example shorter{{5, 6, 7}, {no_label, no_label, 7}};
  TrainingBatch batch;
  batch.content.lengths = {9, 3};
  batch.content.batch = make_batch(std::vector<const Example*>{&longer, &shorter}, 4);
  const TrainingBatch padded = padded_batch(batch);
  const RaggedBatch& ragged = padded.ragged();
  EXPECT_EQ(ragged.offsets, (std::vector<std::int32_t>{0, 16, 32}));  // 9 tokens to the next multiple of 8
  EXPECT_EQ(ragged.tokens(), 32);
  EXPECT_EQ(padded.content.lengths, batch.content.lengths);
  EXPECT_EQ(ragged.ids[8], 9);
  EXPECT_EQ(ragged.ids[16], 5);
  EXPECT_EQ(ragged.positions[16 + 15], 15);
  EXPECT_EQ(ragged.token_keys[16 + 15], (std::uint64_t{5} << 32) + 15);
  EXPECT_EQ(ragged.targets, batch.ragged().targets);
  EXPECT_EQ(ragged.loss_rows, (std::vector<std::int32_t>{0, 1, 2, 3, 4, 5, 6, 7, 17}));
}

/// A task of one's own on the tokenizer of the demo's model.
class StepBenchmarkOfTask : public testing::Test {
 protected:
  StepBenchmarkOfTask() {
    options_.config = spec_of_shape((test::demo_model() / "config.json").string());
    options_.data.tokenizer = test::demo_model();
    options_.data.task = test::write_red_task(folder_.path());
    options_.data.num_train = 6;
    options_.data.num_dev = 4;
    options_.data.batch_size = 4;
    options_.part.lora_r = 2;
    options_.steps = 2;
    options_.rounds = 1;
  }

  /// What `cola flops` counts for one epoch of the same training.
  [[nodiscard]] LinkCost counted() const {
    const Task task = find_task(options_.data.task);
    const auto tokenizer = open_tokenizer(options_.data.tokenizer);
    const TaskEncoding encoding{tokenizer.get(), tokenizer->special().bos,
                                options_.config.max_position_embeddings};
    CostPlan plan;
    plan.config = options_.config;
    plan.objective = task.objective;
    plan.num_train = *options_.data.num_train;
    plan.num_dev = *options_.data.num_dev;
    plan.options = options_.data;
    plan.options.links = 1;
    plan.options.epochs = 1;
    return training_cost(plan,
                         task_example_sizes(task, folder_.path(), encoding, true, options_.config.windows()))
        .total();
  }

  test::TemporaryFolder folder_;
  StepBenchmarkOptions options_;
};

TEST_F(StepBenchmarkOfTask, TokensAreThoseThatTrainingCosts) {
  const StepBenchmark shared = benchmark_step(options_);
  options_.data.no_share_prefix = true;
  const StepBenchmark whole = benchmark_step(options_);
  options_.pad_batches = true;
  const StepBenchmark padded = benchmark_step(options_);
  const LinkCost cost = counted();
  ASSERT_EQ(cost.steps, options_.steps);
  EXPECT_DOUBLE_EQ(2.0 * shared.tokens_per_step, static_cast<double>(cost.tokens));
  EXPECT_DOUBLE_EQ(2.0 * whole.tokens_per_step, static_cast<double>(cost.unpadded_tokens));
  EXPECT_DOUBLE_EQ(2.0 * padded.tokens_per_step, static_cast<double>(cost.reference_tokens));
  EXPECT_LT(shared.tokens_per_step, whole.tokens_per_step);
  EXPECT_LT(whole.tokens_per_step, padded.tokens_per_step);
  for (const StepBenchmark& result : {shared, whole, padded}) {
    EXPECT_DOUBLE_EQ(result.examples_per_step, 3.0);
    EXPECT_DOUBLE_EQ(result.examples_per_second * result.seconds_per_step.median, result.examples_per_step);
    EXPECT_DOUBLE_EQ(result.reference_tokens_per_step, padded.tokens_per_step);
    EXPECT_DOUBLE_EQ(result.loss_tokens_per_step, shared.loss_tokens_per_step);
    // The same training: 1e-4 for another order of f32 sums in losses near log 3, through 3 steps of AdamW.
    EXPECT_NEAR(result.loss, shared.loss, 1e-4);
    EXPECT_NEAR(result.loss, std::log(3.0), 0.2);
    EXPECT_LT(result.model_flops_per_step, result.reference_flops_per_step);
  }
}

TEST_F(StepBenchmarkOfTask, RefusesMoreStepsThanAnEpochHas) {
  options_.steps = 3;
  EXPECT_THROW((void)benchmark_step(options_), UsageError);
  options_.steps = 1;
  options_.pad_batches = true;
  EXPECT_THROW((void)benchmark_step(options_), UsageError);
}

}  // namespace
}  // namespace cola
