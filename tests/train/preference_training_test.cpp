// Preference pairs, trained: against TRL's numbers, derivatives, and in whatever pieces a step is computed.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "backend/backend.h"
#include "cola/language_model.h"
#include "io/files.h"
#include "log/run_log.h"
#include "small_run.h"
#include "support/parity.h"
#include "train/session.h"
#include "train/step_part.h"

namespace cola {
namespace {

constexpr const char* pairs =
    R"({"prompt_ids": [1, 198, 189], "chosen_ids": [134, 150, 11, 2], "rejected_ids": [390, 106, 2]}
{"prompt_ids": [1, 306], "chosen_ids": [77, 446, 2], "rejected_ids": [77, 141, 26, 181, 86, 2]}
{"prompt_ids": [1, 303, 480, 368, 61], "chosen_ids": [2], "rejected_ids": [352, 99, 2]}
)";

struct Case {
  std::string name;
  PreferenceOptions options;
};

PreferenceOptions preference(const std::string& objective, const std::string& loss = "") {
  PreferenceOptions options;
  options.objective = objective;
  options.dpo_loss = loss;
  return options;
}

/// By the names of TRL's fixtures.
std::vector<Case> cases() {
  std::vector<Case> all;
  for (const char* loss : {"sigmoid", "hinge", "ipo", "robust", "sigmoid_norm"})
    all.push_back({loss, preference("dpo", loss)});
  all[3].options.label_smoothing = 0.1;
  all[4].options.beta = 2.0;
  all.push_back({"sigmoid_sft", preference("dpo")});
  all.back().options.sft_weight = 0.5;
  all.push_back({"sigmoid_start_adapter", preference("dpo")});
  all.back().options.reference = "start";
  all.push_back({"simpo", preference("simpo")});
  all.push_back({"orpo", preference("orpo")});
  return all;
}

class PreferenceTraining : public testing::TestWithParam<Case> {
 protected:
  PreferenceTraining() {
    const auto parity = test::parity_folder("llama_gqa_tiny");
    options.model = parity;
    options.train = {folder / "pairs.jsonl"};
    options.out = folder / "run";
    options.method = "lora";
    options.initial_link = {parity / "adapter"};
    options.max_steps = 5;
    options.batch_size = 6;
    options.no_shuffle = true;
    options.dtype = "f32";
    options.learning_rate = 1e-3;
    options.lr_scheduler = "constant";
    options.max_grad_norm = 0.0;
    options.threads = 1;
    options.preference = GetParam().options;
    test::write_text_file_at(options.train.front(), pairs);
  }

  [[nodiscard]] std::vector<double> losses(const TrainOptions& trained) const {
    (void)test::run(trained);
    std::vector<double> all;
    for (const auto& event : read_run_log(trained.out / "log.jsonl")) {
      if (event.at("event") == "step") all.push_back(event.at("loss"));
    }
    return all;
  }

  test::TemporaryFolder folder;
  TrainOptions options;
};

/// A session at its first step.
class FirstStep {
 public:
  explicit FirstStep(const TrainOptions& options)
      : session_(open_session(options, ops::open_backend("cpu"), ranks_)), context_(*session_.backend) {
    cola::PreferenceTraining& training = *session_.data.train.preference();
    const bool from_start = training.objective.reference_is_start;
    if (from_start) session_.chain->begin_live(session_.new_link(0), true);
    if (training.objective.has_reference()) {
      const auto scores =
          score_pairs(context_, *session_.model, activations_, session_.data.train.pairs(), true, 2048);
      for (std::size_t i = 0; i < scores.size(); ++i) training.references[i] = scores[i].sums;
    }
    session_.chain->clear();
    session_.chain->begin_live(session_.new_link(0), true);
  }

  /// The step's loss; its gradient is in trainables().
  double run() {
    const StepPart part =
        part_of_step(session_.data.train, *session_.batches, 0, session_.micro_batch, ranks_);
    for (const TrainableParameter& parameter : trainables()) std::ranges::fill(parameter.gradient, 0.0F);
    double sum = 0.0;
    for (const TrainingBatch& batch : part.batches) {
      sum += forward_backward(StepState{context_, batch.ragged(), true}, *session_.model, activations_, batch,
                              part.loss_terms, &session_.data.train.preference()->objective)
                 .sum;
    }
    return sum / static_cast<double>(part.loss_terms.items);
  }
  std::vector<TrainableParameter> trainables() { return session_.trainables(); }

 private:
  OneProcess ranks_;
  TrainingSession session_;
  ops::Context context_;
  DecoderActivations activations_;
};

TEST_P(PreferenceTraining, GradientIsTheLossesDerivative) {
  FirstStep step(options);
  (void)step.run();
  std::vector<std::vector<float>> gradients;
  double norm = 0.0;
  for (const TrainableParameter& parameter : step.trainables()) {
    gradients.emplace_back(parameter.gradient.begin(), parameter.gradient.end());
    for (const float g : gradients.back()) norm += double{g} * double{g};
  }
  const auto loss_along = [&](double distance) {
    const auto move = [&](double by) {
      auto parameters = step.trainables();
      for (std::size_t i = 0; i < parameters.size(); ++i) {
        for (std::size_t j = 0; j < gradients[i].size(); ++j)
          parameters[i].value[j] += static_cast<float>(by * double{gradients[i][j]} / std::sqrt(norm));
      }
    };
    move(distance);
    const double loss = step.run();
    move(-distance);
    return loss;
  };
  ASSERT_GT(norm, 0.0);
  constexpr double distance = 1e-2;  // losses are f32 sums: smaller steps drown in their rounding
  const double slope = (loss_along(distance) - loss_along(-distance)) / (2.0 * distance);
  EXPECT_NEAR(slope / std::sqrt(norm), 1.0, 2e-3);
}

/// What TRL makes of the same pairs, model and adapter. Its float32 numbers are within 1e-6 of float64's,
/// ipo's losses (of some 27) within 7e-6.
class PublishedPreferences : public PreferenceTraining {
 protected:
  void SetUp() override {
    const auto data = test::test_data();
    if (!data || !std::filesystem::exists(*data / "dpo")) GTEST_SKIP() << "COLA_TEST_DATA has no folder dpo";
    expected_ = read_json_file(*data / "dpo" / ("expected_" + GetParam().name + ".json"));
    tensors_ = open_safetensors(*data / "dpo" / ("expected_" + GetParam().name + ".safetensors"));
    options.train = {*data / "dpo" / "data.jsonl"};
  }

  Json expected_;
  std::unique_ptr<TensorSource> tensors_;
};

TEST_P(PublishedPreferences, Gradients) {
  FirstStep step(options);
  EXPECT_NEAR(step.run(), expected_.at("loss_float64").get<double>(), 1e-5);
  float largest = 0.0F;
  float error = 0.0F;
  for (const TrainableParameter& parameter : step.trainables()) {
    const auto expected = test::floats_of(*tensors_, "grad." + parameter.name);
    ASSERT_EQ(expected.size(), parameter.gradient.size()) << parameter.name;
    for (std::size_t i = 0; i < expected.size(); ++i) {
      largest = std::max(largest, std::abs(expected[i]));
      error = std::max(error, std::abs(parameter.gradient[i] - expected[i]));
    }
  }
  EXPECT_LT(error, 1e-5F * largest);
}

TEST_P(PublishedPreferences, StepsAndKnots) {
  const bool has_knot = expected_.contains("knot");
  std::vector<double> expected = expected_.at("trajectory").at("losses");
  if (has_knot) {
    options.method = "cola";
    options.knots = "5";
    options.max_steps = 10;
    options.initial_link.push_back(test::parity_folder("llama_gqa_tiny") / "adapter2");
    const std::vector<double> more = expected_.at("knot").at("losses");
    expected.insert(expected.end(), more.begin(), more.end());
  }
  const std::vector<double> trained = losses(options);
  ASSERT_EQ(trained.size(), expected.size());
  for (std::size_t i = 0; i < expected.size(); ++i) EXPECT_NEAR(trained[i], expected[i], 1e-5) << i;
  const auto check_link = [&](int number, const std::string& prefix) {
    const auto link =
        open_safetensors(options.out / "links" / std::to_string(number) / "adapter_model.safetensors");
    for (const auto& [name, tensor] : link->tensors()) {
      const auto values = test::floats_of(*link, name);
      const auto wanted = test::floats_of(*tensors_, prefix + name);
      ASSERT_EQ(values.size(), wanted.size());
      for (std::size_t i = 0; i < wanted.size(); ++i) EXPECT_NEAR(values[i], wanted[i], 1e-5F) << name;
    }
  };
  check_link(1, "adapter.");
  if (has_knot) check_link(2, "knot_adapter.");
}

INSTANTIATE_TEST_SUITE_P(Objectives, PublishedPreferences, testing::ValuesIn(cases()),
                         [](const auto& info) { return info.param.name; });

TEST_P(PreferenceTraining, IsTheSameInWhateverPieces) {
  const std::vector<double> whole = losses(options);
  TrainOptions cut = options;
  cut.out = folder / "cut";
  cut.micro_batch_size = 1;
  TrainOptions alone = options;
  alone.out = folder / "alone";
  alone.no_share_prefix = true;
  const std::vector<double> in_pieces = losses(cut);
  const std::vector<double> without_sharing = losses(alone);
  ASSERT_EQ(whole.size(), 5U);
  for (std::size_t i = 0; i < whole.size(); ++i) {
    // Sums in another order, in f32: of ipo's losses of some 30, too.
    EXPECT_NEAR(in_pieces[i], whole[i], 2e-6 * std::max(1.0, std::abs(whole[i]))) << i;
    EXPECT_NEAR(without_sharing[i], whole[i], 2e-6 * std::max(1.0, std::abs(whole[i]))) << i;
  }
  EXPECT_LT(whole.back(), whole.front());
}

TEST(PreferenceRun, IsEvaluatedAgainstItsBase) {
  const test::TemporaryFolder folder;
  TrainOptions options = test::small_options(folder.path());
  options.model = test::parity_folder("llama_gqa_tiny");
  test::write_text_file_at(options.train.front(), pairs);
  options.dev = options.train.front();
  options.preference = preference("dpo");
  options.learning_rate = 1e-2;
  options.knots = "2";
  options.epochs = 4;
  (void)test::run(options);
  const Json last = [&] {
    Json found;
    for (const auto& event : read_run_log(options.out / "log.jsonl")) {
      if (event.at("event") == "eval") found = event;
    }
    return found;
  }();
  EXPECT_LT(last.at("dev_loss").get<double>(), 0.6);  // 0.693 at first
  EXPECT_EQ(last.at("rewards_accuracy"), 1.0);
  ModelSource source;
  source.run = options.out;
  source.state = "last";
  source.dtype = "f32";
  source.threads = 1;
  LanguageModel model(source);
  for (int time = 0; time < 2; ++time) {  // the links are there again after the reference
    const PreferenceResult result = model.evaluate_preferences(options.dev, options.preference);
    EXPECT_NEAR(result.loss, last.at("dev_loss").get<double>(), 1e-5);
    EXPECT_NEAR(result.reward_chosen - result.reward_rejected, last.at("rewards_margin").get<double>(), 1e-4);
    EXPECT_EQ(result.accuracy, 1.0);
    EXPECT_EQ(result.pairs, 3);
  }
}

TEST(PreferenceRun, GoesOnToTheBit) {
  const test::TemporaryFolder folder;
  TrainOptions options = test::small_options(folder.path());
  options.model = test::parity_folder("llama_gqa_tiny");
  test::write_text_file_at(options.train.front(), pairs);
  options.preference = preference("dpo");
  options.preference.sft_weight = 0.1;
  options.batch_size = 2;
  options.knots = "2";
  options.epochs = 3;
  options.save_steps = 3;
  options.save_total_limit = 9;
  options.lora_dropout = 0.1;
  (void)test::run(options);
  const std::string weights = read_text_file(options.out / "last" / "adapter_model.safetensors");
  std::filesystem::remove_all(options.out / "last");
  for (const auto& entry : std::filesystem::directory_iterator(options.out / "checkpoints")) {
    if (entry.path().filename() != "step-3") std::filesystem::remove_all(entry.path());
  }
  (void)test::run(options, /*resume=*/true);
  EXPECT_EQ(read_text_file(options.out / "last" / "adapter_model.safetensors"), weights);
}

INSTANTIATE_TEST_SUITE_P(Objectives, PreferenceTraining, testing::ValuesIn(cases()),
                         [](const auto& info) { return info.param.name; });

}  // namespace
}  // namespace cola
