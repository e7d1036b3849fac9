#include "sweep/plan.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>

#include "cli/letter_tokenizer.h"
#include "io/files.h"
#include "support/files.h"
#include "sweep/emit.h"
#include "sweep/plan_checks.h"
#include "sweep/plan_file.h"

namespace cola {
namespace {

constexpr const char* two_methods = R"(
name = "small"
model = "/models/m"
data = "/data"
tasks = ["cb", "wsc"]
seeds = [0, 7]
gain-over = "lora"
[train]
epochs = 2
[task.wsc]
batch-size = 4
[[method]]
method = "lora"
learning-rate = [1e-3, 5e-4]
[[method]]
name = "chain"
method = "cola"
ranks = ["8,6", "8,2"]
)";

SweepPlan expand(const std::string& text, Problems& problems) {
  return expand_plan(resolve_plan(text, "plan", {}), problems);
}

TEST(SweepPlan, ExpandsTheGrid) {
  Problems problems;
  const SweepPlan plan = expand(two_methods, problems);
  EXPECT_TRUE(problems.list().empty());
  ASSERT_EQ(plan.trials.size(), 2U * (2 * 2 + 2 * 2));  // tasks x (rates x seeds + ranks x seeds)
  EXPECT_EQ(plan.trials[0].id, "cb-lora-lr1e-3-seed0");
  EXPECT_EQ(plan.trials[1].id, "cb-lora-lr1e-3-seed7");
  EXPECT_EQ(plan.trials[1].options.data_seed, 7U);
  EXPECT_EQ(plan.trials[1].options.seed, 42U);
  EXPECT_EQ(plan.trials[0].options.task_data, "/data/CB");
  EXPECT_EQ(plan.trials[4].id, "cb-chain-ranks8,6-lr1e-4-seed0");
  EXPECT_EQ(plan.trials[4].options.ranks, (std::vector<std::int64_t>{8, 6}));
  EXPECT_EQ(plan.trials[0].options.batch_size, 8);
  EXPECT_EQ(plan.trials[8].options.batch_size, 4);
  EXPECT_EQ(plan.trials[8].options.epochs, 2);
}

TEST(SweepPlan, TellsEveryProblemAtOnce) {
  Problems problems;
  (void)expand(R"(
tasks = ["cb", "mnist"]
seeds = []
colour = 1
[[method]]
name = "a"
method = "ppo"
[[method]]
name = "b"
method = "lora"
epoch = 3
threads = 2
)",
               problems);
  std::string all;
  for (const std::string& problem : problems.list()) all += problem + "\n";
  for (const char* part : {"mnist", "'seeds'", "colour", "'model'", "'data'", "ppo", "'epoch'", "'threads'"})
    EXPECT_NE(all.find(part), std::string::npos) << part << " is not in\n" << all;
}

std::string told(const Problems& problems) {
  std::string all;
  for (const std::string& problem : problems.list()) all += problem + "\n";
  return all;
}

TEST(SweepPlan, TellsOfMethodsBesideWrongTasksAndSeeds) {
  for (const char* head : {"tasks = ['mnist']\nseeds = [0]\n", "tasks = ['cb', 'mnist']\nseeds = []\n"}) {
    Problems problems;
    const SweepPlan plan = expand(std::string("model = '/nowhere'\ndata = '/nowhere'\n") + head + R"(
[train]
epochs = 3
[[method]]
method = "lora"
learning-rate = []
[[method]]
method = "cola"
knots = "9ep"
learning-rate = -1
[[method]]
name = "other"
method = "ppo"
)",
                                  problems);
    (void)check_plan_data(plan, problems);
    const std::string all = told(problems);
    for (const char* part : {"mnist", "grid of 'learning-rate' is empty", "'9ep' is step",
                             "--learning-rate must", "unknown method 'ppo'", "no config.json"})
      EXPECT_NE(all.find(part), std::string::npos) << part << " is not in\n" << all;
    EXPECT_EQ(all.find("--method"), std::string::npos) << all;  // told once
  }
}

TEST(SweepPlan, ResolvesTaskFilesAgainstThePlansFolder) {
  const std::string plan = resolve_plan("tasks = ['mine.toml', 'cb']\n", "/plans/here/plan.toml", {});
  EXPECT_NE(plan.find("/plans/here/mine.toml"), std::string::npos) << plan;
  const std::string set =
      resolve_plan("", "/plans/here/plan.toml", std::vector<std::string>{"tasks=['mine.toml']"});
  EXPECT_NE(set.find((std::filesystem::current_path() / "mine.toml").string()), std::string::npos) << set;
}

class SweepPlanAndModel : public testing::Test {
 protected:
  void SetUp() override {
    test::write_letter_tokenizer(folder_.path());
    write_text_file(folder_ / "config.json", R"({"model_type": "opt", "vocab_size": 40, "hidden_size": 16,
        "ffn_dim": 24, "num_hidden_layers": 2, "num_attention_heads": 2, "max_position_embeddings": 128,
        "word_embed_proj_dim": 16, "do_layer_norm_before": true})");
  }
  [[nodiscard]] std::string problems_with(const std::string& train) const {
    Problems problems;
    const SweepPlan plan = expand("model = '" + folder_.path().string() +
                                      "'\ndata = '/nowhere'\ntasks = ['cb']\nseeds = [0]\n[train]\n" + train +
                                      "\n[[method]]\nmethod = 'lora'\n",
                                  problems);
    (void)check_plan_data(plan, problems);
    return told(problems);
  }
  const test::TemporaryFolder folder_;
};

TEST_F(SweepPlanAndModel, AreCheckedTogether) {
  const auto expect_told = [&](const std::string& train, const std::string& part) {
    const std::string all = problems_with(train);
    EXPECT_NE(all.find(part), std::string::npos) << train << ": " << part << " is not in\n" << all;
  };
  const std::string sound = problems_with("");
  EXPECT_EQ(std::ranges::count(sound, '\n'), 1) << sound;  // the data that is not there
  expect_told("tokenizer = '/nope'", "/nope");
  expect_told("target-modules = ['nothing_like_it']", "nothing_like_it");
  expect_told("lora-r = 4096", "rank 4096");
  expect_told("max-length = 9999", "--max-length 9999 is above");
  expect_told("max-length = 9999\nlora-r = 4096", "rank 4096");
  expect_told("bos-token-id = 99999", "--bos-token-id 99999 is outside");
}

TEST(SweepPlan, RefusesEmptyGridsContradictionsAndDuplicates) {
  const std::string head = "model = '/m'\ndata = '/d'\ntasks = ['cb']\nseeds = [0]\n[[method]]\nname = 'x'\n";
  for (const char* rest :
       {"learning-rate = []", "learning-rate = [1e-3, 1e-3]", "knots = '3ep'\nlinks = 2", "data-seed = 3",
        "learning-rate = 'high'", "[[method]]\nname = 'y'", "method = 'zero-shot'\nepochs = 3", "method = 3",
        "[[method]]\nname = 4\nlearning-rate = 1e-3",
        "target-modules = ['q_proj', ['0123456789012345678901234567890123456789012345678901234567890', "
        "'0123456789012345678901234567890123456789012345678901234567890', "
        "'0123456789012345678901234567890123456789012345678901234567890', 'v_proj']]"}) {
    Problems problems;
    (void)expand(head + rest, problems);
    EXPECT_FALSE(problems.list().empty()) << rest;
  }
}

TEST(SweepPlan, RatesAreShortText) {
  EXPECT_EQ(rate_text(1e-3), "1e-3");
  EXPECT_EQ(rate_text(2.5e-5), "2.5e-5");
  EXPECT_EQ(rate_text(1.0), "1");
}

TEST(SweepPlanFile, SettingsAndDifferences) {
  const std::string first = resolve_plan(two_methods, "plan", {});
  const std::vector<std::string> settings{"train.epochs=1", "model=/other place",
                                          "method.lora.optimizer=sgd"};
  const std::string second = resolve_plan(two_methods, "plan", settings);
  EXPECT_EQ(differing_plan_keys(first, second),
            (std::vector<std::string>{"model", "train.epochs", "method[0].optimizer"}));
  EXPECT_EQ(resolve_plan(second, "plan", {}), second);  // what a sweep's folder holds reads back as itself
  EXPECT_THROW((void)resolve_plan(two_methods, "plan", std::vector<std::string>{"model"}), UsageError);
  EXPECT_THROW((void)resolve_plan("a = ", "plan", {}), UsageError);
}

TEST(Emit, RefusesAJobArrayOfNothing) {
  const SweepPlan empty;
  EXPECT_THROW((void)emit_slurm(empty, {"/sweep"}, "/bin/cola"), Error);
  EXPECT_EQ(emit_commands(empty, {"/sweep"}, "/bin/cola"), "");
}

TEST(Emit, GivesAnArrayTaskSeveralTrialsWhereThereAreTooMany) {
  SweepPlan plan;
  plan.name = "large";
  for (int i = 0; i < 2500; ++i) {
    plan.trials.emplace_back();
    plan.trials.back().id = "trial" + std::to_string(i);
  }
  const std::string script = emit_slurm(plan, {"/sweep"}, "/bin/cola");
  EXPECT_NE(script.find("--array=0-833\n"), std::string::npos) << script.substr(0, 200);  // 3 each
  EXPECT_NE(script.find("* 3))"), std::string::npos);
}

TEST(Emit, QuotesPaths) { EXPECT_EQ(shell_quoted("it's $HOME"), "'it'\\''s $HOME'"); }

}  // namespace
}  // namespace cola
