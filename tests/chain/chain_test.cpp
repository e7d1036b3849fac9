#include "chain/chain.h"

#include <gtest/gtest.h>

#include "core/error.h"
#include "support/engine.h"

namespace cola {
namespace {

const std::vector<std::string> targets{"q_proj", "v_proj", "fc2", "down_proj", "project_out"};

class Chains : public testing::TestWithParam<std::string> {
 protected:
  Chains() : batch(test::packed(test::parity_examples(GetParam()))) {}

  static Link link(test::Engine& engine, std::uint64_t seed, bool biases = false) {
    const LinkShape shape{static_cast<std::int64_t>(1 + seed % 3), 2.0 * static_cast<double>(1 + seed)};
    return test::random_link_on(engine.targets(targets), shape, seed, biases);
  }

  RaggedBatch batch;
};

// W0 + sum of s B A in double, rounded once. The engine sums in f32 before it rounds to bf16: where the
// double sum is within f32 rounding (3e-7 for sums of terms up to 1) of the middle between two bf16 numbers,
// either is right; all other elements must agree exactly. Rounding at each tie moves a good part of them by a
// step.
TEST_P(Chains, ThreeMergesRoundOnce) {
  test::Engine engine(GetParam(), DType::bf16);
  Chain chain(engine.model, TieMode::merge);
  const auto weights = test::reference_weights(test::parity_folder(GetParam()));
  const Weights& parameters = engine.model.weights();
  std::map<std::string, std::vector<double>> sums;
  for (std::uint64_t seed = 1; seed <= 3; ++seed) {
    chain.begin_live(link(engine, seed), true);
    for (const auto& [name, lora] : test::reference_lora(chain.live())) {
      const std::string in_file = parameters.name_in_file(parameters.at(name + ".weight"));
      auto& sum = sums.try_emplace(name, weights.at(in_file)).first->second;
      const std::size_t in = lora.a.size() / lora.rank;
      const auto delta =
          ref::lora_delta<double>({0, in, sum.size() / in, lora.rank}, lora.a, lora.b, lora.scale);
      for (std::size_t i = 0; i < sum.size(); ++i) sum[i] += delta[i];
    }
    chain.tie_live(engine.context);
  }
  std::size_t elements = 0;
  std::size_t undecided = 0;
  for (Linear* linear : engine.targets(targets)) {
    const auto& sum = sums.at(linear->name());
    ASSERT_TRUE(linear->weight().is_merged());
    const ConstMatrixView values = linear->weight().values().plain();
    ASSERT_EQ(values.dtype, DType::bf16);
    const auto* merged = values.as<BFloat16>();
    for (std::size_t i = 0; i < sum.size(); ++i, ++elements) {
      constexpr double slack = 3e-7;
      const BFloat16 below(static_cast<float>(sum[i] - slack));
      const BFloat16 above(static_cast<float>(sum[i] + slack));
      undecided += below.bits != above.bits ? 1 : 0;
      const auto actual = static_cast<float>(merged[i]);
      ASSERT_TRUE(actual >= static_cast<float>(below) && actual <= static_cast<float>(above))
          << linear->name() << "[" << i << "]: " << actual << ", W0 + sum is " << sum[i];
    }
  }
  EXPECT_LT(undecided, elements / 50);
}

// The same three links tied one after another, or given at once: the very same weights.
TEST_P(Chains, MergedWeightsDependOnTheLinksAlone) {
  test::Engine tied(GetParam(), DType::bf16);
  Chain one_by_one(tied.model, TieMode::merge);
  test::Engine given(GetParam(), DType::bf16);
  Chain at_once(given.model, TieMode::merge);
  for (std::uint64_t seed = 1; seed <= 3; ++seed) {
    one_by_one.begin_live(link(tied, seed), true);
    (void)tied.loss_and_backward(batch);
    one_by_one.tie_live(tied.context);
    at_once.add_tied(given.context, link(given, seed));
  }
  EXPECT_EQ(tied.logits(batch), given.logits(batch));
}

TEST_P(Chains, AStackedTieLeavesEveryBitOfTheLogits) {
  for (const DType dtype : {DType::bf16, DType::f32}) {
    test::Engine engine(GetParam(), dtype);
    Chain chain(engine.model, TieMode::stack);
    const auto base = engine.logits(batch);
    for (std::uint64_t seed = 1; seed <= 3; ++seed) {
      chain.begin_live(link(engine, seed), true);
      const auto live = engine.logits(batch);
      EXPECT_NE(live, base);
      chain.tie_live(engine.context);
      EXPECT_EQ(engine.logits(batch), live) << name_of(dtype) << " link " << seed;
    }
    chain.clear();
    EXPECT_EQ(engine.logits(batch), base) << "after clear";
  }
}

// A fresh link has B = 0: beginning it must not change a bit either.
TEST_P(Chains, AFreshLinkLeavesEveryBitOfTheLogits) {
  for (const DType dtype : {DType::bf16, DType::f32}) {
    test::Engine engine(GetParam(), dtype);
    for (const TieMode mode : {TieMode::stack, TieMode::merge}) {
      Chain chain(engine.model, mode);
      chain.add_tied(engine.context, link(engine, 1));
      const auto before = engine.logits(batch);
      Link fresh = make_link(engine.targets(targets), {4, 8.0}, false);
      initialise_link(fresh, 42, 1);
      chain.begin_live(std::move(fresh), true);
      EXPECT_EQ(engine.logits(batch), before) << name_of(dtype) << " " << name_of(mode);
      chain.clear();
    }
  }
}

// f32: 1e-4 a logit, the tolerance of the parity tests; the chain, its links as one adapter, and a stack of
// what was merged are one function.
TEST_P(Chains, AsOneAdapterIsTheChain) {
  test::Engine engine(GetParam());
  Chain chain(engine.model, TieMode::stack);
  for (std::uint64_t seed = 1; seed <= 2; ++seed) chain.add_tied(engine.context, link(engine, seed));
  chain.begin_live(link(engine, 3), true);
  const auto logits = engine.logits(batch);
  Link one = chain.as_one();
  for (const auto& module : one.modules) EXPECT_EQ(module.rank(), 2 + 3 + 1);
  chain.clear();
  for (const TieMode mode : {TieMode::stack, TieMode::merge}) {
    Chain single(engine.model, mode);
    single.add_tied(engine.context, copy_of(one));
    EXPECT_LT(test::largest_difference(engine.logits(batch), logits), 1e-4) << name_of(mode);
    single.clear();
  }
}

TEST_P(Chains, TrainedBiasesStayWhenTiedAndGoWhenCleared) {
  test::Engine engine(GetParam());
  if (!engine.model.spec().block(0).attention.bias) {
    EXPECT_TRUE(make_link(engine.targets(targets), {2, 4.0}, true).biases.empty());
    return;
  }
  Chain chain(engine.model, TieMode::stack);
  const auto base = engine.logits(batch);
  chain.begin_live(link(engine, 1, true), true);
  const auto without = engine.logits(batch);
  ASSERT_FALSE(chain.live().biases.empty());
  for (auto& bias : chain.live().biases) {
    for (float& value : bias.value.floats()) value += 0.25F;
  }
  const auto live = engine.logits(batch);
  EXPECT_NE(live, without);
  chain.tie_live(engine.context);
  EXPECT_EQ(engine.logits(batch), live);
  // The next link's biases go on from the tied ones, and no gradient of the old ones is left.
  const std::string name = chain.tied().front().biases.front().module;
  Parameter& parameter = engine.model.weights().at(name + ".bias");
  EXPECT_FALSE(parameter.trained());
  Link next = make_link(engine.targets(targets), {2, 4.0}, true);
  EXPECT_EQ(next.biases.front().value.floats()[0], chain.tied().front().biases.front().value.floats()[0]);
  chain.begin_live(std::move(next), true);
  EXPECT_TRUE(parameter.trained());
  EXPECT_EQ(engine.logits(batch), live);
  chain.clear();
  EXPECT_FALSE(parameter.trained());
  EXPECT_EQ(engine.logits(batch), base);
}

TEST_P(Chains, RefusesLinksThatDoNotFit) {
  test::Engine engine(GetParam());
  Chain chain(engine.model, TieMode::merge);
  const auto refusal = [&](Link wrong) {
    try {
      chain.begin_live(std::move(wrong), true);
    } catch (const Error& error) {
      return std::string(error.what());
    }
    return std::string("accepted");
  };
  Link unknown = link(engine, 1);
  unknown.modules[0].name = "model.layers.99.self_attn.q_proj";
  EXPECT_NE(refusal(std::move(unknown)).find("model.layers.99.self_attn.q_proj"), std::string::npos);
  Link narrow = link(engine, 1);
  narrow.modules[0].a = Matrix(DType::f32, narrow.modules[0].rank(), 7);
  const std::string name = narrow.modules[0].name;
  EXPECT_NE(refusal(std::move(narrow)).find(name), std::string::npos);
  Link bias = link(engine, 1);
  bias.biases.push_back({name, Matrix(DType::f32, 1, 7)});
  EXPECT_NE(refusal(std::move(bias)).find(name), std::string::npos);
  EXPECT_FALSE(chain.has_live());
  EXPECT_THROW((void)make_link(engine.targets(targets), {0, 1.0}, false), UsageError);
  EXPECT_THROW((void)make_link(engine.targets(targets), {65, 1.0}, false), UsageError);
}

INSTANTIATE_TEST_SUITE_P(Models, Chains, testing::ValuesIn(test::models_of_all_families()),
                         [](const auto& info) { return info.param; });

}  // namespace
}  // namespace cola
