// Ten steps of LoRA and COLA under each optimizer against PEFT's (tests/files/parity), through cola::train
// and its run folder. 2e-4 a loss: the fixtures are within 1.6e-6 of float64, and AdamW's early steps
// (sign(g) lr) amplify rounding.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "chain/chain.h"
#include "chain/run_folder.h"
#include "cola/train.h"
#include "log/run_log.h"
#include "lora/peft_format.h"
#include "model/model_config.h"
#include "support/parity.h"

namespace cola {
namespace {

struct Case {
  std::string model;
  std::string optimizer;
  double learning_rate;
  double weight_decay;
  bool cola;

  [[nodiscard]] std::string trajectory() const {
    return optimizer + (weight_decay > 0.0 ? "_wd0.1" : "") + (cola ? "_cola" : "_lora");
  }
};

void PrintTo(const Case& test_case, std::ostream* stream) {
  *stream << test_case.model << " " << test_case.trajectory();
}

std::vector<Case> all_cases() {
  std::vector<Case> cases;
  for (const auto& model : test::parity_models()) {
    for (const bool cola : {false, true}) {
      cases.push_back({model, "adamw", 1e-3, 0.0, cola});
      cases.push_back({model, "adamw", 1e-3, 0.1, cola});
      cases.push_back({model, "sgd", 1e-1, 0.0, cola});
      cases.push_back({model, "adagrad", 1e-2, 0.0, cola});
    }
  }
  for (const auto& model : test::parity_families()) {
    for (const bool cola : {false, true}) {
      cases.push_back({model, "adamw", 1e-3, 0.0, cola});
      cases.push_back({model, "sgd", 1e-2, 0.0, cola});
    }
  }
  return cases;
}

TrainOptions options_of(const Case& test_case, const std::filesystem::path& folder) {
  const auto parity = test::parity_folder(test_case.model);
  TrainOptions options;
  options.model = parity;
  options.train = {folder / "d.jsonl"};
  options.out = folder / "run";
  options.method = test_case.cola ? "cola" : "lora";
  options.initial_link = {parity / "adapter"};
  if (test_case.cola) {
    options.initial_link.push_back(parity / "adapter2");
    options.knots = "5";
  }
  options.max_steps = 10;
  options.batch_size = 3;
  options.no_shuffle = true;
  options.dtype = "f32";
  options.optimizer = test_case.optimizer;
  options.learning_rate = test_case.learning_rate;
  options.lr_scheduler = "constant";
  options.max_grad_norm = 0.0;
  options.weight_decay = test_case.weight_decay;
  test::write_parity_data(test_case.model, options.train.front());
  return options;
}

std::vector<double> logged_losses(const std::filesystem::path& run) {
  std::vector<double> losses;
  for (const auto& event : read_run_log(run / "log.jsonl")) {
    if (event.at("event") == "step") losses.push_back(event.at("loss"));
  }
  return losses;
}

std::vector<double> expected_losses(const Case& test_case) {
  return read_json_file(test::parity_folder(test_case.model) / "trajectories.json")
      .at(test_case.trajectory())
      .at("losses");
}

/// W0 + sum of the run's links for every target, against merged.<name> of the fixture.
void check_merged_weights(const Case& test_case, const std::filesystem::path& run) {
  const auto parity = test::parity_folder(test_case.model);
  const auto expected = open_safetensors(parity / ("traj_" + test_case.trajectory() + ".safetensors"));
  const DecoderSpec config = read_model_config(parity);
  Decoder model(config, Weights(config, open_checkpoint(parity), DType::f32));
  ops::Context context;
  Chain chain(model, TieMode::merge);
  for (auto& link : read_links({run}, test_case.cola ? 2 : 1)) chain.add_tied(context, std::move(link));
  int compared = 0;
  for (Linear* linear : model.linears()) {
    if (!linear->weight().is_merged()) continue;
    const Weights& weights = model.weights();
    const std::string name = weights.name_in_file(weights.at(linear->name() + ".weight"));
    const auto reference = test::floats_of(*expected, "merged." + name);
    double error = 0.0;
    for (std::size_t i = 0; i < reference.size(); ++i) {
      error = std::max(error, std::abs(static_cast<double>(linear->weight().values().owned()->floats()[i] -
                                                           reference[i])));
    }
    EXPECT_LT(error, 1e-4) << linear->name();
    ++compared;
  }
  EXPECT_EQ(compared, 2 * config.num_hidden_layers());
}

class Trajectory : public testing::TestWithParam<Case> {};

TEST_P(Trajectory, LossesAndMergedWeights) {
  const test::TemporaryFolder folder;
  const auto options = options_of(GetParam(), folder.path());
  (void)train(options, {.quiet = true});
  const auto losses = logged_losses(options.out);
  const auto expected = expected_losses(GetParam());
  ASSERT_EQ(losses.size(), expected.size());
  for (std::size_t i = 0; i < losses.size(); ++i)
    EXPECT_NEAR(losses[i], expected[i], 2e-4) << "step " << i + 1;
  const auto& with_merged = test::parity_models();  // the families' fixtures have the losses alone
  if (GetParam().weight_decay == 0.0 && std::ranges::find(with_merged, GetParam().model) != with_merged.end())
    check_merged_weights(GetParam(), options.out);
}

TEST_P(Trajectory, Bf16WithinTwoPercent) {
  const test::TemporaryFolder folder;
  for (const char* tie : {"merge", "stack"}) {
    auto options = options_of(GetParam(), folder.path());
    options.dtype = "bf16";
    options.tie = tie;
    options.out = folder.path() / tie;
    (void)train(options, {.quiet = true});
    const auto losses = logged_losses(options.out);
    const auto expected = expected_losses(GetParam());
    ASSERT_EQ(losses.size(), expected.size());
    for (std::size_t i = 0; i < losses.size(); ++i) {
      EXPECT_NEAR(losses[i], expected[i], 0.02 * expected[i]) << tie << ", step " << i + 1;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Parity, Trajectory, testing::ValuesIn(all_cases()), [](const auto& info) {
  std::string name = info.param.model + "_" + info.param.trajectory();
  std::ranges::replace(name, '.', '_');
  return name;
});

}  // namespace
}  // namespace cola
