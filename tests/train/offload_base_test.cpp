// --offload-base: the blocks' weights in the host's memory, brought to a device block by block.
#include <gtest/gtest.h>

#include <functional>

#include "core/system_memory.h"
#include "eval/generate.h"
#include "eval/loss.h"
#include "lora/target_modules.h"
#include "model/linear_names.h"
#include "model/model_config.h"
#include "small_run.h"
#include "support/deep_model.h"
#include "support/guarded_backend.h"
#include "support/unpacked_backend.h"
#include "train/memory_plan.h"
#include "train/trainer.h"

namespace cola {
namespace {

constexpr std::int64_t blocks = 5;

TrainResult run_on(const std::shared_ptr<ops::Backend>& backend, const TrainOptions& options,
                   bool resume = false) {
  OneProcess alone;
  return Trainer(open_session(options, backend, alone), {.resume = resume, .quiet = true}, alone).run();
}

TrainResult run_offloaded(TrainOptions options, bool resume = false) {
  options.device = "auto";
  options.offload_base = true;
  return run_on(std::make_shared<test::GuardedBackend>(), options, resume);
}

struct Case {
  std::string name;
  std::string model;
  std::function<void(TrainOptions&)> change;
};

class OffloadedBase : public testing::TestWithParam<Case> {};

TEST_P(OffloadedBase, TrainsToTheSameBits) {
  const test::TemporaryFolder folder;
  TrainOptions options = test::small_options(folder.path());
  test::add_dev(options);
  options.model = folder / "model";
  options.knots = "3,7";  // the second merge is of the original weights again
  options.device = "cpu";
  test::write_deep_model(options.model, GetParam().model, blocks);
  GetParam().change(options);
  options.out = folder / "whole";
  (void)run_on(std::make_shared<test::UnpackedBackend>(), options);
  options.out = folder / "offloaded";
  (void)run_offloaded(options);
  test::expect_same_run(folder / "offloaded", folder / "whole");
}

INSTANTIATE_TEST_SUITE_P(
    Settings, OffloadedBase,
    testing::Values(
        Case{"lora", "opt_tiny",
             [](auto& o) {
               o.method = "lora";
               o.knots.clear();
             }},
        Case{"merge", "opt_tiny", [](auto& o) { o.tie = "merge"; }},
        Case{"stack", "opt_tiny", [](auto& o) { o.tie = "stack"; }},
        Case{"merge_of_all_layers_in_bf16", "llama_gqa_tiny",
             [](auto& o) {
               o.dtype = "bf16";
               o.tie = "merge";
               o.target_modules = {"all-linear"};
             }},
        Case{"upper_blocks_and_head_alone", "llama_tiny",
             [](auto& o) { o.target_modules = {".*layers\\.[34]\\..*v_proj|lm_head"}; }},
        Case{"head_alone", "opt_tiny", [](auto& o) { o.target_modules = {"lm_head"}; }},
        Case{"biases_and_dropout", "opt350_tiny",
             [](auto& o) {
               o.bias = "lora_only";
               o.dropout = "0.1";
               o.lora_dropout = 0.1;
             }},
        Case{"checkpointing_in_micro_batches", "llama_gqa_tiny",
             [](auto& o) {
               o.activation_checkpointing = true;
               o.micro_batch_size = 3;
             }},
        Case{"one_block", "opt_tiny", [](auto& o) { test::write_deep_model(o.model, "opt_tiny", 1); }},
        Case{"parity_opt", "opt_tiny", [](auto& o) { o.model = test::parity_folder("opt_tiny"); }},
        Case{"parity_opt350", "opt_tiny", [](auto& o) { o.model = test::parity_folder("opt350_tiny"); }},
        Case{"parity_llama", "opt_tiny", [](auto& o) { o.model = test::parity_folder("llama_gqa_tiny"); }}),
    [](const auto& info) { return info.param.name; });

TEST(OffloadedRun, GoesOnWithoutItAndTheOtherWayRound) {
  for (const bool offloaded_first : {true, false}) {
    const test::TemporaryFolder folder;
    TrainOptions options = test::small_options(folder.path());
    options.model = folder / "model";
    test::write_deep_model(options.model, "opt_tiny", blocks);
    options.device = "cpu";
    options.save_steps = 4;
    options.save_total_limit = 9;
    options.knots = "3,7";
    options.out = folder / "whole";
    (void)test::run(options);
    options.out = folder / "moved";
    const auto run = [&](bool offloaded, bool resume) {
      return offloaded ? run_offloaded(options, resume) : test::run(options, resume);
    };
    (void)run(offloaded_first, false);
    for (const char* later : {"step-7", "step-8", "step-12"})
      std::filesystem::remove_all(folder / "moved" / "checkpoints" / later);
    (void)run(!offloaded_first, true);  // by --resume --offload-base=false, the first time
    test::expect_same_run(folder / "moved", folder / "whole");
  }
}

/// A model of random weights on a device that streams them, with a link on q_proj and v_proj.
class StreamedModel : public testing::Test {
 protected:
  StreamedModel() {
    test::write_deep_model(folder.path(), "llama_gqa_tiny", blocks);
    config = read_model_config(folder.path());
  }

  [[nodiscard]] Decoder model_on(ops::Backend& backend, bool streamed) const {
    Memory* of_blocks = streamed ? &ops::uploads_of(backend).memory() : nullptr;
    Decoder model(config,
                  Weights(config, open_checkpoint(folder.path()), DType::f32, backend.memory(), of_blocks));
    if (streamed) model.stream_weights(ops::uploads_of(backend));
    return model;
  }

  [[nodiscard]] static Link link_of(Decoder& model) {
    std::vector<Linear*> targets;
    const auto linears = model.linears();
    for (const std::size_t index :
         select_target_modules(linear_names(model.spec()), default_target_modules(model.spec())))
      targets.push_back(linears[index]);
    Link link = make_link(targets, {4, 8.0}, false);
    initialise_link(link, 1, 0);
    for (auto& module : link.modules) std::ranges::fill(module.b.floats(), 0.01F);
    return link;
  }

  test::TemporaryFolder folder;
  DecoderSpec config;
  test::GuardedBackend guarded;
  const std::vector<Example> examples{{{3, 14, 15, 9, 2}, {3, 14, 15, 9, 2}}, {{6, 5, 3}, {6, 5, 3}}};
};

TEST_F(StreamedModel, EvaluatesAndGeneratesTheSameBeforeAndAfterMerges) {
  const auto figures = [&](ops::Backend& backend, bool streamed) {
    Decoder model = model_on(backend, streamed);
    ops::Context context(backend);
    DecoderActivations activations;
    Chain chain(model, TieMode::merge);
    std::vector<double> values;
    const auto look = [&] {
      values.push_back(evaluate_loss(context, model, activations, examples).nll_sum);
      std::vector<Generation> generations;
      generations.push_back({{5, 9, 33}, 6, Sampler(0.0, 1.0, 0), [&](std::int32_t token) {
                               values.push_back(token);
                               return true;
                             }});
      generate_tokens(context, model, generations);
    };
    look();
    for (int tie = 0; tie < 2; ++tie) {
      chain.add_tied(context, link_of(model));
      look();
    }
    chain.clear();
    look();
    return values;
  };
  const auto values = figures(guarded, true);
  EXPECT_EQ(values, figures(ops::cpu_backend(), false));
  const auto first = std::span(values).first(values.size() / 4);
  EXPECT_TRUE(std::ranges::equal(first, std::span(values).last(first.size())));
  EXPECT_NE(values[0], values[first.size()]);  // the merge did something
}

TEST_F(StreamedModel, CopiesEachBlockOnceAPassAndAllocatesNothingLater) {
  Decoder model = model_on(guarded, true);
  ops::Context context(guarded);
  DecoderActivations activations;
  Chain chain(model, TieMode::stack);
  chain.begin_live(link_of(model), true);
  const std::vector<const Example*> sequences{&examples[0], &examples[1]};
  const RaggedBatch batch = make_batch(sequences);
  std::vector<float> nll(batch.targets.size());
  const std::vector<float> weights(nll.size(), 1.0F);
  const auto step = [&] {
    const StepState state{context, batch, true};
    model.forward(state, activations);
    model.loss_and_backward(state, activations, weights, nll);
  };
  step();
  for (int later = 0; later < 2; ++later) {
    const std::int64_t allocations = guarded.guarded().allocations();
    const std::int64_t fills = guarded.uploads()->fills();
    step();
    EXPECT_EQ(guarded.guarded().allocations(), allocations);
    EXPECT_EQ(guarded.uploads()->fills() - fills, 2 * (blocks - 2));  // two are there when it turns round
  }
}

TEST_F(StreamedModel, HasNoWeightsOfABlockThatIsNotThere) {
  Decoder model = model_on(guarded, true);
  ops::Context context(guarded);
  Matrix x(DType::f32, 1, config.hidden_size, guarded.memory());
  Matrix y(DType::f32, 1, config.block(0).attention.query_width(), guarded.memory());
  const RaggedBatch batch;
  LinearActivations kept;
  const Linear& query = *model.linears().front();
  EXPECT_THROW(query.forward({context, batch}, x.view(), {}, y.view(), kept), std::logic_error);
}

TEST(OffloadBase, IsRefusedWhereItMeansNothing) {
  const test::TemporaryFolder folder;
  TrainOptions options = test::small_options(folder.path());
  options.offload_base = true;
  options.device = "cpu";
  EXPECT_TRUE(test::contains_all(test::error_of(options), {"--offload-base", "cpu", "leave it out"}));
  options.device = "auto";
  EXPECT_THROW((void)run_on(ops::open_backend("cpu"), options), UsageError);
  options.method = "full";
  options.knots.clear();
  EXPECT_TRUE(test::contains_all(test::error_of(options), {"--offload-base", "--method cola or lora"}));
  EXPECT_FALSE(std::filesystem::exists(options.out));
}

/// LoRA of Llama-2-13B in bf16: 24.2 GiB of weights, of which 0.6 are no block's.
class OffloadPlan : public testing::Test {
 protected:
  OffloadPlan() {
    input.run.method = Method::cola;
    input.run.links.assign(2, {default_lora_r, default_lora_alpha});
    input.run.tie = TieMode::stack;
    input.targets = select_target_modules(linear_names(config), default_target_modules(config));
    input.compute_dtype = input.file_dtype = DType::bf16;
    input.batch_tokens = input.batch_loss_tokens = 512;
    input.in_device_memory = true;
  }
  [[nodiscard]] std::string refusal(std::int64_t gigabytes) const {
    try {
      require_memory(config, input, plan_memory(config, input), gigabytes << 30);
    } catch (const Error& error) {
      return error.what();
    }
    return "";
  }

  DecoderSpec config = spec_of_shape("llama-2-13b");
  MemoryPlanInput input;
};

TEST_F(OffloadPlan, HasTheBlocksOnTheHostAndRoomForTwo) {
  const MemoryPlan whole = plan_memory(config, input);
  input.offload_base = true;
  const MemoryPlan plan = plan_memory(config, input);
  const std::int64_t block = (4 * 5120 * 5120 + 3 * 5120 * 13824) * std::int64_t{2};
  EXPECT_EQ(plan.offloaded, 40 * block);
  EXPECT_EQ(plan.weights, whole.weights - 40 * block + 2 * block);
  EXPECT_EQ(plan.activations, whole.activations);
  EXPECT_EQ(whole.offloaded, 0);
  EXPECT_TRUE(test::contains_all(plan.summary(), {format_bytes(40 * block) + " of the host's"}));
  EXPECT_EQ(whole.summary().find("host"), std::string::npos);
}

TEST_F(OffloadPlan, HasMergedCopiesOnTheHostToo) {
  input.run.tie = TieMode::merge;
  const MemoryPlan whole = plan_memory(config, input);
  input.offload_base = true;
  const MemoryPlan plan = plan_memory(config, input);
  const std::int64_t matrix = 5120 * 5120;
  EXPECT_EQ(whole.merged, 80 * matrix * 2 + matrix * 4);  // one is summed up in f32
  EXPECT_EQ(plan.merged, matrix * (4 + 2));               // and rounded
  EXPECT_EQ(plan.offloaded, plan_memory(config, input).offloaded);
  input.run.tie = TieMode::stack;
  EXPECT_EQ(plan.offloaded - plan_memory(config, input).offloaded, 80 * matrix * 2);
}

TEST_F(OffloadPlan, IsAdvisedWhereItHelps) {
  EXPECT_EQ(refusal(40), "");
  EXPECT_TRUE(test::contains_all(refusal(22), {"the device's memory", "use --offload-base"})) << refusal(22);
  input.offload_base = true;
  EXPECT_EQ(refusal(22), "");
  EXPECT_EQ(refusal(1).find("--offload-base"), std::string::npos) << refusal(1);
  input.offload_base = input.in_device_memory = false;
  EXPECT_EQ(refusal(22).find("--offload-base"), std::string::npos) << refusal(22);
}

TEST_F(OffloadPlan, NeedsTheHostsMemory) {
  input.offload_base = true;
  input.processes = 2;
  const MemoryPlan plan = plan_memory(config, input);
  EXPECT_NO_THROW(require_host_memory(input, plan, 2 * plan.offloaded));
  try {
    require_host_memory(input, plan, 2 * plan.offloaded - 1);
    FAIL() << "no error";
  } catch (const Error& error) {
    EXPECT_TRUE(test::contains_all(error.what(), {"--offload-base needs", "host's memory", "smaller model"}));
  }
}

}  // namespace
}  // namespace cola
