// Runs with the language-model head among their targets.
#include <gtest/gtest.h>

#include "chain/exported_adapter.h"
#include "chain/merged_checkpoint.h"
#include "eval/loaded_model.h"
#include "eval/loss.h"
#include "lora/peft_format.h"
#include "small_run.h"

namespace cola {
namespace {

class HeadTarget : public testing::TestWithParam<std::string> {
 protected:
  HeadTarget() : options(test::small_options(folder.path())) {
    options.model = test::parity_folder(GetParam());
    options.target_modules = {"q_proj", "v_proj", "lm_head"};
  }
  void train_into(const std::string& name, const std::string& tie) {
    options.out = folder / name;
    options.tie = tie;
    (void)test::run(options);
  }
  [[nodiscard]] double loss_of(const ModelSource& source) const {
    const LoadedModel loaded = load_model(source);
    ops::Context context(*loaded.backend);
    DecoderActivations activations;
    const auto examples = read_dataset(options.dev, nullptr, loaded.model->spec().vocab_size, {}).examples;
    return evaluate_loss(context, *loaded.model, activations, examples).loss();
  }

  test::TemporaryFolder folder;
  TrainOptions options;
};

// 1e-5, as for other targets: see TrainOption.MergeAndStackAgree.
TEST_P(HeadTarget, MergeAndStackAgreeAndTheHeadTrains) {
  train_into("merge", "merge");
  train_into("stack", "stack");
  const auto merge = test::losses(folder / "merge");
  const auto stack = test::losses(folder / "stack");
  ASSERT_EQ(merge.size(), 12U);
  for (std::size_t i = 0; i < merge.size(); ++i) EXPECT_NEAR(merge[i], stack[i], 1e-5) << i;
  options.target_modules = {"q_proj", "v_proj"};
  train_into("without", "merge");
  EXPECT_NE(test::losses(folder / "without").back(), merge.back());
  for (const int number : {1, 2}) {
    const Link link = read_adapter(RunFolder{folder / "merge"}.link(number));
    EXPECT_EQ(link.target_modules, (std::vector<std::string>{"q_proj", "v_proj", "lm_head"}));
    EXPECT_EQ(link.modules.front().name, "lm_head");
    EXPECT_TRUE(std::ranges::any_of(link.modules.front().b.floats(), [](float value) { return value != 0; }));
  }
}

// The run's own loss again from its folder, its exported adapter and its merged checkpoint. 1e-5: as above.
TEST_P(HeadTarget, ExportedAndMergedRunsHaveItsLoss) {
  test::add_dev(options);
  options.lora_dropout = 0.1;
  options.learning_rate = 1e-2;
  train_into("run", "merge");
  const double expected = test::values(options.out, "eval", "dev_loss").back();
  ModelSource run;
  run.run = options.out;
  run.state = "last";
  run.dtype = "f32";
  EXPECT_NEAR(loss_of(run), expected, 1e-5);

  std::vector<Link> links;
  for (const int number : {1, 2}) links.push_back(read_adapter(RunFolder{options.out}.link(number)));
  export_adapter(folder / "adapter", as_one_adapter(std::move(links)), {options.model.string(), {}});
  ModelSource adapted;
  adapted.model = options.model;
  adapted.adapters = {folder / "adapter"};
  adapted.dtype = "f32";
  EXPECT_NEAR(loss_of(adapted), expected, 1e-5);

  std::vector<Link> one;
  one.push_back(read_adapter(folder / "adapter"));
  ops::Context context;
  (void)write_merged_checkpoint(context, options.model, std::move(one), {}, folder / "merged");
  ModelSource merged;
  merged.model = folder / "merged";
  merged.dtype = "f32";
  EXPECT_NEAR(loss_of(merged), expected, 1e-5);
  ModelSource base;
  base.model = options.model;
  base.dtype = "f32";
  EXPECT_GT(std::abs(loss_of(base) - expected), 1e-3);
}

TEST_P(HeadTarget, AllLinearLeavesTheHeadOutAndEmbeddingsAreNoTarget) {
  options.target_modules = {"all-linear"};
  options.max_steps = 6;
  train_into("all", "merge");
  for (const auto& module : read_adapter(RunFolder{options.out}.link(1)).modules)
    EXPECT_NE(module.name, "lm_head");
  options.target_modules = {"embed_tokens"};
  options.out = folder / "refused";
  EXPECT_TRUE(
      test::contains_all(test::error_of(options), {"'embed_tokens' matches no linear layer", "lm_head"}));
}

INSTANTIATE_TEST_SUITE_P(Models, HeadTarget, testing::Values("opt_tiny", "opt350_tiny", "llama_tiny"),
                         [](const auto& info) { return info.param; });

}  // namespace
}  // namespace cola
