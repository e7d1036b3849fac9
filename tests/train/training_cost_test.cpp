// What a plan costs: by hand on a small plan, and the paper's Table 3 where the machine has the real data.
#include "train/training_cost.h"

#include <gtest/gtest.h>

#include "core/error.h"
#include "log/flops.h"
#include "model/model_config.h"
#include "support/files.h"
#include "support/questions.h"
#include "text/tokenizer.h"

namespace cola {
namespace {

CostPlan small_plan() {
  CostPlan plan;
  plan.config = spec_of_shape("opt-125m");
  plan.num_train = 5;
  plan.num_dev = 2;
  plan.options.ranks = {8, 6};
  plan.options.knots = "1ep";
  plan.options.epochs = 3;
  plan.options.batch_size = 8;
  return plan;
}

/// Seven examples of two candidates: one token of answer behind a prompt of ten.
std::vector<ExampleSize> alike() {
  const Question question = test::question({0, 1, 2, 3, 4, 5, 6, 7, 8, 9}, {{10}, {11}});
  return std::vector<ExampleSize>(7, example_size(question, true, std::vector<std::int64_t>{0}));
}

TEST(TrainingCost, ByHand) {
  const CostPlan plan = small_plan();
  const TrainingCost cost = training_cost(plan, alike());
  EXPECT_EQ(cost.examples, 5);
  EXPECT_EQ(cost.steps_per_epoch, 1);
  ASSERT_EQ(cost.links.size(), 2U);
  // 5 questions x 2 candidates of 11 tokens, padded to 16; the shared 10 tokens run once.
  const LinkCost& second = cost.links[1];
  EXPECT_EQ(second.rank, 6);
  EXPECT_EQ(second.steps, 2);
  EXPECT_EQ(second.parameters, 24 * 6 * (768 + 768));
  EXPECT_EQ(second.reference_tokens, 2 * 10 * 16);
  EXPECT_EQ(second.unpadded_tokens, 2 * 10 * 11);
  EXPECT_EQ(second.tokens, 2 * 5 * 10);
  EXPECT_EQ(second.hf_flos_saved, 6.0 * 320 * (24 * 2 * 1536));
  EXPECT_EQ(second.hf_flos,
            6.0 * 320 * static_cast<double>(hf_flos_parameters(plan.config) + second.parameters));
  // A rank less on a [768, 768] projection and token: 2 x 1536 forward; 2 x 3 x 768 for du, dB and dA; and
  // 2 x 768 for dx but in the lowest block, whose input has no gradient.
  EXPECT_EQ(second.real_flops_saved, 100.0 * 2 * (24 * (3072 + 4608) + 22 * 1536));
  EXPECT_EQ(cost.links[0].hf_flos_saved, 0.0);
  EXPECT_EQ(cost.links[0].real_flops_saved, 0.0);
  EXPECT_EQ(cost.total().steps, 3);
  EXPECT_EQ(cost.total().tokens, 150);
}

TEST(TrainingCost, StackedLinksCostAndMergedOnesDoNot) {
  CostPlan plan = small_plan();
  plan.options.ranks = {8};
  const double merged = training_cost(plan, alike()).total().real_flops;
  plan.options.tie = "stack";
  const TrainingCost stacked = training_cost(plan, alike());
  EXPECT_GT(stacked.total().real_flops, merged);
  EXPECT_EQ(stacked.total().real_flops_saved, 0.0);
  EXPECT_LT(stacked.total().real_flops, 1.005 * merged);
}

TEST(TrainingCost, RefusesWrongPlans) {
  const auto refused = [](const auto& change) {
    CostPlan plan = small_plan();
    change(plan);
    EXPECT_THROW((void)training_cost(plan, alike()), UsageError);
  };
  refused([](CostPlan& plan) { plan.options.knots = "3ep"; });
  refused([](CostPlan& plan) { plan.options.ranks = {8, 6, 4}; });
  refused([](CostPlan& plan) { plan.options.ranks = {8, 0}; });
  refused([](CostPlan& plan) { plan.options.ranks = {8, 769}; });
  refused([](CostPlan& plan) { plan.options.batch_size = 0; });
  refused([](CostPlan& plan) { plan.options.target_modules = {"nothing"}; });
  refused([](CostPlan& plan) { plan.options.method = "full"; });
  refused([](CostPlan& plan) { plan.options.seed = std::uint64_t{1} << 32; });
  refused([](CostPlan& plan) { plan.num_dev = 7; });
}

struct TableRow {
  const char* task;
  double saved;             ///< mean over seeds for ranks 8,6: method.md
  double reference_tokens;  ///< the collator's tokens are at least so many times those processed here
};
constexpr TableRow table[] = {{"cb", 3.58e11, 4.5}, {"wsc", 4.36e10, 3.0}, {"wic", 5.22e11, 2.4}};
constexpr std::uint64_t seeds = 20;

class Table3 : public testing::TestWithParam<TableRow> {};

TEST_P(Table3, SavingAndTokens) {
  if (!test::test_data()) GTEST_SKIP() << "COLA_TEST_DATA names no folder";
  const Task task = find_task(GetParam().task);
  const auto tokenizer = open_tokenizer(*test::test_data() / "tokenizers" / "opt");
  const auto sizes = task_example_sizes(task, *test::test_data() / "data" / task.folder,
                                        {tokenizer.get(), 0, task_max_length(task, 2048)}, true,
                                        std::vector<std::int64_t>{0});
  CostPlan plan;
  plan.config = spec_of_shape("opt-1.3b");
  plan.objective = task.objective;
  plan.num_train = task.train_examples;
  plan.num_dev = task.dev_examples;
  plan.options.knots = "3ep";
  double saved = 0.0;
  double reference_tokens = 0.0;
  double tokens = 0.0;
  for (std::uint64_t seed = 0; seed < seeds; ++seed) {
    plan.options.seed = seed;
    double saved_by_two = 0.0;
    for (const std::int64_t rank : {6, 4, 2}) {
      plan.options.ranks = {8, rank};
      const LinkCost total = training_cost(plan, sizes).total();
      if (rank == 6) {
        saved_by_two = total.hf_flos_saved;
        saved += total.hf_flos_saved / static_cast<double>(seeds);
        reference_tokens += static_cast<double>(total.reference_tokens);
        tokens += static_cast<double>(total.tokens);
      }
      EXPECT_EQ(total.hf_flos_saved, static_cast<double>(8 - rank) * 0.5 * saved_by_two) << seed;
    }
  }
  // 5 %: the paper's own numbers lie so near, and the mean of twenty seeds has a standard error of 2.4 %
  // (WSC), 0.7 % (CB).
  EXPECT_NEAR(saved, GetParam().saved, 0.05 * GetParam().saved);
  EXPECT_GE(reference_tokens, GetParam().reference_tokens * tokens);
  RecordProperty("saved", std::to_string(saved));
  RecordProperty("reference_tokens_by_tokens", std::to_string(reference_tokens / tokens));
}

INSTANTIATE_TEST_SUITE_P(Tasks, Table3, testing::ValuesIn(table),
                         [](const auto& info) { return info.param.task; });

}  // namespace
}  // namespace cola
