// Whole runs: PEFT's trajectories, the CPU's evaluation and generation, and runs that change the device.
#include "both_sides.h"
#include "cola/language_model.h"
#include "eval/generate.h"
#include "model/model_config.h"
#include "support/deep_model.h"
#include "support/files.h"
#include "support/parity.h"
#include "train/small_run.h"

namespace cola::test {
namespace {

using CudaRun = CudaTest;

/// The options of a trajectory that transformers and PEFT recorded: tests/files/parity.
TrainOptions trajectory_options(const std::string& model, bool chain, const std::filesystem::path& folder) {
  TrainOptions options;
  options.model = parity_folder(model);
  options.train = {folder / "train.jsonl"};
  options.out = folder / "run";
  options.device = "cuda";
  options.method = chain ? "cola" : "lora";
  if (chain) options.knots = "5";
  options.max_steps = 10;
  options.batch_size = 3;
  options.no_shuffle = true;
  options.dtype = "f32";
  options.lr_scheduler = "constant";
  options.max_grad_norm = 0.0;
  return options;
}

struct Trajectory {
  const char* model;
  bool chain;
  const char* dtype;
};

std::string name_of(const testing::TestParamInfo<Trajectory>& info) {
  return std::string(info.param.model) + (info.param.chain ? "_cola_" : "_lora_") + info.param.dtype;
}

class CudaTrajectory : public CudaTest, public testing::WithParamInterface<Trajectory> {};

TEST_P(CudaTrajectory, HasTheCpusLosses) {
  const auto& [model, chain, dtype] = GetParam();
  const TemporaryFolder folder;
  TrainOptions options = trajectory_options(model, chain, folder.path());
  write_parity_data(model, options.train.front());
  options.dtype = dtype;
  options.out = folder / "cuda";
  (void)run(options);
  options.device = "cpu";
  options.out = folder / "cpu";
  (void)run(options);
  const auto actual = losses(folder / "cuda");
  const auto expected = losses(folder / "cpu");
  ASSERT_EQ(actual.size(), expected.size());
  // As the CPU against PEFT: 2e-4 a step in f32, 2 % in bf16.
  for (std::size_t i = 0; i < actual.size(); ++i) {
    const double allowed = options.dtype == "f32" ? 2e-4 : 0.02 * expected[i];
    EXPECT_NEAR(actual[i], expected[i], allowed) << "step " << i + 1;
  }
}

std::vector<Trajectory> trajectories() {
  std::vector<Trajectory> all;
  for (const char* model : {"opt_tiny", "opt350_tiny", "llama_tiny", "llama_gqa_tiny"}) {
    for (const bool chain : {false, true}) {
      for (const char* dtype : {"f32", "bf16"}) all.push_back({model, chain, dtype});
    }
  }
  return all;
}

INSTANTIATE_TEST_SUITE_P(Parity, CudaTrajectory, testing::ValuesIn(trajectories()), name_of);

TEST_F(CudaRun, TheSameRunTwice) {
  for (const char* method : {"cola", "full"}) {
    const TemporaryFolder folder;
    TrainOptions options = small_options(folder.path());
    add_dev(options);
    options.method = method;
    if (options.method == "full") options.knots.clear();
    options.device = "cuda";
    options.dropout = "0.1";
    options.dtype = "bf16";
    for (const char* out : {"first", "second"}) {
      options.out = folder / out;
      (void)run(options);
    }
    expect_same_run(folder / "second", folder / "first");
  }
}

TEST_F(CudaRun, CheckpointingAndMicroBatchesGiveTheSameLosses) {
  const TemporaryFolder folder;
  TrainOptions options = small_options(folder.path());
  options.device = "cuda";
  options.out = folder / "plain";
  (void)run(options);
  options.activation_checkpointing = true;
  options.out = folder / "recomputed";
  (void)run(options);
  EXPECT_EQ(losses(folder / "recomputed"), losses(folder / "plain"));
  options.micro_batch_size = 3;
  options.out = folder / "pieces";
  (void)run(options);
  const auto pieces = losses(folder / "pieces");
  const auto plain = losses(folder / "plain");
  ASSERT_EQ(pieces.size(), plain.size());
  for (std::size_t i = 0; i < plain.size(); ++i) EXPECT_NEAR(pieces[i], plain[i], 1e-4);
}

TEST_F(CudaRun, NamesTheNormThatOverflows) {
  for (const char* model : {"opt_tiny", "llama_tiny"}) {
    const TemporaryFolder folder;
    TrainOptions options = small_options(folder.path());
    options.model = parity_folder(model);
    options.device = "cuda";
    options.method = "lora";
    options.knots.clear();
    options.dtype = "bf16";
    options.learning_rate = 1e30;
    for (const char* symptom : {"step 2: the loss is", "step 1: the loss after its update is"}) {
      const std::string error = error_of(options);
      EXPECT_TRUE(contains_all(error, {symptom, ": the input of model.", "norm has overflowed"})) << error;
      options.out = folder / "of-one-step";
      options.max_steps = 1;
    }
  }
}

TEST_F(CudaRun, GoesOnOnTheOtherDevice) {
  for (const auto& [first, second] : {std::pair("cuda", "cpu"), std::pair("cpu", "cuda")}) {
    const TemporaryFolder folder;
    TrainOptions options = small_options(folder.path());
    options.save_steps = 4;
    options.save_total_limit = 9;
    options.device = first;
    options.out = folder / "whole";
    (void)run(options);
    options.out = folder / "moved";
    (void)run(options);
    for (const char* later : {"step-8", "step-12"})
      std::filesystem::remove_all(folder / "moved" / "checkpoints" / later);
    options.device = second;
    (void)run(options, true);
    const auto moved = losses(folder / "moved");
    const auto whole = losses(folder / "whole");
    ASSERT_EQ(moved.size(), whole.size());
    for (std::size_t i = 0; i < whole.size(); ++i) EXPECT_NEAR(moved[i], whole[i], 2e-4) << first << " " << i;
  }
}

TEST_F(CudaRun, EvaluatesAsTheCpu) {
  const TemporaryFolder folder;
  TrainOptions options = small_options(folder.path());
  add_dev(options);
  options.device = "cpu";
  (void)run(options);
  std::vector<double> evaluated;
  for (const char* device : {"cpu", "cuda"}) {
    ModelSource source;
    source.run = options.out;
    source.dtype = "f32";
    source.device = device;
    LanguageModel model(source);
    evaluated.push_back(model.evaluate(options.dev, {}).loss);
  }
  EXPECT_NEAR(evaluated[1], evaluated[0], 1e-4);
}

/// Three steps with knots between them, on the device; of a model of three blocks, one more than slots.
TrainOptions deep_options(const std::filesystem::path& folder) {
  TrainOptions options = small_options(folder);
  options.model = folder / "model";
  options.device = "cuda";
  options.max_steps = 3;
  options.knots = "1,2";
  options.save_steps = 1;
  options.save_total_limit = 9;
  options.dtype = "bf16";
  options.tie = "merge";
  return options;
}

TEST_F(CudaRun, AnOffloadedBaseHasTheSameBits) {
  const TemporaryFolder folder;
  TrainOptions options = deep_options(folder.path());
  add_dev(options);
  write_deep_model(options.model, "llama_gqa_tiny", 3);
  options.out = folder / "whole";
  (void)run(options);
  options.offload_base = true;
  options.out = folder / "offloaded";
  (void)run(options);
  expect_same_run(folder / "offloaded", folder / "whole");
  options.activation_checkpointing = true;
  options.micro_batch_size = 3;
  options.out = folder / "offloaded-in-pieces";
  (void)run(options);
  options.offload_base = false;
  options.out = folder / "in-pieces";
  (void)run(options);
  expect_same_run(folder / "offloaded-in-pieces", folder / "in-pieces");
}

TEST_F(CudaRun, AnOffloadedRunGoesOnWithoutItAndTheOtherWayRound) {
  const TemporaryFolder folder;
  TrainOptions options = deep_options(folder.path());
  write_deep_model(options.model, "opt_tiny", 3);
  options.dtype = "f32";
  options.out = folder / "whole";
  (void)run(options);
  for (const bool offloaded_first : {true, false}) {
    options.out = folder / (offloaded_first ? "from-offloaded" : "to-offloaded");
    options.offload_base = offloaded_first;
    (void)run(options);
    for (const char* later : {"step-2", "step-3"})
      std::filesystem::remove_all(options.out / "checkpoints" / later);
    options.offload_base = !offloaded_first;
    (void)run(options, true);
    expect_same_run(options.out, folder / "whole");
  }
}

TEST_F(CudaRun, AnOffloadedModelEvaluatesAndGeneratesTheSame) {
  const TemporaryFolder folder;
  write_deep_model(folder / "model", "opt_tiny", 3);
  write_random_data(folder / "dev.jsonl", 5, 2);
  const DecoderSpec config = read_model_config(folder / "model");
  std::vector<std::vector<double>> figures;
  for (const bool offload : {false, true}) {
    ModelSource source;
    source.model = folder / "model";
    source.device = "cuda";
    source.offload_base = offload;
    LanguageModel evaluated(source);
    auto& values = figures.emplace_back();
    values.push_back(evaluated.evaluate(folder / "dev.jsonl", {}).loss);
    ops::Uploads& uploads = ops::uploads_of(*cuda_);
    Decoder model(config, Weights(config, open_checkpoint(folder / "model"), DType::f32, cuda_->memory(),
                                  offload ? &uploads.memory() : nullptr));
    if (offload) model.stream_weights(uploads);
    ops::Context context(*cuda_);
    std::vector<Generation> generations;
    generations.push_back({{5, 9, 33}, 4, Sampler(0.0, 1.0, 0), [&](std::int32_t token) {
                             values.push_back(token);
                             return true;
                           }});
    generate_tokens(context, model, generations);
  }
  EXPECT_EQ(figures[1], figures[0]);
}

TEST_F(CudaRun, SaysThatThereIsNoSuchDevice) {
  try {
    (void)ops::open_backend("cuda:99");
    FAIL() << "no error";
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("there are"), std::string::npos) << error.what();
  }
}

}  // namespace
}  // namespace cola::test
