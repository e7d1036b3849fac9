// Logits, loss and gradients of the parity models against transformers + PEFT, in f32.
// Tolerances: the fixtures are within 3.4e-6 (logits), 6.3e-7 (loss) and 1.9e-6 of the largest (gradients) of
// a float64 computation; ours may be about ten times as far, and 1e-4, 1e-5, 1e-5 leave room for another
// order of summation.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <numeric>

#include "chain/chain.h"
#include "lora/peft_format.h"
#include "model/model_config.h"
#include "support/parity.h"

namespace cola {
namespace {

class Parity : public testing::TestWithParam<std::string> {
 protected:
  Parity()
      : config(read_model_config(test::parity_folder(GetParam()))),
        model(config, Weights(config, open_checkpoint(test::parity_folder(GetParam())), DType::f32)),
        examples(test::parity_examples(GetParam())) {
    std::vector<const Example*> pointers;
    for (const auto& example : examples) pointers.push_back(&example);
    batch = make_batch(pointers);
  }

  /// transformers computed the fixture as one batch. Where what a sequence is turned by depends on those
  /// beside it, that is the rule of a step in training.
  bool computed_as_a_step() const {
    return std::ranges::any_of(config.rotary_tables, [](const RotarySpec& table) {
      return table.kind == RotarySpec::Kind::longrope;
    });
  }

  std::vector<float> all_logits() {
    const StepState step{context, batch, computed_as_a_step()};
    std::vector<std::int32_t> rows(batch.ids.size());
    std::iota(rows.begin(), rows.end(), 0);
    std::vector<float> logits(rows.size() * static_cast<std::size_t>(config.vocab_size));
    model.forward(step, activations);
    model.logits(step, activations, rows,
                 {logits.data(), DType::f32, batch.tokens(), config.vocab_size, config.vocab_size});
    return logits;
  }

  double loss_and_backward() {
    const StepState step{context, batch, true};
    std::vector<float> nll(static_cast<std::size_t>(batch.loss_tokens()));
    model.forward(step, activations);
    const std::vector<float> weights(nll.size(), 1.0F / static_cast<float>(nll.size()));
    model.loss_and_backward(step, activations, weights, nll);
    return std::accumulate(nll.begin(), nll.end(), 0.0) / static_cast<double>(nll.size());
  }

  /// Largest difference to the fixture's logits [3, 17, V] over the tokens that are not padding.
  double logit_error(const TensorSource& expected, const std::vector<float>& logits) const {
    const auto reference = test::floats_of(expected, "logits");
    const auto vocabulary = static_cast<std::size_t>(config.vocab_size);
    const auto width = static_cast<std::size_t>(test::parity_width(GetParam()));
    double largest = 0.0;
    std::size_t row = 0;
    for (std::size_t sequence = 0; sequence < examples.size(); ++sequence) {
      for (std::size_t token = 0; token < examples[sequence].ids.size(); ++token, ++row) {
        const std::size_t place = (sequence * width + token) * vocabulary;
        for (std::size_t i = 0; i < vocabulary; ++i) {
          const double error =
              std::abs(static_cast<double>(logits[row * vocabulary + i] - reference[place + i]));
          largest = std::isnan(error) ? INFINITY : std::max(largest, error);
        }
      }
    }
    return largest;
  }

  /// Within 1e-5 of the fixture's largest entry; 1e-8 where all are 0 in exact arithmetic, as of queries with
  /// a window of one key.
  static void check_gradient(const TensorSource& expected, const std::string& key, const Matrix& gradient) {
    const auto reference = test::floats_of(expected, "grad." + key);
    ASSERT_EQ(reference.size(), gradient.floats().size()) << key;
    double largest = 0.0;
    double error = 0.0;
    for (std::size_t i = 0; i < reference.size(); ++i) {
      largest = std::max(largest, std::abs(static_cast<double>(reference[i])));
      error = std::max(error, std::abs(static_cast<double>(gradient.floats()[i] - reference[i])));
    }
    EXPECT_LT(error, 1e-5 * largest + 1e-8) << key;
  }

  DecoderSpec config;
  Decoder model;
  std::vector<Example> examples;
  RaggedBatch batch;
  ops::Context context;
  DecoderActivations activations;
};

TEST_P(Parity, BaseLogitsAndLoss) {
  const auto expected = open_safetensors(test::parity_folder(GetParam()) / "base_expected.safetensors");
  EXPECT_LT(logit_error(*expected, all_logits()), 1e-4);
  EXPECT_NEAR(loss_and_backward(), static_cast<double>(test::floats_of(*expected, "loss")[0]), 1e-5);
}

TEST_P(Parity, LoraLogitsLossAndGradients) {
  const auto expected = open_safetensors(test::parity_folder(GetParam()) / "lora_expected.safetensors");
  Chain chain(model, TieMode::merge);
  chain.begin_live(read_adapter(test::parity_folder(GetParam()) / "adapter"), true);
  EXPECT_LT(logit_error(*expected, all_logits()), 1e-4);
  EXPECT_NEAR(loss_and_backward(), static_cast<double>(test::floats_of(*expected, "loss")[0]), 1e-5);
  for (std::size_t i = 0; i < chain.live().modules.size(); ++i) {
    const std::string& name = chain.live().modules[i].name;
    check_gradient(*expected, peft_key_a(name), chain.a_gradients()[i]);
    check_gradient(*expected, peft_key_b(name), chain.b_gradients()[i]);
  }
}

TEST_P(Parity, FullGradients) {
  const auto file = test::parity_folder(GetParam()) / "full_expected.safetensors";
  if (!std::filesystem::exists(file)) GTEST_SKIP() << "the fixture has none";
  const auto expected = open_safetensors(file);
  for (const auto& parameter : model.weights().all()) model.weights().make_trained(*parameter);
  EXPECT_NEAR(loss_and_backward(), static_cast<double>(test::floats_of(*expected, "loss")[0]), 1e-5);
  for (const auto& parameter : model.weights().all())
    check_gradient(*expected, model.weights().name_in_file(*parameter), parameter->training->gradient);
}

TEST_P(Parity, ConfigurationsInTheOldFormSayTheSame) {
  const auto old = test::parity_folder(GetParam()) / "config.old.json";
  if (!std::filesystem::exists(old)) GTEST_SKIP() << "the fixture has none";
  EXPECT_TRUE(read_model_config(old) == config);
}

TEST_P(Parity, TyingLeavesTheLogits) {
  const auto expected = open_safetensors(test::parity_folder(GetParam()) / "lora_expected.safetensors");
  for (const TieMode mode : {TieMode::merge, TieMode::stack}) {
    Chain chain(model, mode);
    chain.begin_live(read_adapter(test::parity_folder(GetParam()) / "adapter"), true);
    const auto live = all_logits();
    chain.tie_live(context);
    const auto tied = all_logits();
    if (mode == TieMode::stack) {
      EXPECT_EQ(live, tied);
    }
    EXPECT_LT(logit_error(*expected, tied), 1e-4) << name_of(mode);
    chain.clear();
    const auto base = open_safetensors(test::parity_folder(GetParam()) / "base_expected.safetensors");
    EXPECT_LT(logit_error(*base, all_logits()), 1e-4) << "after clear";
  }
}

// A sequence's losses, scored, do not depend on what stands beside it.
TEST_P(Parity, ScoringEachSequenceAloneIsScoringThemTogether) {
  const auto losses_of = [&](const RaggedBatch& scored) {
    const StepState step{context, scored};
    std::vector<float> nll(static_cast<std::size_t>(scored.loss_tokens()));
    model.forward(step, activations);
    model.loss(step, activations, nll, {});
    return nll;
  };
  const std::vector<float> together = losses_of(batch);
  std::vector<float> alone;
  for (const Example& example : examples) {
    const std::array one{&example};
    std::ranges::copy(losses_of(make_batch(one)), std::back_inserter(alone));
  }
  ASSERT_EQ(alone.size(), together.size());
  for (std::size_t i = 0; i < alone.size(); ++i) EXPECT_NEAR(alone[i], together[i], 1e-5F) << i;
}

INSTANTIATE_TEST_SUITE_P(Models, Parity, testing::ValuesIn(test::parity_models()),
                         [](const auto& info) { return info.param; });
INSTANTIATE_TEST_SUITE_P(Families, Parity, testing::ValuesIn(test::parity_families()),
                         [](const auto& info) { return info.param; });

}  // namespace
}  // namespace cola
