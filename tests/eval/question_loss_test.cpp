// Scores, loss and gradients of questions, with and without sharing the candidates' common prefix, on a model
// of each family.
#include "eval/question_loss.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "eval/tiny_models.h"
#include "support/engine.h"
#include "support/questions.h"
#include "support/tensors.h"

namespace cola {
namespace {

constexpr std::int32_t largest_id = 60;

using Gradients = std::vector<std::vector<float>>;

const std::vector<std::string> every_linear{
    "project_in", "q_proj",    "k_proj",  "v_proj",    "out_proj",    "o_proj",   "fc1",
    "fc2",        "gate_proj", "up_proj", "down_proj", "project_out", "qkv_proj", "gate_up_proj"};

class Questions : public testing::TestWithParam<std::string> {
 protected:
  Questions() : questions(test::questions_of_every_form(largest_id)) {}

  /// Adds the gradient of the mean loss over `total` questions; returns the loss summed over these ones.
  static double step(test::Engine& engine, const std::vector<const Question*>& part, bool share_prefix,
                     std::int64_t total, const test::ReferenceDropout& dropout = {},
                     std::int64_t first_sequence = 0) {
    const QuestionBatch batch = make_question_batch(part, share_prefix, first_sequence);
    const StepState state{engine.context,
                          batch.batch,
                          true,
                          static_cast<float>(dropout.hidden),
                          static_cast<float>(dropout.lora),
                          dropout.seed};
    std::vector<float> nll(batch.candidate_of.size());
    std::vector<float> weights(nll.size());
    engine.model.forward(state, engine.activations);
    engine.model.loss(state, engine.activations, nll, {});
    const auto scores = candidate_scores(batch, nll);
    question_loss_weights(batch, scores, total, weights);
    engine.model.loss_and_backward(state, engine.activations, weights, nll);
    return question_loss(batch, scores);
  }

  static void begin_link(test::Engine& engine, Chain& chain) {
    chain.begin_live(test::random_link_on(engine.targets(every_linear), {3, 6.0}, 17), true);
  }

  static Gradients gradients_of(Chain& chain) {
    Gradients result;
    for (auto* list : {&chain.a_gradients(), &chain.b_gradients()}) {
      for (const Matrix& gradient : *list)
        result.emplace_back(gradient.floats().begin(), gradient.floats().end());
    }
    return result;
  }

  /// The gradient of a step in batches of the given numbers of questions.
  Gradients in_parts(test::Engine& engine, Chain& chain, const std::vector<std::size_t>& sizes,
                     bool share_prefix, const test::ReferenceDropout& dropout = {}) {
    begin_link(engine, chain);
    auto next = questions.begin();
    std::int64_t first_sequence = 0;
    for (const std::size_t size : sizes) {
      std::vector<const Question*> part;
      std::int64_t candidates = 0;
      for (std::size_t i = 0; i < size; ++i, ++next) {
        part.push_back(&*next);
        candidates += std::ssize(next->candidates);
      }
      (void)step(engine, part, share_prefix, std::ssize(questions), dropout, first_sequence);
      first_sequence += candidates;
    }
    EXPECT_EQ(next, questions.end());
    return gradients_of(chain);
  }

  static void expect_near(const Gradients& actual, const Gradients& expected, double tolerance) {
    ASSERT_EQ(actual.size(), expected.size());
    for (std::size_t i = 0; i < actual.size(); ++i) {
      const std::vector<double> reference(expected[i].begin(), expected[i].end());
      EXPECT_GT(test::largest_of(reference), 0.0) << i;
      EXPECT_LE(test::largest_difference(actual[i], reference), tolerance * test::largest_of(reference)) << i;
    }
  }

  QuestionScores scores_of(test::Engine& engine, bool share_prefix, std::int64_t batch_tokens) {
    return score_questions(engine.context, engine.model, engine.activations, questions, share_prefix,
                           batch_tokens);
  }

  std::vector<Question> questions;
};

/// Scores of the reference, each candidate a sequence of its own, and the mean loss.
QuestionScores reference_scores(test::ReferenceDecoder<double>& reference,
                                const std::vector<Question>& questions) {
  QuestionScores result;
  for (const Question& question : questions) {
    std::vector<double> scores;
    for (const Example& candidate : question.candidates) {
      const std::array alone{candidate};
      scores.push_back(-reference.forward(test::packed(alone)));
    }
    double sum = 0.0;
    for (const double score : scores) sum += std::exp(score);
    result.loss += (std::log(sum) - scores[static_cast<std::size_t>(question.gold)]) /
                   static_cast<double>(questions.size());
    result.scores.push_back(std::move(scores));
  }
  return result;
}

void expect_near_scores(const QuestionScores& actual, const QuestionScores& expected, double tolerance) {
  ASSERT_EQ(actual.scores.size(), expected.scores.size());
  for (std::size_t q = 0; q < actual.scores.size(); ++q) {
    ASSERT_EQ(actual.scores[q].size(), expected.scores[q].size());
    for (std::size_t c = 0; c < actual.scores[q].size(); ++c) {
      EXPECT_NEAR(actual.scores[q][c], expected.scores[q][c], tolerance) << q << " " << c;
    }
  }
  EXPECT_NEAR(actual.loss, expected.loss, tolerance);
}

/// The engine's, each candidate a batch of its own; the loss is not computed.
QuestionScores scores_alone(test::Engine& engine, const std::vector<Question>& questions) {
  QuestionScores alone;
  for (const Question& question : questions) {
    auto& scores = alone.scores.emplace_back();
    for (const Example& candidate : question.candidates) {
      const std::array one{&candidate};
      scores.push_back(-test::mean(engine.loss(make_batch(one))));
    }
  }
  return alone;
}

/// Shared and whole, in passes of any size. 1e-5: log-probabilities of order 5 in f32 after a dozen layers,
/// as for the models' losses.
void expect_scores_alone(test::Engine& engine, const std::vector<Question>& questions) {
  QuestionScores alone = scores_alone(engine, questions);
  for (const bool share : {false, true}) {
    for (const std::int64_t tokens : {1, 40, 100000}) {
      SCOPED_TRACE(testing::Message() << (share ? "shared " : "whole ") << tokens);
      const QuestionScores together =
          score_questions(engine.context, engine.model, engine.activations, questions, share, tokens);
      alone.loss = together.loss;
      expect_near_scores(together, alone, 1e-5);
    }
  }
}

TEST_P(Questions, ScoresAreThoseOfTheCandidatesAlone) {
  test::Engine engine(GetParam());
  expect_scores_alone(engine, questions);
}

// Whichever candidates lie beyond the original length, and on both sides of it: 3 to 13 tokens each.
TEST(QuestionsByLongRope, EachCandidateIsTurnedByItsOwnLength) {
  const auto questions = test::questions_of_every_form(largest_id);
  for (std::int64_t original = 1; original <= 15; ++original) {
    SCOPED_TRACE(original);
    test::Engine engine(test::longrope_config(original), test::parity_folder("phi3_plain"), DType::f32);
    expect_scores_alone(engine, questions);
  }
}

// A row of attention adds the same terms in another order; where that turns a rounding to bf16 (2^-9) the
// layers behind it carry it on: measured below 4e-4. Attention by tiles rounds weights as well, in other
// blocks where the prefix is shared: measured below 1.3e-2, with emulated tiles. Not seeing the prefix
// changes scores by up to 1.
TEST_P(Questions, InBf16SharingChangesNothingButRoundings) {
  test::Engine engine(GetParam(), DType::bf16);
  const double tolerance = ops::cpu_isa() == ops::CpuIsa::amx ? 3e-2 : 4e-3;
  expect_near_scores(scores_of(engine, true, 100000), scores_of(engine, false, 100000), tolerance);
}

// 1e-5 of the tensor's largest entry: the same numbers added in another order (6e-8 each).
TEST_P(Questions, GradientsOfALinkAreThoseOfTheWholeCandidates) {
  test::Engine engine(GetParam());
  Chain chain(engine.model, TieMode::stack);
  const auto whole = in_parts(engine, chain, {questions.size()}, false);
  expect_near(in_parts(engine, chain, {questions.size()}, true), whole, 1e-5);
  expect_near(in_parts(engine, chain, {4, 5}, true), whole, 1e-5);
}

TEST_P(Questions, GradientsOfEveryWeightAreThoseOfTheWholeCandidates) {
  Gradients gradients[2];
  std::vector<std::string> names;
  for (const bool share : {false, true}) {
    test::Engine engine(GetParam());
    for (const auto& parameter : engine.model.weights().all())
      engine.model.weights().make_trained(*parameter);
    (void)step(engine, test::pointers(questions), share, std::ssize(questions));
    names.clear();
    for (const auto& parameter : engine.model.weights().all()) {
      const auto gradient = parameter->training->gradient.floats();
      // Without rotation a key's bias adds the same to every score of a query: its gradient is noise.
      if (parameter->spec.name.ends_with("k_proj.bias")) continue;
      names.push_back(parameter->spec.name);
      gradients[share ? 1 : 0].emplace_back(gradient.begin(), gradient.end());
    }
  }
  EXPECT_GT(names.size(), 10U);
  expect_near(gradients[1], gradients[0], 1e-5);
}

class QuestionsOfReference : public Questions {};

TEST_P(QuestionsOfReference, ScoresAreThoseOfTheWholeCandidates) {
  test::Engine engine(GetParam());
  test::ReferenceDecoder<double> reference(test::ReferenceShape(engine.json),
                                           test::reference_weights(test::parity_folder(GetParam())));
  const auto expected = reference_scores(reference, questions);
  for (const bool share : {false, true}) expect_near_scores(scores_of(engine, share, 40), expected, 1e-5);
}

class QuestionsOfPhi3 : public Questions {};

// In training the longest candidate of a batch decides for all, also where its last token is not computed.
TEST_P(QuestionsOfPhi3, UnderLongRopeSharingLeavesTheGradients) {
  for (std::int64_t original = 1; original <= 15; ++original) {
    SCOPED_TRACE(original);
    test::Engine engine(test::longrope_config(original), test::parity_folder("phi3_plain"), DType::f32);
    Chain chain(engine.model, TieMode::stack);
    const auto whole = in_parts(engine, chain, {questions.size()}, false);
    expect_near(in_parts(engine, chain, {questions.size()}, true), whole, 1e-5);
  }
}

// Central differences of the whole candidates' loss in double: an error of step^2 = 1e-10, and 1e-5 of the
// largest entry for the engine's f32.
TEST_P(QuestionsOfReference, TheGradientIsTheDerivativeOfTheLoss) {
  questions = {questions[0], questions[3]};  // the reference is slow
  test::Engine engine(GetParam());
  Chain chain(engine.model, TieMode::stack);
  begin_link(engine, chain);
  test::ReferenceDecoder<double> reference(test::ReferenceShape(engine.json),
                                           test::reference_weights(test::parity_folder(GetParam())));
  reference.lora = test::reference_lora(chain.live());
  const double loss = step(engine, test::pointers(questions), true, std::ssize(questions));
  EXPECT_NEAR(loss / static_cast<double>(questions.size()), reference_scores(reference, questions).loss,
              1e-5);
  constexpr double h = 1e-5;
  const auto derivative = [&](double& entry) {
    const double value = entry;
    entry = value + h;
    const double above = reference_scores(reference, questions).loss;
    entry = value - h;
    const double below = reference_scores(reference, questions).loss;
    entry = value;
    return (above - below) / (2.0 * h);
  };
  for (std::size_t i = 0; i < chain.live().modules.size(); ++i) {
    const std::string& name = chain.live().modules[i].name;
    auto& lora = reference.lora.at(name);
    for (const auto& [entries, gradient] :
         {std::pair{&lora.a, chain.a_gradients()[i].floats()}, {&lora.b, chain.b_gradients()[i].floats()}}) {
      const std::vector<double> all(gradient.begin(), gradient.end());
      const auto at = static_cast<std::size_t>(
          std::ranges::max_element(all, {}, [](double g) { return std::abs(g); }) - all.begin());
      EXPECT_NEAR(all[at], derivative((*entries)[at]), 1e-5 * test::largest_of(all) + 1e-9) << name;
    }
  }
}

// With masks: the same for any split into batches, and others than without.
TEST_P(Questions, MasksDoNotDependOnTheBatches) {
  test::Engine engine(GetParam());
  Chain chain(engine.model, TieMode::stack);
  const test::ReferenceDropout dropout{0.1, 0.2, 5};
  const auto whole = in_parts(engine, chain, {questions.size()}, true, dropout);
  expect_near(in_parts(engine, chain, {2, 1, 6}, true, dropout), whole, 1e-5);
  EXPECT_NE(in_parts(engine, chain, {questions.size()}, true), whole);
}

INSTANTIATE_TEST_SUITE_P(Models, Questions, testing::ValuesIn(test::models_of_all_families()),
                         [](const auto& info) { return info.param; });

INSTANTIATE_TEST_SUITE_P(Models, QuestionsOfReference, testing::ValuesIn(test::parity_models()),
                         [](const auto& info) { return info.param; });

INSTANTIATE_TEST_SUITE_P(LongRope, QuestionsOfPhi3, testing::Values("phi3_plain"));

class QuestionLoss : public testing::Test {
 protected:
  QuestionLoss()
      : questions(test::questions_of_every_form(largest_id)),
        batch(make_question_batch(test::pointers(questions), true)) {}
  std::vector<Question> questions;
  QuestionBatch batch;
};

TEST_F(QuestionLoss, IsTheCrossEntropyOfMeanLogProbabilities) {
  const std::vector<Question> one{test::question({0, 1}, {{5, 6}, {7}}, 1)};
  const QuestionBatch small = make_question_batch(test::pointers(one), false);
  const auto scores = candidate_scores(small, std::vector<float>{1.0F, 2.0F, 3.0F});
  EXPECT_EQ(scores, (std::vector<double>{-1.5, -3.0}));
  EXPECT_NEAR(question_loss(small, scores), std::log1p(std::exp(1.5)), 1e-15);
}

// Central differences with h = 1/64 in nll of order 1: an error of h^2 / 6 = 4e-5 times a third derivative
// < 1.
TEST_F(QuestionLoss, WeightsAreItsDerivative) {
  std::vector<float> nll = test::random_floats(batch.batch.loss_tokens(), 4);
  std::vector<float> weights(nll.size());
  question_loss_weights(batch, candidate_scores(batch, nll), batch.questions(), weights);
  constexpr float h = 1.0F / 64.0F;
  double largest = 0.0;
  for (std::size_t i = 0; i < nll.size(); ++i) {
    const float value = nll[i];
    const auto loss_at = [&](float at) {
      nll[i] = at;
      return question_loss(batch, candidate_scores(batch, nll)) / static_cast<double>(batch.questions());
    };
    const double difference = loss_at(value + h) - loss_at(value - h);
    nll[i] = value;
    EXPECT_NEAR(static_cast<double>(weights[i]), difference / (2.0 * static_cast<double>(h)), 5e-5) << i;
    largest = std::max(largest, std::abs(difference));
  }
  EXPECT_GT(largest, 1e-3);
}

TEST_F(QuestionLoss, StaysFiniteAndExactForScoresFarApart) {
  const std::vector<Question> one{test::question({0, 1}, {{5}, {7}}, 1)};
  const QuestionBatch small = make_question_batch(test::pointers(one), true);
  std::vector<float> weights(2);
  const std::vector<double> wrong{0.0, -5000.0};
  EXPECT_EQ(question_loss(small, wrong), 5000.0);
  question_loss_weights(small, wrong, 1, weights);
  EXPECT_EQ(weights, (std::vector<float>{-1.0F, 1.0F}));
  // p of the right one is 1 - 4e-18: less than half an ulp of 1 in double.
  const std::vector<double> right{-40.0, 0.0};
  question_loss_weights(small, right, 1, weights);
  EXPECT_FLOAT_EQ(weights[0], -static_cast<float>(std::exp(-40.0)));
  EXPECT_FLOAT_EQ(weights[1], static_cast<float>(std::exp(-40.0)));
}

TEST_F(QuestionLoss, ProgressIsReportedUpToTheEnd) {
  test::Engine engine("opt_tiny");
  std::vector<std::int64_t> done;
  (void)score_questions(engine.context, engine.model, engine.activations, questions, true, 25,
                        [&](std::int64_t now, std::int64_t total) {
                          done.push_back(now);
                          EXPECT_EQ(total, std::ssize(questions));
                        });
  EXPECT_TRUE(std::ranges::is_sorted(done));
  ASSERT_GT(done.size(), 1U);
  EXPECT_EQ(done.back(), std::ssize(questions));
}

}  // namespace
}  // namespace cola
