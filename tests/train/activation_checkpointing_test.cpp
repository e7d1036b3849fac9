// A step that keeps only the blocks' inputs and recomputes the rest has the same bits as one that keeps all.
#include <gtest/gtest.h>

#include "small_run.h"
#include "support/engine.h"
#include "support/questions.h"
#include "train/training_data.h"

namespace cola {
namespace {

struct Case {
  std::string model;
  DType dtype;
};

struct StepResult {
  std::vector<float> nll;
  std::vector<std::vector<float>> gradients;

  bool operator==(const StepResult&) const = default;
};

class ActivationCheckpointing : public testing::TestWithParam<Case> {
 protected:
  ActivationCheckpointing() : engine(GetParam().model, GetParam().dtype) {
    const auto largest = static_cast<std::int32_t>(engine.model.spec().vocab_size) - 1;
    questions = test::questions_of_every_form(largest);
    for (const auto& question : questions) {
      for (const auto& candidate : question.candidates) examples.push_back({candidate.ids, candidate.ids});
    }
  }

  [[nodiscard]] RaggedBatch sequences() const {
    std::vector<const Example*> pointers;
    for (const auto& example : examples) pointers.push_back(&example);
    return make_batch(pointers);
  }

  /// One step with hidden and LoRA dropout; gradients are those of `parameters` after it.
  StepResult step(const RaggedBatch& batch, bool recompute, const std::vector<Matrix*>& gradients) {
    for (Matrix* gradient : gradients) gradient->fill_zero();
    const StepState state{engine.context, batch, true, 0.1F, 0.2F, 5, recompute};
    StepResult result;
    result.nll.resize(batch.targets.size());
    DecoderActivations activations;
    engine.model.forward(state, activations);
    const std::vector<float> weights(result.nll.size(), 0.01F);
    engine.model.loss_and_backward(state, activations, weights, result.nll);
    kept_bytes = 0;
    for (const auto& block : activations.blocks) kept_bytes += block.attention.q.capacity_bytes();
    for (const Matrix* gradient : gradients)
      result.gradients.emplace_back(gradient->floats().begin(), gradient->floats().end());
    return result;
  }

  void expect_same_bits(const std::vector<Matrix*>& gradients) {
    ASSERT_FALSE(gradients.empty());
    for (const bool shared_prefixes : {false, true}) {
      SCOPED_TRACE(shared_prefixes ? "shared prefixes" : "sequences");
      const RaggedBatch batch =
          shared_prefixes ? make_question_batch(test::pointers(questions), true).batch : sequences();
      const StepResult kept = step(batch, false, gradients);
      EXPECT_GT(kept_bytes, 0U);
      EXPECT_TRUE(step(batch, true, gradients) == kept);
      EXPECT_EQ(kept_bytes, 0U);
      for (const auto& gradient : kept.gradients)
        EXPECT_TRUE(std::ranges::any_of(gradient, [](float value) { return value != 0.0F; }));
    }
  }

  void expect_same_bits_with_lora(const std::vector<std::string>& targets, TieMode tie) {
    Chain chain(engine.model, tie);
    chain.add_tied(engine.context, test::random_link_on(engine.targets(targets), {2, 4.0}, 30));
    chain.begin_live(test::random_link_on(engine.targets(targets), {4, 8.0}, 31), true);
    std::vector<Matrix*> gradients;
    for (auto* list : {&chain.a_gradients(), &chain.b_gradients()}) {
      for (Matrix& gradient : *list) gradients.push_back(&gradient);
    }
    expect_same_bits(gradients);
  }

  test::Engine engine;
  std::vector<Question> questions;
  std::vector<Example> examples;
  std::size_t kept_bytes = 0;  ///< by `blocks` in the last step
};

TEST_P(ActivationCheckpointing, LoraOnQueryAndValue) {
  expect_same_bits_with_lora({"q_proj", "v_proj", "qkv_proj"}, TieMode::merge);
}

TEST_P(ActivationCheckpointing, LoraOnEveryLayerAndTheHead) {
  expect_same_bits_with_lora({"q_proj", "k_proj", "v_proj", "out_proj", "o_proj", "fc1", "fc2", "gate_proj",
                              "up_proj", "down_proj", "qkv_proj", "gate_up_proj", "lm_head"},
                             TieMode::stack);
}

TEST_P(ActivationCheckpointing, LoraOnTheHeadAlone) {
  Chain chain(engine.model, TieMode::stack);
  chain.begin_live(test::random_link_on(engine.targets({"lm_head"}), {4, 8.0}, 31), true);
  const RaggedBatch batch = sequences();
  const std::vector<Matrix*> gradients{&chain.a_gradients().front(), &chain.b_gradients().front()};
  EXPECT_TRUE(step(batch, true, gradients) == step(batch, false, gradients));
}

TEST_P(ActivationCheckpointing, AllWeights) {
  std::vector<Matrix*> gradients;
  for (const auto& parameter : engine.model.weights().all()) {
    engine.model.weights().make_trained(*parameter);
    gradients.push_back(&parameter->training->gradient);
  }
  expect_same_bits(gradients);
}

std::vector<Case> cases() {
  std::vector<Case> result;
  for (const auto& model : test::models_of_all_families()) {
    for (const DType dtype : {DType::f32, DType::bf16}) result.push_back({model, dtype});
  }
  return result;
}
INSTANTIATE_TEST_SUITE_P(Models, ActivationCheckpointing, testing::ValuesIn(cases()),
                         [](const testing::TestParamInfo<Case>& info) {
                           return info.param.model + "_" + std::string(name_of(info.param.dtype));
                         });

class SmallerMemory : public testing::Test {
 protected:
  SmallerMemory() : options(test::small_options(folder.path())) {
    options.dropout = "0.1";
    options.lora_dropout = 0.1;
    options.out = folder / "plain";
    (void)test::run(options);
  }
  test::TemporaryFolder folder;
  TrainOptions options;
};

TEST_F(SmallerMemory, ARunWithCheckpointingIsTheSameRun) {
  options.activation_checkpointing = true;
  options.out = folder / "checkpointing";
  (void)test::run(options);
  // real_flops counts what is recomputed; everything else is the same.
  EXPECT_EQ(test::losses(options.out), test::losses(folder / "plain"));
  EXPECT_EQ(test::results_of(options.out), test::results_of(folder / "plain"));
  EXPECT_GT(test::values(options.out, "end", "real_flops").front(),
            1.1 * test::values(folder / "plain", "end", "real_flops").front());
}

// Batches of 4 in pieces of 3 and 1, whose gradients AdamW adds in another order. 1e-5 a loss: each gradient
// agrees to 1e-5 of its largest entry (RaggedBatchesF32.AnySplitHasTheSameGradient), 12 steps of 1e-3.
TEST_F(SmallerMemory, ARunInMicroBatchesAgrees) {
  options.micro_batch_size = 3;
  options.out = folder / "pieces";
  (void)test::run(options);
  const auto whole = test::losses(folder / "plain");
  const auto pieces = test::losses(options.out);
  ASSERT_EQ(pieces.size(), whole.size());
  for (std::size_t i = 0; i < whole.size(); ++i) EXPECT_NEAR(pieces[i], whole[i], 1e-5) << i;
  EXPECT_EQ(test::values(options.out, "step", "tokens"), test::values(folder / "plain", "step", "tokens"));
  EXPECT_NE(test::results_of(options.out),
            test::results_of(folder / "plain"));  // other roundings: it was cut
}

}  // namespace
}  // namespace cola
