// Options: what is refused before any file is read, how the plan follows from them, and their TOML.
#include "train/run_plan.h"

#include <gtest/gtest.h>

#include <cmath>
#include <functional>

#include "core/error.h"
#include "core/parallel.h"
#include "core/system_memory.h"
#include "lora/target_modules.h"
#include "model/linear_names.h"
#include "model/model_config.h"
#include "small_run.h"
#include "support/renamed_family.h"
#include "train/memory_plan.h"
#include "train/options_toml.h"

namespace cola {
namespace {

TrainOptions minimal_options() {
  TrainOptions options;
  options.model = "model";
  options.train = {"train.jsonl"};
  options.out = "run";
  return options;
}

/// what() of the UsageError of `call`, or "" if it throws none.
std::string usage_error(const std::function<void()>& call) {
  try {
    call();
  } catch (const UsageError& error) {
    return error.what();
  }
  return "";
}

TEST(RunPlan, RefusesWrongOptions) {
  using Change = std::function<void(TrainOptions&)>;
  const std::vector<std::pair<std::string, Change>> cases{
      {"--model", [](auto& o) { o.model = ""; }},
      {"--train", [](auto& o) { o.train = {}; }},
      {"--out", [](auto& o) { o.out = ""; }},
      {"--method", [](auto& o) { o.method = "dora"; }},
      {"--links", [](auto& o) { o.links = 0; }},
      {"--links", [](auto& o) { o.links = 1000; }},
      {"--links", [](auto& o) { o.links = 2, o.knots = "1ep"; }},
      {"--links", [](auto& o) { o.method = "lora", o.links = 2; }},
      {"--knots", [](auto& o) { o.method = "lora", o.knots = "3"; }},
      {"--knots", [](auto& o) { o.knots = "0"; }},
      {"--knots", [](auto& o) { o.knots = "-3"; }},
      {"--knots", [](auto& o) { o.knots = "20"; }},
      {"--knots", [](auto& o) { o.knots = "5ep"; }},
      {"--knots", [](auto& o) { o.knots = "4,4"; }},
      {"--knots", [](auto& o) { o.knots = "8,4"; }},
      {"--knots", [](auto& o) { o.knots = "3,"; }},
      {"--knots", [](auto& o) { o.knots = "nanep"; }},
      {"--knots", [](auto& o) { o.knots = "99999999999999999999"; }},
      {"--lora-r", [](auto& o) { o.lora_r = 0; }},
      {"--lora-r", [](auto& o) { o.lora_r = std::int64_t{1} << 60; }},
      {"--lora-alpha", [](auto& o) { o.lora_alpha = NAN; }},
      {"--ranks", [](auto& o) { o.ranks = {4, -1}; }},
      {"--ranks", [](auto& o) { o.ranks = {4, 4, 4}; }},
      {"--alphas", [](auto& o) { o.alphas = {1.0, 2.0, 3.0}; }},
      {"--alphas", [](auto& o) { o.alphas = {INFINITY}; }},
      {"--tie", [](auto& o) { o.tie = "knot"; }},
      {"--link-init", [](auto& o) { o.link_init = "zero"; }},
      {"--lr-at-knot", [](auto& o) { o.lr_at_knot = "stop"; }},
      {"--bias", [](auto& o) { o.bias = "all"; }},
      {"--initial-link", [](auto& o) { o.initial_link = {"a", "b", "c"}; }},
      {"--initial-link", [](auto& o) { o.method = "full", o.initial_link = {"a"}; }},
      {"--freeze-a", [](auto& o) { o.method = "full", o.freeze_a = true; }},
      {"--learning-rate", [](auto& o) { o.learning_rate = 0.0; }},
      {"--learning-rate", [](auto& o) { o.learning_rate = INFINITY; }},
      {"schedule", [](auto& o) { o.lr_scheduler = "step"; }},
      {"--warmup-steps", [](auto& o) { o.warmup_steps = -1; }},
      {"optimizer", [](auto& o) { o.optimizer = "lion"; }},
      {"--weight-decay", [](auto& o) { o.weight_decay = -0.1; }},
      {"--momentum", [](auto& o) { o.optimizer = "sgd", o.momentum = 1.0; }},
      {"--momentum", [](auto& o) { o.momentum = 0.9; }},
      {"--max-grad-norm", [](auto& o) { o.max_grad_norm = NAN; }},
      {"--epochs", [](auto& o) { o.epochs = 0; }},
      {"--epochs", [](auto& o) { o.epochs = std::int64_t{1} << 62; }},
      {"--max-steps", [](auto& o) { o.max_steps = 0; }},
      {"--batch-size", [](auto& o) { o.batch_size = -8; }},
      {"--batch-size", [](auto& o) { o.batch_size = std::int64_t{1} << 62; }},
      {"--gradient-accumulation-steps", [](auto& o) { o.gradient_accumulation_steps = 0; }},
      {"--micro-batch-size", [](auto& o) { o.micro_batch_size = 0; }},
      {"--max-length", [](auto& o) { o.max_length = 1; }},
      {"--dropout", [](auto& o) { o.dropout = "1"; }},
      {"--dropout", [](auto& o) { o.dropout = "0.1x"; }},
      {"--lora-dropout", [](auto& o) { o.lora_dropout = 1.0; }},
      {"--dev-fraction", [](auto& o) { o.dev_fraction = 1.0; }},
      {"--dev-fraction", [](auto& o) { o.dev = "dev.jsonl", o.dev_fraction = 0.1; }},
      {"--eval-steps", [](auto& o) { o.eval_steps = 5; }},
      {"--eval-steps", [](auto& o) { o.dev = "dev.jsonl", o.eval_steps = 0; }},
      {"--early-stopping-patience", [](auto& o) { o.early_stopping_patience = 1; }},
      {"--save-steps", [](auto& o) { o.save_steps = 0; }},
      {"--save-total-limit", [](auto& o) { o.save_total_limit = 0; }},
      {"--dtype", [](auto& o) { o.dtype = "fp8"; }},
      {"--device", [](auto& o) { o.device = "tpu"; }},
      {"--threads", [](auto& o) { o.threads = -1; }},
      {"--threads", [](auto& o) { o.threads = 100000; }},
      {"--method lora", [](auto& o) { o.max_steps = 1; }},
  };
  EXPECT_EQ(usage_error([] { check_options(minimal_options()); }), "");
  for (std::size_t i = 0; i < cases.size(); ++i) {
    auto options = minimal_options();
    cases[i].second(options);
    const auto error = usage_error([&] {
      check_options(options);
      (void)make_run_plan(options, 32, DType::f32);  // 4 steps an epoch, 20 in all
    });
    EXPECT_NE(error.find(cases[i].first), std::string::npos) << "case " << i << ": '" << error << "'";
  }
}

TEST(RunPlan, LinksAndKnots) {
  auto options = minimal_options();
  auto plan = make_run_plan(options, 32, DType::f32);
  EXPECT_EQ(plan.knots, (std::vector<std::int64_t>{12}));  // 5 epochs of 4 steps in 3 + 2
  EXPECT_EQ(plan.tie, TieMode::merge);
  EXPECT_EQ(make_run_plan(options, 32, DType::bf16).tie, TieMode::stack);
  options.knots = "1ep,6,2.5ep";
  options.ranks = {8, 4, 2, 1};
  options.alphas = {3.0};
  plan = make_run_plan(options, 32, DType::f32);
  EXPECT_EQ(plan.knots, (std::vector<std::int64_t>{4, 6, 10}));
  ASSERT_EQ(plan.links.size(), 4U);
  EXPECT_EQ(plan.links[3].rank, 1);
  EXPECT_EQ(plan.links[3].alpha, 3.0);
  options.knots = "1";
  options.ranks.clear();
  options.max_steps = 2;  // less than an epoch
  EXPECT_EQ(make_run_plan(options, 32, DType::f32).total_steps, 2);
}

TEST(RunPlan, NamesOptionsThatMakeNoDifference) {
  using Names = std::vector<std::string>;
  auto options = minimal_options();
  options.lora_r = 8;
  options.tie = "merge";
  options.lr_at_knot = "restart";
  EXPECT_EQ(unused_options(options), Names());
  options.ranks = {4, 2};
  EXPECT_EQ(unused_options(options), Names{"lora-r"});
  options.ranks.clear();
  options.method = "lora";
  EXPECT_EQ(unused_options(options), Names{"lr-at-knot"});
  options.method = "full";
  options.target_modules = {"fc1"};
  EXPECT_EQ(unused_options(options), (Names{"lora-r", "target-modules", "tie", "lr-at-knot"}));
  options = minimal_options();
  options.decay_norms = true;
  EXPECT_EQ(unused_options(options), Names{"decay-norms"});
  options.weight_decay = 0.1;
  EXPECT_EQ(unused_options(options), Names{"decay-norms"});
  options.bias = "lora_only";
  EXPECT_EQ(unused_options(options), Names());
  options.bias = "none";
  options.method = "full";
  EXPECT_EQ(unused_options(options), Names());
}

TEST(OptionsToml, RoundTrip) {
  const test::TemporaryFolder folder;
  TrainOptions options = minimal_options();
  options.model = "a \"quoted\" folder\nof \xc3\xa9t\xc3\xa9 \\ 'it'";
  options.learning_rate = 0.1 + 0.2;
  options.lora_alpha = 1e-300;
  options.alphas = {1.0 / 3.0, 5.0};
  options.ranks = {1, 2};
  options.initial_link = {"x", "y"};
  options.seed = ~std::uint64_t{0};
  options.data_seed = 0;
  options.no_shuffle = true;
  options.dropout = "0.1";
  options.knots = "1ep,7";
  options.save_total_limit = 3;
  test::write_text_file_at(folder / "o.toml", to_toml(options));
  TrainOptions read;
  read_toml(folder / "o.toml", read);
  EXPECT_EQ(differing_options(options, read), std::vector<std::string>());
  EXPECT_EQ(read.model, options.model);
  EXPECT_EQ(read.learning_rate, options.learning_rate);
  EXPECT_EQ(read.alphas, options.alphas);
  EXPECT_EQ(read.seed, options.seed);
  EXPECT_EQ(read.data_seed, options.data_seed);
  read.data_seed.reset();
  read.lora_r = 9;
  EXPECT_EQ(differing_options(options, read), (std::vector<std::string>{"lora-r", "data-seed"}));
}

TEST(OptionsToml, ErrorsNameTheLine) {
  const test::TemporaryFolder folder;
  const std::vector<std::pair<std::string, std::string>> cases{
      {"epochs = 3\nlora_r = 8\n", "o.toml:2: unknown option 'lora_r'"},
      {"\n\nepochs = \"3\"\n", "o.toml:3: 'epochs' has the wrong type"},
      {"ranks = [1, 2.5]\n", "o.toml:1: 'ranks' has the wrong type"},
      {"no-shuffle = 1\n", "o.toml:1: 'no-shuffle' has the wrong type"},
      {"epochs = 3\nepochs = 4\n", "o.toml:2:"},
      {"seed = -1\n", "o.toml:1: 'seed' has the wrong type, or is out of range"},
      {"seed = \"18446744073709551616\"\n", "o.toml:1: 'seed' has"},
      {"threads = 5000000000\n", "o.toml:1: 'threads' has"},
      {"epochs = \n", "o.toml:1:"},
  };
  for (const auto& [text, expected] : cases) {
    test::write_text_file_at(folder / "o.toml", text);
    TrainOptions options;
    const auto error = usage_error([&] { read_toml(folder / "o.toml", options); });
    EXPECT_NE(error.find(expected), std::string::npos) << text << error;
  }
}

TEST(MemoryPlan, PackedWeightsNeedTilesSumsAndPanelsOfEachThread) {
  const DecoderSpec config = spec_of_shape("opt-1.3b");
  MemoryPlanInput input;
  input.run.method = Method::lora;
  input.compute_dtype = input.file_dtype = DType::bf16;
  input.batch_tokens = input.batch_loss_tokens = 1024;
  const MemoryPlan row_major = plan_memory(config, input);
  input.packed_weights = true;
  const MemoryPlan packed = plan_memory(config, input);
  EXPECT_EQ(packed.weights, row_major.weights);
  // A block of activations in tiles, sums of 512 tokens by 4,096 outputs, LoRA's panel of fc2's 8,192
  // columns.
  const std::int64_t a_thread = (1 << 20) + 512 * 4096 * 4 + 8192 * 128;
  EXPECT_EQ(packed.activations - row_major.activations, thread_count() * a_thread);
}

TEST(MemoryPlan, CountsTheRotaryTableOfThePositionsInUse) {
  const DecoderSpec config = spec_of_shape("llama-2-7b");
  MemoryPlanInput input;
  input.run.method = Method::lora;
  input.positions = 2048;
  const std::int64_t half = plan_memory(config, input).activations;
  input.positions = 4096;
  // cos and sin of 64 frequencies in f32 for each of 2,048 positions more.
  EXPECT_EQ(plan_memory(config, input).activations - half, std::int64_t{2048} * 2 * 64 * 4);
}

TEST(MemoryPlan, CountsByRolesNotByNames) {
  for (const char* shape : {"opt-350m", "llama-2-7b"}) {
    const auto plan = [](const DecoderSpec& config, bool offload) {
      MemoryPlanInput input;
      input.run.method = Method::cola;
      input.run.links.assign(2, {default_lora_r, default_lora_alpha});
      input.targets = select_target_modules(linear_names(config), {"all-linear"});
      input.compute_dtype = DType::bf16;
      input.batch_tokens = input.batch_loss_tokens = 100;
      input.in_device_memory = input.offload_base = offload;
      return plan_memory(config, input).summary();
    };
    const DecoderSpec config = spec_of_shape(shape);
    for (const bool offload : {false, true})
      EXPECT_EQ(plan(test::renamed(config), offload), plan(config, offload)) << shape;
  }
}

class MemoryRefusal : public testing::Test {
 protected:
  [[nodiscard]] std::string message(std::int64_t available = std::int64_t{64} << 30) const {
    try {
      require_memory(config, input, plan_memory(config, input), available);
    } catch (const Error& error) {
      return error.what();
    }
    return "";
  }

  DecoderSpec config = spec_of_shape("opt-125m");
  MemoryPlanInput input;
};

TEST_F(MemoryRefusal, SaysWhatWouldFit) {
  input.run.method = Method::full;
  input.batch_tokens = std::int64_t{1} << 40;
  EXPECT_TRUE(test::contains_all(message(), {"memory", "available", "--method cola or lora with a smaller"}))
      << message();
  input.run.method = Method::cola;
  EXPECT_TRUE(test::contains_all(message(), {"\nuse a smaller --micro-batch-size or --max-length"}))
      << message();
  EXPECT_EQ(message().find("bf16"), std::string::npos) << message();  // half of too much is too much
  input.batch_tokens = 8;
  EXPECT_EQ(message(), "");
}

TEST_F(MemoryRefusal, ProcessesShareTheHostsMemoryAndHaveADeviceEach) {
  input.processes = 4;
  for (const bool on_device : {false, true}) {
    input.in_device_memory = on_device;
    const std::int64_t one = plan_memory(config, input).total();
    EXPECT_EQ(message(one - 1).find(on_device ? "this run needs" : "the 4 processes here need"), 0U);
    EXPECT_EQ(message(one) == "", on_device);
  }
}

// The chain that is advised keeps adapters and merged weights: less memory than that is refused.
TEST_F(MemoryRefusal, CountsAllThatTheAdvisedChainKeeps) {
  MemoryPlanInput chain = input;
  chain.run.links.assign(2, {default_lora_r, default_lora_alpha});
  chain.targets = select_target_modules(linear_names(config), default_target_modules(config));
  const std::int64_t needed = plan_memory(config, chain).total();
  EXPECT_GT(needed, plan_memory(config, input).total());
  input.run.method = Method::full;
  const std::string advice = "--method cola or lora needs " + format_bytes(needed);
  EXPECT_TRUE(test::contains_all(message(needed), {advice})) << message(needed);
  EXPECT_EQ(message(needed - 1).find("lora needs"), std::string::npos) << message(needed - 1);
}

// Weights of terabytes: nothing helps but another model, least of all what is already on.
TEST_F(MemoryRefusal, SaysWhenNothingFits) {
  config = spec_of_shape("opt-13b");
  config.set_blocks(4000, config.block(0));
  for (const DType dtype : {DType::f32, DType::bf16}) {
    for (const Method method : {Method::full, Method::cola}) {
      input.compute_dtype = dtype;
      input.run.method = method;
      input.batch_tokens = 1000;
      EXPECT_TRUE(test::contains_all(message(), {"smaller model"})) << message();
      EXPECT_EQ(message().find("--"), std::string::npos) << message();
    }
  }
}

}  // namespace
}  // namespace cola
