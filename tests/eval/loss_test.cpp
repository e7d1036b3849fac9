#include "eval/loss.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "eval/tiny_models.h"

namespace cola {
namespace {

class EvaluateLoss : public testing::TestWithParam<std::string> {};

/// One sequence at a time, from the logits, in double.
LossSummary by_hand(const Decoder& model, const std::vector<Example>& examples) {
  ops::Context context;
  DecoderActivations activations;
  LossSummary summary;
  const auto vocabulary = static_cast<std::size_t>(model.spec().vocab_size);
  std::vector<float> logits(vocabulary);
  for (const Example& example : examples) {
    const std::array sequence{&example};
    const RaggedBatch batch = make_batch(sequence);
    const StepState step{context, batch};
    model.forward(step, activations);
    for (std::int32_t row = 0; row + 1 < static_cast<std::int32_t>(example.ids.size()); ++row) {
      const std::int32_t label = example.labels[static_cast<std::size_t>(row) + 1];
      if (label == no_label) continue;
      const std::array rows{row};
      model.logits(step, activations, rows,
                   {logits.data(), DType::f32, 1, model.spec().vocab_size, model.spec().vocab_size});
      double sum = 0.0;
      for (const float logit : logits) sum += std::exp(static_cast<double>(logit));
      summary.nll_sum += std::log(sum) - static_cast<double>(logits[static_cast<std::size_t>(label)]);
      summary.correct += std::ranges::max_element(logits) - logits.begin() == label ? 1 : 0;
      ++summary.loss_tokens;
    }
    ++summary.sequences;
  }
  return summary;
}

TEST_P(EvaluateLoss, IsTheMeanOverAllLossTokens) {
  const Decoder model = test::tiny_model(GetParam());
  const auto examples = test::random_examples(20);
  const LossSummary expected = by_hand(model, examples);
  ops::Context context;
  DecoderActivations activations;
  const LossSummary summary = evaluate_loss(context, model, activations, examples, 64);
  EXPECT_EQ(summary.loss_tokens, expected.loss_tokens);
  EXPECT_EQ(summary.sequences, expected.sequences);
  EXPECT_EQ(summary.correct, expected.correct);
  // The engine's losses are f32 sums over a vocabulary of 37: a few units in the last place (6e-8) each.
  EXPECT_NEAR(summary.loss(), expected.loss(), 1e-5 * expected.loss());
  EXPECT_DOUBLE_EQ(summary.perplexity(), std::exp(summary.loss()));
}

TEST_P(EvaluateLoss, DoesNotDependOnTheBatchSize) {
  const Decoder model = test::tiny_model(GetParam());
  const auto examples = test::random_examples(30);
  ops::Context context;
  DecoderActivations activations;
  const LossSummary one = evaluate_loss(context, model, activations, examples, 1);
  for (const std::int64_t tokens : {13, 40, 100000}) {
    const LossSummary other = evaluate_loss(context, model, activations, examples, tokens);
    EXPECT_EQ(other.loss_tokens, one.loss_tokens);
    EXPECT_EQ(other.sequences, 30);
    EXPECT_NEAR(other.nll_sum, one.nll_sum, 1e-5 * one.nll_sum) << tokens;  // f32 rounding in another order
  }
}

TEST_P(EvaluateLoss, ReportsProgressUpToTheEnd) {
  const Decoder model = test::tiny_model(GetParam());
  const auto examples = test::random_examples(9);
  ops::Context context;
  DecoderActivations activations;
  std::vector<std::int64_t> done;
  (void)evaluate_loss(context, model, activations, examples, 20, [&](std::int64_t now, std::int64_t total) {
    done.push_back(now);
    EXPECT_EQ(total, 9);
  });
  EXPECT_TRUE(std::ranges::is_sorted(done));
  ASSERT_GT(done.size(), 1U);
  EXPECT_EQ(done.back(), 9);
}

INSTANTIATE_TEST_SUITE_P(Architectures, EvaluateLoss, testing::Values("opt", "llama"));

}  // namespace
}  // namespace cola
