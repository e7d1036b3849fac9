// Training and scoring on tasks, on the model that the repository holds for its demo.
#include <gtest/gtest.h>

#include <cmath>

#include "cola/language_model.h"
#include "small_run.h"

namespace cola {
namespace {

class TaskTraining : public testing::Test {
 protected:
  TaskTraining() {
    options.model = test::test_files() / ".." / ".." / "share" / "demo" / "model";
    options.task = (folder / "nli.toml").string();
    options.out = folder / "run";
    options.knots = "1ep";
    options.epochs = 3;
    options.batch_size = 4;
    options.learning_rate = 1e-2;
    options.dtype = "f32";
    options.threads = 1;
    options.num_train = 12;
    options.num_dev = 6;
    write_task("candidates = [\"True\", \"False\", \"Not known at all\"]\nlabel = \"label\"\n");
    write_records("train.jsonl", 18);
    write_records("dev.jsonl", 9);
  }

  void write_task(const std::string& answers) const {
    test::write_text_file_at(folder / "nli.toml",
                             "train = \"train.jsonl\"\nvalidation = \"dev.jsonl\"\n"
                             "prompt = \"{premise}\\nIs the {thing} red?\\n\"\n" +
                                 answers);
  }
  void write_records(const std::string& name, int count) const {
    std::string lines;
    const char* things[] = {"ball", "cat", "house", "tree"};
    for (int i = 0; i < count; ++i) {
      lines += Json{{"premise", std::string("The ") + things[i % 4] + " is by the " + things[(i / 2) % 4]},
                    {"thing", things[(i + 1) % 4]},
                    {"label", i % 3},
                    {"answer", things[i % 4]}}
                   .dump() +
               "\n";
    }
    test::write_text_file_at(folder / name, lines);
  }
  [[nodiscard]] TaskResult score(const std::string& split, std::int64_t demonstrations = 0,
                                 bool share = true) const {
    ModelSource source;
    source.run = options.out;
    source.dtype = "f32";
    source.threads = 1;
    LanguageModel model(source);
    TaskOptions scored;
    scored.task = options.task;
    scored.split = split;
    scored.num_train = options.num_train;
    scored.num_dev = options.num_dev;
    scored.demonstrations = demonstrations;
    scored.no_share_prefix = !share;
    return model.evaluate_task(scored);
  }

  test::TemporaryFolder folder;
  TrainOptions options;
};

// 1e-5: another order of f32 sums in losses near 2, through 9 steps of AdamW.
TEST_F(TaskTraining, SharedPromptsTrainTheSame) {
  const TrainResult shared = test::run(options);
  const auto reference = options.out;
  options.out = folder / "whole";
  options.no_share_prefix = true;
  const TrainResult whole = test::run(options);
  const auto expected = test::losses(reference);
  const auto losses = test::losses(options.out);
  ASSERT_EQ(losses.size(), 9U);
  for (std::size_t i = 0; i < losses.size(); ++i) EXPECT_NEAR(losses[i], expected[i], 1e-5) << i;
  EXPECT_NEAR(*whole.dev_loss, *shared.dev_loss, 1e-5);
  EXPECT_EQ(whole.hf_flos, shared.hf_flos);
  EXPECT_LT(2 * shared.tokens, whole.tokens);
  EXPECT_LT(shared.real_flops, whole.real_flops);
  EXPECT_LT(losses.back(), losses.front());
}

TEST_F(TaskTraining, CountsWhatLowerRanksSave) {
  options.method = "cola";
  options.knots = "1ep";
  options.links.reset();
  options.ranks = {4, 4};
  const TrainResult first_rank = test::run(options);
  EXPECT_EQ(first_rank.hf_flos_saved, 0.0);
  options.out = folder / "lower";
  options.ranks = {4, 2};
  const TrainResult lower = test::run(options);
  EXPECT_GT(lower.hf_flos_saved, 0.0);
  EXPECT_EQ(lower.hf_flos + lower.hf_flos_saved, first_rank.hf_flos);
}

TEST_F(TaskTraining, ResumesBitExactly) {
  options.save_steps = 2;
  options.save_total_limit = 9;
  (void)test::run(options);
  const auto before = test::results_of(options.out);
  for (const int step : {4, 6, 8, 9}) std::filesystem::remove_all(RunFolder{options.out}.checkpoint(step));
  (void)test::run(options, true);
  EXPECT_EQ(test::results_of(options.out), before);
}

TEST_F(TaskTraining, BestStateScoresAsLogged) {
  const TrainResult trained = test::run(options);
  const TaskResult dev = score("dev");
  EXPECT_EQ(dev.total, 6);
  EXPECT_EQ(dev.score, trained.best_dev_score);
  EXPECT_EQ(static_cast<double>(*dev.correct) / 6.0, dev.score);
  EXPECT_LE(dev.interval_low, dev.score);
  EXPECT_GE(dev.interval_high, dev.score);
  const auto logged = test::values(options.out, "eval", "dev_score");
  EXPECT_EQ(logged.size(), 4U);  // before step 1 and after each epoch
}

TEST_F(TaskTraining, InContextScoresDoNotDependOnSharing) {
  (void)test::run(options);
  const TaskResult shared = score("test", 2);
  const TaskResult whole = score("test", 2, false);
  ASSERT_EQ(shared.total, 9);
  const TaskResult zero_shot = score("test");
  bool differs = false;
  for (std::size_t i = 0; i < 9; ++i) {
    EXPECT_EQ(shared.predictions[i].prediction, whole.predictions[i].prediction);
    for (std::size_t c = 0; c < 3; ++c) {
      EXPECT_NEAR(shared.predictions[i].scores[c], whole.predictions[i].scores[c], 1e-5);
      differs =
          differs || std::abs(shared.predictions[i].scores[c] - zero_shot.predictions[i].scores[c]) > 1e-3;
    }
  }
  EXPECT_TRUE(differs) << "the demonstrations are not there";
}

TEST_F(TaskTraining, LanguageModelObjectiveAndGeneration) {
  write_task("answers = \"answer\"\n");
  options.epochs = 12;
  const TrainResult trained = test::run(options);
  EXPECT_LT(*trained.dev_loss, test::values(options.out, "eval", "dev_loss").front());
  const TaskResult result = score("test");
  EXPECT_EQ(result.metric, "f1");
  EXPECT_FALSE(result.correct);
  EXPECT_EQ(score("dev").score, trained.best_dev_score);
  for (const auto& prediction : result.predictions)
    EXPECT_EQ(prediction.prediction.find('\n'), std::string::npos);
}

TEST_F(TaskTraining, OptionsThatContradict) {
  const auto refused = [&](const std::function<void(TrainOptions&)>& change, const std::string& expected) {
    TrainOptions changed = options;
    change(changed);
    EXPECT_TRUE(test::contains_all(test::error_of(changed), {expected})) << test::error_of(changed);
    EXPECT_FALSE(std::filesystem::exists(options.out));
  };
  refused([&](auto& o) { o.train = {folder / "train.jsonl"}; }, "--task excludes --train");
  refused([&](auto& o) { o.task = "cb"; }, "--task-data");
  refused([&](auto& o) { o.task = "nothing"; }, "unknown task");
  refused([&](auto& o) { o.bos_token_id = 488; }, "--bos-token-id 488");
  refused([&](auto& o) { o.max_length = 129; }, "--max-length 129");
  refused([&](auto& o) { o.data_seed = std::uint64_t{1} << 32; }, "--data-seed");
  refused([&](auto& o) { o.num_dev = 18; }, "train");
  refused(
      [&](auto& o) {
        o.task.clear();
        o.train = {folder / "train.jsonl"};
      },
      "belong to --task");
}

}  // namespace
}  // namespace cola
