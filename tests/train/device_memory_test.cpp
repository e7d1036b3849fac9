// Everything above the ops, on a device whose memory only ops can touch: the same bits as on the CPU.
#include <gtest/gtest.h>

#include <functional>

#include "eval/generate.h"
#include "eval/loss.h"
#include "model/model_config.h"
#include "small_run.h"
#include "support/files.h"
#include "support/guarded_backend.h"
#include "support/unpacked_backend.h"
#include "train/trainer.h"

namespace cola {
namespace {

TrainResult run_on(const std::shared_ptr<ops::Backend>& backend, const TrainOptions& options,
                   bool resume = false) {
  OneProcess alone;
  return Trainer(open_session(options, backend, alone), {.resume = resume, .quiet = true}, alone).run();
}

struct Case {
  std::string name;
  std::function<void(TrainOptions&)> change;
};

class DeviceMemory : public testing::TestWithParam<Case> {};

TEST_P(DeviceMemory, TrainsToTheSameBitsAsTheCpu) {
  const test::TemporaryFolder folder;
  TrainOptions options = test::small_options(folder.path());
  test::add_dev(options);
  GetParam().change(options);
  options.out = folder / "cpu";
  options.device = "cpu";
  (void)run_on(std::make_shared<test::UnpackedBackend>(), options);
  options.out = folder / "device";
  (void)run_on(std::make_shared<test::GuardedBackend>(), options);
  test::expect_same_run(folder / "device", folder / "cpu");
}

INSTANTIATE_TEST_SUITE_P(
    Settings, DeviceMemory,
    testing::Values(Case{"merge", [](auto& o) { o.tie = "merge"; }},
                    Case{"stack", [](auto& o) { o.tie = "stack"; }},
                    Case{"bf16", [](auto& o) { o.dtype = "bf16"; }},
                    Case{"all_linear_with_head",
                         [](auto& o) { o.target_modules = {"q_proj", "out_proj", "fc1", "fc2", "lm_head"}; }},
                    Case{"biases_and_frozen_a",
                         [](auto& o) {
                           o.bias = "lora_only";
                           o.freeze_a = true;
                         }},
                    Case{"dropout",
                         [](auto& o) {
                           o.dropout = "0.1";
                           o.lora_dropout = 0.1;
                         }},
                    Case{"checkpointing",
                         [](auto& o) {
                           o.activation_checkpointing = true;
                           o.micro_batch_size = 3;
                         }},
                    Case{"post_norm_with_projections",
                         [](auto& o) { o.model = test::parity_folder("opt350_tiny"); }},
                    Case{"llama",
                         [](auto& o) {
                           o.model = test::parity_folder("llama_gqa_tiny");
                           o.target_modules = {"all-linear"};
                         }},
                    Case{"sgd_with_momentum",
                         [](auto& o) {
                           o.optimizer = "sgd";
                           o.momentum = 0.9;
                         }},
                    Case{"full",
                         [](auto& o) {
                           o.method = "full";
                           o.knots.clear();
                         }},
                    Case{"full_bf16",
                         [](auto& o) {
                           o.method = "full";
                           o.knots.clear();
                           o.dtype = "bf16";
                         }}),
    [](const auto& info) { return info.param.name; });

TEST(OnDevice, ARunGoesOnElsewhere) {
  for (const bool device_first : {true, false}) {
    const test::TemporaryFolder folder;
    TrainOptions options = test::small_options(folder.path());
    options.device = "cpu";
    options.save_steps = 4;
    options.save_total_limit = 9;
    options.out = folder / "whole";
    (void)test::run(options);
    options.out = folder / "moved";
    const auto device = std::make_shared<test::GuardedBackend>();
    const auto cpu = ops::open_backend("cpu");
    (void)run_on(device_first ? device : cpu, options);
    for (const char* later : {"step-8", "step-12"})
      std::filesystem::remove_all(folder / "moved" / "checkpoints" / later);
    if (!std::filesystem::exists(folder / "moved" / "checkpoints" / "step-4")) {
      ADD_FAILURE() << "no checkpoint to go on from";
      return;
    }
    (void)run_on(device_first ? cpu : device, options, true);
    test::expect_same_run(folder / "moved", folder / "whole");
  }
}

TEST(OnDevice, GeneratesTheSameTokens) {
  const auto folder = test::parity_folder("llama_tiny");
  const DecoderSpec config = read_model_config(folder);
  test::GuardedBackend guarded;
  const auto generate = [&](ops::Backend& backend) {
    const Decoder model(config, Weights(config, open_checkpoint(folder), DType::f32, backend.memory()));
    ops::Context context(backend);
    std::vector<std::int32_t> tokens;
    std::vector<Generation> generations;
    for (const std::int32_t first : {5, 17}) {
      generations.push_back({{first, 9, 33}, 6, Sampler(0.0, 1.0, 0), [&](std::int32_t token) {
                               tokens.push_back(token);
                               return true;
                             }});
    }
    generate_tokens(context, model, generations);
    return tokens;
  };
  EXPECT_EQ(generate(guarded), generate(ops::cpu_backend()));
}

TEST(OnDevice, RefusesTheHostsMemory) {
  test::GuardedBackend guarded;
  ops::Context context(guarded);
  Matrix on_host(DType::f32, 2, 2);
  Matrix on_device(DType::f32, 2, 2, guarded.memory());
  EXPECT_THROW(ops::add(context, on_host.view(), on_device.view(), on_device.view()), std::logic_error);
  EXPECT_NO_THROW(ops::add(context, on_device.view(), on_device.view(), on_device.view()));
}

}  // namespace
}  // namespace cola
