// A run that is stopped or killed and resumed ends as the uninterrupted one: same bits, each step once.
#include <gtest/gtest.h>

#include <csignal>
#include <random>
#include <thread>

#include "data/dataset.h"
#include "io/json.h"
#include "small_run.h"
#include "train/checkpoint.h"
#include "training_process.h"

namespace cola {
namespace {

using test::TrainingProcess;

struct Case {
  std::string name;
  std::string method, optimizer;
  double momentum;
};

/// Everything that has state or random numbers: knots on, before and between checkpoints, dropouts,
/// accumulation, best of dev, trained biases, files mixed by weight.
TrainOptions options_of(const Case& test_case, const std::filesystem::path& folder) {
  auto options = test::small_options(folder);
  test::add_dev(options);
  test::write_random_data(options.train.front(), 18, 3);
  test::write_random_data(folder / "more.jsonl", 12, 4);
  options.train = {options.train.front().string() + ":1", (folder / "more.jsonl").string() + ":2"};
  options.method = test_case.method;
  options.optimizer = test_case.optimizer;
  options.momentum = test_case.momentum;
  options.learning_rate = test_case.optimizer == "sgd" ? 0.1 : 3e-3;
  options.batch_size = 2;
  options.gradient_accumulation_steps = 2;
  options.dropout = "0.1";
  options.eval_steps = 4;
  options.save_steps = 3;
  options.warmup_steps = 2;
  options.knots = "";
  if (test_case.method == "cola") {
    options.knots = "6,8,17";
    options.ranks = {8, 4, 2, 3};
    options.lr_at_knot = "restart";
    options.target_modules = {"all-linear"};
    options.bias = "lora_only";
    options.lora_dropout = 0.1;
  }
  return options;
}

class Resume : public testing::TestWithParam<Case> {
 protected:
  Resume() : options(options_of(GetParam(), folder.path())) {
    options.out = folder / "uninterrupted";
    (void)test::run(options);
  }

  test::TemporaryFolder folder;
  TrainOptions options;
  std::mt19937 random{7};
};

std::uintmax_t size_of_file(const std::filesystem::path& file) {
  std::error_code ignored;
  const auto size = std::filesystem::file_size(file, ignored);
  return ignored ? 0 : size;
}

/// Waits until the log has changed `count` times (or the process ends).
void wait_for_changes(TrainingProcess& process, const std::filesystem::path& log, std::uint32_t count) {
  auto size = size_of_file(log);
  while (count > 0 && process.is_running()) {
    std::this_thread::sleep_for(std::chrono::microseconds(200));
    const auto now = size_of_file(log);
    if (now != size) --count;
    size = now;
  }
}

TEST_P(Resume, AfterASignal) {
  const auto reference = options.out;
  options.out = folder / "stopped";
  int stops = 0;
  for (const int signal : {SIGINT, SIGTERM, SIGINT}) {
    TrainingProcess process(options, std::filesystem::exists(options.out / "config.toml"), folder.path());
    wait_for_changes(process, options.out / "log.jsonl", 6);
    process.send(signal);
    const int status = process.wait();
    if (status == 1) {
      EXPECT_NE(process.error_text().find("stopped by a signal after step"), std::string::npos);
      ++stops;
    } else {
      EXPECT_EQ(status, 0) << process.error_text();
    }
  }
  EXPECT_GT(stops, 0);
  (void)test::run(options, true);
  test::expect_same_run(options.out, reference);
}

// Moments are drawn: after some lines of the log and up to 6 ms, so that they fall into steps, knots,
// evaluations and half-written checkpoints alike.
TEST_P(Resume, AfterRandomKills) {
  const auto reference = options.out;
  int kills = 0;
  for (int run = 0; kills < 20; ++run) {
    options.out = folder / ("killed-" + std::to_string(run));
    bool finished = false;
    while (!finished) {
      TrainingProcess process(options, std::filesystem::exists(options.out / "config.toml"), folder.path());
      if (kills < 20) {
        wait_for_changes(process, options.out / "log.jsonl", random() % 8);
        std::this_thread::sleep_for(std::chrono::microseconds(random() % 6000));
        process.send(SIGKILL);
      }
      const int status = process.wait();
      kills += status == -SIGKILL ? 1 : 0;
      finished = status == 0;
      ASSERT_TRUE(finished || status == -SIGKILL) << process.error_text();
    }
    test::expect_same_run(options.out, reference);
  }
}

INSTANTIATE_TEST_SUITE_P(Methods, Resume,
                         testing::Values(Case{"ColaAdamW", "cola", "adamw", 0.0},
                                         Case{"ColaSgd", "cola", "sgd", 0.9},
                                         Case{"FullAdamW", "full", "adamw", 0.0}),
                         [](const auto& info) { return info.param.name; });

TEST(ResumeFinished, ChangesNothing) {
  const test::TemporaryFolder folder;
  const auto options = test::small_options(folder.path());
  const auto first = test::run(options);
  const auto before = test::results_of(options.out);
  const auto again = test::run(options, true);
  EXPECT_EQ(test::results_of(options.out), before);
  EXPECT_EQ(again.steps, first.steps);
  EXPECT_EQ(again.train_loss, first.train_loss);
  EXPECT_EQ(test::events(options.out, "end").size(), 1U);
}

TEST(ResumeFinished, AfterEarlyStoppingStaysStopped) {
  const test::TemporaryFolder folder;
  auto options = test::small_options(folder.path());
  test::add_dev(options);
  options.learning_rate = 0.1;  // far too high: the dev loss rises
  options.eval_steps = 1;
  options.early_stopping_patience = 2;
  const auto first = test::run(options);
  EXPECT_LT(first.steps, 12);
  const auto before = test::results_of(options.out);
  EXPECT_EQ(test::run(options, true).steps, first.steps);
  EXPECT_EQ(test::results_of(options.out), before);
}

// What a kill between the two renames of a replaced folder leaves.
TEST(ResumeFinished, RestoresAReplacedLink) {
  const test::TemporaryFolder folder;
  const auto options = test::small_options(folder.path());
  (void)test::run(options);
  const auto before = test::results_of(options.out);
  std::filesystem::rename(options.out / "links" / "1", options.out / "links" / "1.old-99999");
  (void)test::run(options, true);
  EXPECT_EQ(test::results_of(options.out), before);
}

// Checkpoints of before the token cache have FNV digests of the data.
TEST(ResumeFinished, ADigestOfTheFormerKindIsOfTheSameData) {
  const test::TemporaryFolder folder;
  auto options = test::small_options(folder.path());
  test::add_dev(options);
  (void)test::run(options);
  const auto digest = [&](const std::filesystem::path& file) {
    return digest_of(read_dataset(file, nullptr, 512, {}).examples.all());
  };
  const auto state = RunFolder{options.out}.checkpoint(12) / "state.json";
  Json json = read_json_file(state);
  json["train_digest"] = digest(options.train.front());
  json["dev_digest"] = digest(options.dev);
  write_text_file(state, json.dump());
  EXPECT_NO_THROW((void)test::run(options, true));
  json["train_digest"] = digest(options.dev);
  write_text_file(state, json.dump());
  EXPECT_THROW((void)test::run(options, true), UsageError);
}

}  // namespace
}  // namespace cola
