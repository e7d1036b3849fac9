// What the options of a run mean, seen in its log and its folder.
#include <gtest/gtest.h>

#include <cmath>

#include "lora/peft_format.h"
#include "small_run.h"

namespace cola {
namespace {

class TrainOption : public testing::Test {
 protected:
  TrainOption() : options(test::small_options(folder.path())) {}

  void train_into(const std::string& name, TrainOptions& changed) {
    changed.out = folder / name;
    result = test::run(changed);
  }
  [[nodiscard]] Link link(const std::string& run, int number) const {
    return read_adapter(RunFolder{folder / run}.link(number));
  }

  test::TemporaryFolder folder;
  TrainOptions options;
  TrainResult result;
};

bool same_a(const Link& x, const Link& y) {
  return std::ranges::equal(x.modules, y.modules, [](const auto& one, const auto& other) {
    return std::ranges::equal(one.a.floats(), other.a.floats());
  });
}

// 1e-5: another order of f32 rounding in the forward of losses near 6; AdamW amplifies it over 7 steps.
TEST_F(TrainOption, MergeAndStackAgree) {
  options.tie = "merge";
  train_into("merge", options);
  options.tie = "stack";
  train_into("stack", options);
  const auto merge = test::losses(folder / "merge");
  const auto stack = test::losses(folder / "stack");
  ASSERT_EQ(merge.size(), 12U);
  for (std::size_t i = 0; i < merge.size(); ++i) EXPECT_NEAR(merge[i], stack[i], 1e-5) << i;
}

TEST_F(TrainOption, LinkInitAndFrozenA) {
  options.freeze_a = true;  // so that a link's A in the folder is its first one
  options.link_init = "same";
  train_into("same", options);
  EXPECT_TRUE(same_a(link("same", 1), link("same", 2)));
  options.link_init = "fresh";
  train_into("fresh", options);
  EXPECT_TRUE(same_a(link("fresh", 1), link("same", 1)));
  EXPECT_FALSE(same_a(link("fresh", 1), link("fresh", 2)));
  options.freeze_a = false;
  train_into("trained", options);
  EXPECT_FALSE(same_a(link("trained", 1), link("fresh", 1)));
}

TEST_F(TrainOption, RanksAndAlphasOfEachLink) {
  options.ranks = {4, 2};
  options.alphas = {8.0, 1.0};
  train_into("run", options);
  const auto manifest = read_manifest({options.out});
  ASSERT_EQ(manifest.links.size(), 2U);
  EXPECT_EQ(manifest.links[0].rank, 4);
  EXPECT_EQ(manifest.links[1].alpha, 1.0);
  EXPECT_EQ(manifest.links[0].tied_at, 5);
  EXPECT_EQ(manifest.links[1].tied_at, std::nullopt);
  EXPECT_EQ(link("run", 2).modules.front().scale, 0.5);
  EXPECT_EQ(read_adapter(RunFolder{options.out}.last()).modules.front().rank(), 6);
}

TEST_F(TrainOption, LearningRateWarmsUpAndRestarts) {
  options.learning_rate = 1.0e-3;
  options.warmup_steps = 2;
  train_into("continue", options);
  const auto go_on = test::values(options.out, "step", "lr");
  options.lr_at_knot = "restart";
  train_into("restart", options);
  const auto restart = test::values(options.out, "step", "lr");
  ASSERT_EQ(restart.size(), 12U);
  for (std::size_t i = 0; i < 12; ++i) {
    // Hugging Face's linear schedule: step / warm-up, then (total - step) / (total - warm-up).
    const auto linear = [](double step, double total) {
      return 1e-3 * (step < 2.0 ? step / 2.0 : (total - step) / (total - 2.0));
    };
    const auto step = static_cast<double>(i);
    EXPECT_NEAR(go_on[i], linear(step, 12.0), 1e-12) << i;
    EXPECT_NEAR(restart[i], i < 5 ? linear(step, 5.0) : linear(step - 5.0, 7.0), 1e-12) << i;
  }
}

TEST_F(TrainOption, BiasesAreTrainedAndWritten) {
  options.bias = "lora_only";
  options.learning_rate = 1e-2;
  train_into("run", options);
  const Link one = link("run", 1);
  const Link two = link("run", 2);
  ASSERT_EQ(one.biases.size(), 4U);  // q_proj and v_proj of two blocks
  const auto source = open_checkpoint(options.model);
  const auto original = test::floats_of(*source, one.biases[1].module + ".bias");
  EXPECT_FALSE(std::ranges::equal(one.biases[1].value.floats(), original));
  EXPECT_FALSE(std::ranges::equal(one.biases[1].value.floats(), two.biases[1].value.floats()));
  const Link last = read_adapter(RunFolder{options.out}.last());
  ASSERT_EQ(last.biases.size(), 4U);
  EXPECT_TRUE(std::ranges::equal(last.biases[1].value.floats(), two.biases[1].value.floats()));
}

// 1e-6: the same weights but for the place where the tied link is added.
TEST_F(TrainOption, ExtendAndTiedLinkGoOnFromALink) {
  options.no_shuffle = true;
  options.batch_size = 16;  // every step sees all data
  options.max_steps = 12;
  train_into("whole", options);
  auto first = options;
  first.method = "lora";
  first.knots = "";
  first.max_steps = 5;
  first.lr_scheduler = "constant";
  auto whole = options;
  whole.lr_scheduler = "constant";
  train_into("whole-constant", whole);
  train_into("first", first);
  auto second = first;
  second.extend = folder / "first";
  train_into("extended", second);
  second.extend.clear();
  second.tied_link = {RunFolder{folder / "first"}.link(1)};
  train_into("tied", second);
  const double expected = test::losses(folder / "whole-constant").at(5);
  EXPECT_NEAR(test::losses(folder / "extended").at(0), expected, 1e-6);
  EXPECT_NEAR(test::losses(folder / "tied").at(0), expected, 1e-6);
  EXPECT_EQ(read_manifest({folder / "extended"}).links.size(), 2U);
}

TEST_F(TrainOption, AutomaticKnotsResumeBitExactly) {
  options.knots = "auto";
  options.min_link_steps = 4;
  options.max_links = 3;
  options.stall_threshold = 0.5;  // every link stalls as soon as it may
  options.save_steps = 1;
  options.save_total_limit = 99;
  train_into("auto", options);
  EXPECT_EQ(result.links, 3);
  EXPECT_EQ(test::values(folder / "auto", "knot", "step"), (std::vector<double>{4.0, 8.0}));
  const auto reference = test::results_of(folder / "auto");
  for (const std::int64_t kept : {8, 3}) {  // a knot is due after step 8
    const RunFolder run{options.out};
    for (const std::int64_t step : run.checkpoint_steps())
      if (step > kept) std::filesystem::remove_all(run.checkpoint(step));
    (void)test::run(options, true);
    EXPECT_EQ(test::results_of(options.out), reference) << kept;
  }
}

TEST_F(TrainOption, AutomaticKnotsLeaveALinkThatLearnsAlone) {
  options.knots = "auto";
  options.min_link_steps = 4;
  options.stall_threshold = 0.0;
  options.lr_scheduler = "constant";
  options.learning_rate = 1e-2;
  options.batch_size = 16;  // the same data every step: the loss falls
  options.max_steps = 12;
  train_into("auto", options);
  EXPECT_EQ(result.links, 1);
}

// sqrt(4) = 2: alpha 8 with rsLoRA is the LoRA of alpha 16.
TEST_F(TrainOption, RsloraIsALoraOfAnotherAlpha) {
  options.lora_r = 4;
  options.lora_alpha = 16.0;
  train_into("plain", options);
  options.lora_alpha = 8.0;
  options.use_rslora = true;
  train_into("rslora", options);
  EXPECT_EQ(test::losses(folder / "plain"), test::losses(folder / "rslora"));
}

// With A frozen only B learns, so a ratio is a learning rate.
TEST_F(TrainOption, LoraPlusRatioIsBsLearningRate) {
  options.freeze_a = true;
  options.learning_rate = 4e-3;
  train_into("rate", options);
  options.learning_rate = 1e-3;
  options.loraplus_lr_ratio = 4.0;
  train_into("ratio", options);
  EXPECT_EQ(test::losses(folder / "rate"), test::losses(folder / "ratio"));
}

TEST_F(TrainOption, InitialLinkContradictions) {
  const auto adapter = test::parity_folder("opt_tiny") / "adapter";
  options.initial_link = {adapter};
  options.lora_r = 3;
  EXPECT_TRUE(test::contains_all(test::error_of(options), {"--initial-link", "contradict"}));
  options.lora_r.reset();
  options.lora_alpha = 1.5;
  EXPECT_TRUE(test::contains_all(test::error_of(options), {"--initial-link", "contradict"}));
  options.lora_alpha.reset();
  options.target_modules = {"fc1"};
  EXPECT_TRUE(test::contains_all(test::error_of(options), {"--initial-link", "--target-modules"}));
  EXPECT_FALSE(std::filesystem::exists(options.out));
}

TEST_F(TrainOption, BestOfDevIsTheBestStep) {
  test::add_dev(options);
  options.learning_rate = 3e-2;
  options.eval_steps = 1;
  train_into("long", options);
  const auto dev = test::values(options.out, "eval", "dev_loss");  // before step 1, then after each
  ASSERT_EQ(dev.size(), 13U);
  const auto best = std::min_element(dev.begin() + 1, dev.end()) - dev.begin();
  EXPECT_EQ(result.best_dev_loss, dev[static_cast<std::size_t>(best)]);
  const auto state = read_json_file(RunFolder{options.out}.best() / "cola_state.json");
  EXPECT_EQ(state.at("steps_done"), best);
  // The run that is stopped there leaves the same chain: a constant rate, the same knot.
  options.lr_scheduler = "constant";
  train_into("constant", options);
  const auto step = read_json_file(RunFolder{options.out}.best() / "cola_state.json").at("steps_done");
  auto stopped = options;
  stopped.max_steps = step.get<std::int64_t>();
  if (*stopped.max_steps <= 5) stopped.knots = "", stopped.links = 1;
  train_into("stopped", stopped);
  EXPECT_EQ(read_text_file(RunFolder{folder / "constant"}.best() / "adapter_model.safetensors"),
            read_text_file(RunFolder{folder / "stopped"}.last() / "adapter_model.safetensors"));
}

TEST_F(TrainOption, StepsEvaluationsAndCheckpointsFallWhereAsked) {
  test::add_dev(options);
  options.eval_steps = 5;  // at the knot, and at the end
  options.save_steps = 5;
  options.save_total_limit = 1;
  train_into("run", options);
  EXPECT_EQ(test::values(options.out, "eval", "step"), (std::vector<double>{0, 5, 10, 12}));
  EXPECT_EQ(test::values(options.out, "checkpoint", "step"), (std::vector<double>{5, 10, 12}));
  EXPECT_EQ(RunFolder{options.out}.checkpoint_steps(), (std::vector<std::int64_t>{12}));
  options.max_steps = 30;  // 7.5 epochs
  train_into("repeated", options);
  EXPECT_EQ(test::losses(options.out).size(), 30U);
  EXPECT_EQ(test::values(options.out, "step", "epoch").back(), 7.5);
  options.max_steps = 3;
  options.knots = "2";
  train_into("short", options);
  EXPECT_EQ(result.steps, 3);
  EXPECT_EQ(result.links, 2);
}

// Without a gradient of the loss the decay alone acts: AdamW multiplies by 1 - lr wd each step.
TEST_F(TrainOption, WeightDecayShrinksTheWeights) {
  options.method = "lora";
  options.knots = "";
  options.max_steps = 1;
  options.lr_scheduler = "constant";
  train_into("none", options);
  options.weight_decay = 0.5;
  train_into("decayed", options);
  const Link none = link("none", 1);
  const Link decayed = link("decayed", 1);
  // B = 0 before step 1, so A's gradient is zero.
  for (std::size_t i = 0; i < none.modules.front().a.floats().size(); ++i) {
    const float expected = none.modules.front().a.floats()[i] * (1.0F - 1e-3F * 0.5F);
    EXPECT_NEAR(decayed.modules.front().a.floats()[i], expected, 1e-8F);
  }
}

TEST_F(TrainOption, BiasesOfALinkDecayOnlyWhereAsked) {
  options.method = "lora";
  options.knots = "";
  options.bias = "lora_only";
  options.max_steps = 1;
  train_into("none", options);
  options.weight_decay = 0.5;
  train_into("default", options);
  options.decay_norms = true;
  train_into("asked", options);
  const auto bias = [&](const char* run) { return std::move(link(run, 1).biases.front().value); };
  const Matrix none = bias("none");
  EXPECT_TRUE(std::ranges::equal(bias("default").floats(), none.floats()));
  EXPECT_FALSE(std::ranges::equal(bias("asked").floats(), none.floats()));
  const auto a = [&](const char* run) { return std::move(link(run, 1).modules.front().a); };
  EXPECT_FALSE(std::ranges::equal(a("default").floats(), a("none").floats()));
  EXPECT_TRUE(std::ranges::equal(a("default").floats(), a("asked").floats()));
}

}  // namespace
}  // namespace cola
