// The analytic count of a step against what Context counted while it ran, exactly.
#include "train/step_flops.h"

#include <gtest/gtest.h>

#include "core/error.h"
#include "eval/question_loss.h"
#include "lora/target_modules.h"
#include "model/linear_names.h"
#include "model/parameter_spec.h"
#include "support/engine.h"
#include "support/questions.h"
#include "support/renamed_family.h"

namespace cola {
namespace {

constexpr std::int32_t largest_id = 60;

class StepFlopsOf : public testing::TestWithParam<std::string> {
 protected:
  static std::vector<Linear*> targets(test::Engine& engine, const std::vector<std::string>& selectors) {
    const auto linears = engine.model.linears();
    std::vector<Linear*> chosen;
    for (const std::size_t index : select_target_modules(linear_names(engine.model.spec()), selectors))
      chosen.push_back(linears[index]);
    return chosen;
  }

  /// FLOPs of a step of the candidates' objective: scores, then the loss and its gradient.
  static std::uint64_t run_candidates(test::Engine& engine, const QuestionBatch& batch) {
    const std::uint64_t before = engine.context.flops();
    const StepState state{engine.context, batch.batch, true};
    std::vector<float> nll(batch.candidate_of.size());
    std::vector<float> weights(nll.size());
    engine.model.forward(state, engine.activations);
    engine.model.loss(state, engine.activations, nll, {});
    question_loss_weights(batch, candidate_scores(batch, nll), batch.questions(), weights);
    engine.model.loss_and_backward(state, engine.activations, weights, nll);
    return engine.context.flops() - before;
  }

  static std::uint64_t run_language_model(test::Engine& engine, const RaggedBatch& batch, bool recompute) {
    const std::uint64_t before = engine.context.flops();
    StepState state{engine.context, batch, true};
    state.recompute = recompute;
    std::vector<float> nll(batch.targets.size());
    engine.model.forward(state, engine.activations);
    engine.model.loss_and_backward(state, engine.activations, std::vector<float>(nll.size(), 0.1F), nll);
    return engine.context.flops() - before;
  }

  /// Selectors of one module in the model's middle block and of others; those that the model has.
  static std::vector<std::vector<std::string>> selections(test::Engine& engine) {
    if (engine.model.spec().block(0).attention.fused) {
      return {{"qkv_proj"},           {"all-linear"},   {R"(.*\.1\..*qkv_proj)"},  {"o_proj"},
              {R"(.*\.1\..*o_proj)"}, {"gate_up_proj"}, {R"(.*\.1\..*down_proj)"}, {"qkv_proj", "lm_head"}};
    }
    std::vector<std::vector<std::string>> all{{"q_proj", "v_proj"},
                                              {"all-linear"},
                                              {R"(.*\.1\..*q_proj)"},
                                              {R"(.*\.(o|out)_proj)"},
                                              {R"(.*\.1\..*(o|out)_proj)"},
                                              {R"(.*(fc1|up_proj))"},
                                              {R"(.*\.1\..*(fc2|down_proj))"},
                                              {"q_proj", "lm_head"}};
    if (engine.model.spec().has_projections()) {
      all.push_back({"project_in"});
      all.push_back({"project_out"});
      all.push_back({".*"});
    }
    return all;
  }
};

TEST_P(StepFlopsOf, TheStepAsCounted) {
  const auto questions = test::questions_of_every_form(largest_id);
  test::Engine probe(GetParam());
  for (const auto& selection : selections(probe)) {
    for (const TieMode tie : {TieMode::merge, TieMode::stack}) {
      SCOPED_TRACE(testing::Message() << selection.front() << " " << name_of(tie));
      test::Engine engine(GetParam());
      Chain chain(engine.model, tie);
      chain.add_tied(engine.context, test::random_link_on(targets(engine, selection), {2, 4.0}, 5));
      chain.begin_live(test::random_link_on(targets(engine, selection), {3, 6.0}, 17), true);
      const LinkInTraining link{selection, 3, tie == TieMode::stack ? 2 : 0};
      EXPECT_EQ(link_parameters(engine.model.spec(), link), chain.live().parameter_count());
      for (const bool share : {false, true}) {
        const QuestionBatch batch = make_question_batch(test::pointers(questions), share);
        EXPECT_EQ(
            step_flops(engine.model.spec(), link, 2).of(size_of(batch.batch, engine.model.spec().windows())),
            static_cast<double>(run_candidates(engine, batch)));
        for (const bool recompute : {false, true}) {
          EXPECT_EQ(step_flops(engine.model.spec(), link, 1, recompute)
                        .of(size_of(batch.batch, engine.model.spec().windows())),
                    static_cast<double>(run_language_model(engine, batch.batch, recompute)));
        }
      }
    }
  }
}

TEST_P(StepFlopsOf, RefusesWhatCannotBeTrained) {
  const DecoderSpec config = test::Engine(GetParam()).model.spec();
  EXPECT_THROW((void)step_flops(config, {{"nothing"}, 2, 0}, 1), UsageError);
  EXPECT_THROW((void)step_flops(config, {{"q_proj"}, 0, 0}, 1), UsageError);
  EXPECT_THROW((void)step_flops(config, {{"q_proj"}, config.hidden_size + 1, 0}, 1), UsageError);
}

TEST_P(StepFlopsOf, CountsByRolesNotByNames) {
  const DecoderSpec config = test::Engine(GetParam()).model.spec();
  for (const bool recompute : {false, true}) {
    const StepFlops flops = step_flops(config, {{"all-linear"}, 2, 3}, 1, recompute);
    const StepFlops renamed = step_flops(test::renamed(config), {{"all-linear"}, 2, 3}, 1, recompute);
    EXPECT_EQ(renamed.per_token, flops.per_token);
    EXPECT_EQ(renamed.per_pair, flops.per_pair);
    EXPECT_EQ(renamed.per_loss_row, flops.per_loss_row);
  }
}

INSTANTIATE_TEST_SUITE_P(Models, StepFlopsOf, testing::ValuesIn(test::models_of_all_families()),
                         [](const auto& info) { return info.param; });

}  // namespace
}  // namespace cola
