// What a run does when something fails: a clear error, and a folder that can be gone on with.
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmath>

#include "lora/peft_format.h"
#include "small_run.h"
#include "support/unprivileged.h"
#include "training_process.h"

namespace cola {
namespace {

using test::contains_all;
using test::error_of;
using test::TrainingProcess;

class TrainFailure : public testing::Test {
 protected:
  TrainFailure() : options(test::small_options(folder.path())) {}

  test::TemporaryFolder folder;
  TrainOptions options;
};

// 20 000 bytes: checkpoints' small files fit, the live link's tensors (rank 8 on four 64 x 64 layers: 32 KiB)
// do not.
TEST_F(TrainFailure, FullDiskThenResume) {
  (void)test::run(options);
  const auto reference = options.out;
  options.out = folder / "full-disk";
  TrainingProcess failing(options, false, folder.path(), {20000});
  EXPECT_EQ(failing.wait(), 1);
  EXPECT_TRUE(contains_all(failing.error_text(), {"cannot write", "File too large"})) << failing.error_text();
  TrainingProcess resumed(options, true, folder.path());
  EXPECT_EQ(resumed.wait(), 0) << resumed.error_text();
  test::expect_same_run(options.out, reference);
}

TEST_F(TrainFailure, FullDiskUnderTheLog) {
  options.save_steps = 2;
  options.lora_r = 1;  // files of at most 6 KB; 60 steps make a log of 14 KB
  options.max_steps = 60;
  (void)test::run(options);
  const auto reference = options.out;
  options.out = folder / "full-disk";
  TrainingProcess failing(options, false, folder.path(), {8000});
  EXPECT_EQ(failing.wait(), 1);
  EXPECT_TRUE(contains_all(failing.error_text(), {"cannot write", "log.jsonl"})) << failing.error_text();
  TrainingProcess resumed(options, true, folder.path());
  EXPECT_EQ(resumed.wait(), 0) << resumed.error_text();
  test::expect_same_run(options.out, reference);
}

TEST_F(TrainFailure, UnwritableFolder) {
  options.model = folder / "model";
  std::filesystem::copy(test::parity_folder("opt_tiny"), options.model);
  const auto locked = folder / "locked";
  std::filesystem::create_directory(locked);
  std::filesystem::permissions(locked, std::filesystem::perms{0555});
  options.out = locked / "run";
  const test::Unprivileged user;
  EXPECT_TRUE(contains_all(error_of(options), {"cannot write into folder", "locked"}));
}

TEST_F(TrainFailure, FolderBelowAFile) {
  options.out = options.train.front() / "run";
  EXPECT_TRUE(contains_all(error_of(options), {"cannot write into folder", "train.jsonl"}));
}

TEST_F(TrainFailure, ExistingFolderIsRefused) {
  (void)test::run(options);
  const auto before = test::results_of(options.out);
  EXPECT_TRUE(contains_all(error_of(options), {"run already exists", "--resume"}));
  EXPECT_EQ(test::results_of(options.out), before);
}

TEST_F(TrainFailure, StartKilledBeforeItsConfigIsNoRun) {
  std::filesystem::create_directory(options.out);
  test::write_text_file_at(options.out / "config.toml.tmp-12345", "half");
  EXPECT_EQ(test::run(options).steps, 12);
  EXPECT_FALSE(std::filesystem::exists(options.out / "config.toml.tmp-12345"));
}

TEST_F(TrainFailure, ResumeWithoutARun) {
  EXPECT_TRUE(contains_all(error_of(options, true), {"--resume", "no run to resume"}));
}

TEST_F(TrainFailure, ResumeWithAnotherOption) {
  (void)test::run(options);
  options.learning_rate = 2e-3;
  options.batch_size = 2;
  EXPECT_TRUE(contains_all(error_of(options, true), {"--learning-rate", "--batch-size", "differs"}));
}

TEST_F(TrainFailure, ResumeWithChangedData) {
  test::add_dev(options);
  (void)test::run(options);
  test::write_random_data(options.dev, 5, 9);
  EXPECT_TRUE(contains_all(error_of(options, true), {"dev.jsonl", "changed"}));
  test::write_random_data(options.dev, 5, 2);
  EXPECT_EQ(test::run(options, true).steps, 12);
  // One token of one sequence, so that no count differs.
  std::string text = read_text_file(options.train.front());
  const auto comma = text.find(',');
  text[comma - 1] = text[comma - 1] == '5' ? '6' : '5';
  test::write_text_file_at(options.train.front(), text);
  EXPECT_TRUE(contains_all(error_of(options, true), {"train.jsonl", "changed"}));
}

TEST_F(TrainFailure, RunInUseIsLeftAlone) {
  (void)test::run(options);
  const RunLog other(options.out / "log.jsonl");
  const auto unfinished = options.out / "chain.json.tmp-12345";
  test::write_text_file_at(unfinished, "being written by the other process");
  EXPECT_TRUE(contains_all(error_of(options, true), {"run", "another process"}));
  EXPECT_TRUE(std::filesystem::exists(unfinished));
}

TEST_F(TrainFailure, CorruptedCheckpointIsNamed) {
  (void)test::run(options);
  const auto before = test::results_of(options.out);
  const auto newest = options.out / "checkpoints" / "step-12";
  const struct {
    const char* file;
    std::uintmax_t bytes;
  } damages[] = {{"state.json", 40}, {"optimizer.safetensors", 1000}, {"link/adapter_model.safetensors", 7}};
  for (const auto& damage : damages) {
    const std::string whole = read_text_file(newest / damage.file);
    std::filesystem::resize_file(newest / damage.file, damage.bytes);
    const auto error = error_of(options, true);
    EXPECT_TRUE(contains_all(
        error, {"cannot resume from step 12", damage.file, "from step 8", "remove", newest.string()}))
        << error;
    test::write_text_file_at(newest / damage.file, whole);
  }
  std::filesystem::remove_all(newest);
  EXPECT_EQ(test::run(options, true).steps, 12);
  EXPECT_EQ(test::results_of(options.out), before);
}

TEST_F(TrainFailure, ShortenedLogIsNoticed) {
  (void)test::run(options);
  std::filesystem::resize_file(options.out / "log.jsonl", 100);
  EXPECT_TRUE(contains_all(error_of(options, true), {"log.jsonl", "shorter"}));
}

TEST_F(TrainFailure, MissingLogIsNoticedAndNotBegunAnew) {
  (void)test::run(options);
  std::filesystem::remove(options.out / "log.jsonl");
  const auto error = error_of(options, true);
  EXPECT_TRUE(contains_all(error, {"log.jsonl is missing", "put it back"})) << error;
  EXPECT_FALSE(std::filesystem::exists(options.out / "log.jsonl"));
}

// The first update already makes weights from which no step goes well, finite as they are: no checkpoint of
// them is left to be gone on with or used.
TEST_F(TrainFailure, NanLossNamesTheStep) {
  options.learning_rate = 1e30;
  options.max_grad_norm = 0.0;
  options.save_steps = 1;
  const auto error = error_of(options);
  EXPECT_TRUE(
      contains_all(error, {"step 2: the loss is", "gradient norm", "no checkpoint", "--learning-rate"}))
      << error;
  EXPECT_TRUE(RunFolder{options.out}.checkpoint_steps().empty());
  EXPECT_EQ(error_of(options, true), error);  // it begins again, and meets the same step
}

TEST_F(TrainFailure, NanLossKeepsTheLastGoodCheckpoint) {
  options.learning_rate = 3e38;
  options.warmup_steps = 1;  // the first step's rate is 0
  options.max_grad_norm = 0.0;
  options.save_steps = 1;
  options.save_total_limit = 1;
  const auto error = error_of(options);
  EXPECT_TRUE(contains_all(error, {"step 3: the loss is", "last good checkpoint is step 1"})) << error;
  const RunFolder run{options.out};
  EXPECT_EQ(run.checkpoint_steps(), std::vector<std::int64_t>{1});
  const Link kept = read_adapter(run.checkpoint(1) / "link");
  for (const auto& module : kept.modules) {
    EXPECT_TRUE(std::ranges::all_of(module.a.floats(), [](float value) { return std::abs(value) < 1.0F; }));
  }
  EXPECT_EQ(error_of(options, true), error);
}

TEST_F(TrainFailure, NonFiniteDevLossSaysWhatToDo) {
  test::add_dev(options);
  options.learning_rate = 3e38;
  options.max_grad_norm = 0.0;
  options.eval_steps = 1;
  const auto error = error_of(options);
  EXPECT_TRUE(contains_all(error, {"step 1: the dev loss is", "no checkpoint", "--learning-rate"})) << error;
}

// Without a dev set nothing is computed from the weights of the last step.
TEST_F(TrainFailure, NonFiniteWeightsAreNotSaved) {
  options.method = "full";
  options.knots.clear();
  options.optimizer = "sgd";
  options.learning_rate = 1e300;  // beyond f32
  options.max_grad_norm = 0.0;
  options.max_steps = 1;
  const auto error = error_of(options);
  EXPECT_TRUE(contains_all(error, {"step 1: ", "is not finite", "--learning-rate"})) << error;
  EXPECT_FALSE(std::filesystem::exists(RunFolder{options.out}.last()));
}

TEST_F(TrainFailure, ExtendingAnUnfinishedRun) {
  (void)test::run(options);
  std::filesystem::remove_all(options.out / "last");
  options.extend = options.out;
  options.out = folder / "more";
  EXPECT_TRUE(contains_all(error_of(options), {"--extend", "not finished"}));
}

TEST_F(TrainFailure, BiasesThatTheModelLacks) {
  options.model = test::parity_folder("llama_tiny");
  options.bias = "lora_only";
  EXPECT_TRUE(contains_all(error_of(options), {"--bias lora_only", "no biases"}));
}

// Refused before anything is written.
TEST_F(TrainFailure, AdapterThatDoesNotFitLeavesNoFolder) {
  options.initial_link = {test::parity_folder("opt_tiny") / "adapter",
                          test::parity_folder("llama_tiny") / "adapter"};
  EXPECT_TRUE(contains_all(error_of(options), {"adapter", "on this model"})) << error_of(options);
  EXPECT_FALSE(std::filesystem::exists(options.out));
  options.initial_link.clear();
  options.tied_link = {test::parity_folder("llama_tiny") / "adapter"};
  EXPECT_TRUE(contains_all(error_of(options), {"adapter", "on this model"})) << error_of(options);
  EXPECT_FALSE(std::filesystem::exists(options.out));
}

}  // namespace
}  // namespace cola
