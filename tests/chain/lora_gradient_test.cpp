// The gradient of a link on any linear layer of the four parity models against the double reference.
#include <gtest/gtest.h>

#include "core/error.h"
#include "model/parameter_spec.h"
#include "support/engine.h"

namespace cola {
namespace {

const std::vector<std::string> every_linear{"project_in", "q_proj",      "k_proj", "v_proj",    "out_proj",
                                            "o_proj",     "fc1",         "fc2",    "gate_proj", "up_proj",
                                            "down_proj",  "project_out", "lm_head"};

class LoraGradients : public testing::TestWithParam<std::string> {
 protected:
  LoraGradients()
      : folder(test::parity_folder(GetParam())),
        engine(GetParam()),
        chain(engine.model, TieMode::stack),
        batch(test::packed(test::parity_examples(GetParam()))) {}

  test::ReferenceDecoder<double> reference_of(const test::Engine& of) {
    return {test::ReferenceShape(of.json), test::reference_weights(folder)};
  }

  /// Begins a link on `targets`, runs engine and reference, compares loss and gradients of A and B: within
  /// 1e-5 of the tensor's largest entry (f32 rounding over a few hundred terms and a dozen layers, measured
  /// at 2e-6; a term left out, taken twice or from the wrong layer is orders of magnitude above).
  void check(test::Engine& of, Chain& links, const std::vector<Linear*>& targets,
             const test::ReferenceDropout& dropout = {}) {
    ASSERT_FALSE(targets.empty());
    links.begin_live(test::random_link_on(targets, {3, 6.0}, 17), true);
    auto reference = reference_of(of);
    reference.lora = test::reference_lora(links.live());
    const auto nll = of.loss_and_backward(batch, dropout);
    EXPECT_NEAR(test::mean(nll), reference.forward(batch, dropout), 1e-5);
    const auto gradients = reference.backward();
    for (std::size_t i = 0; i < links.live().modules.size(); ++i) {
      const std::string& name = links.live().modules[i].name;
      expect_near(links.a_gradients()[i], gradients.at(name + ".lora_A"), name + ".lora_A");
      expect_near(links.b_gradients()[i], gradients.at(name + ".lora_B"), name + ".lora_B");
    }
  }

  static void expect_near(const Matrix& actual, const std::vector<double>& expected,
                          const std::string& name) {
    EXPECT_LT(test::largest_difference(actual.floats(), expected), 1e-5 * test::largest_of(expected)) << name;
  }

  std::filesystem::path folder;
  test::Engine engine;
  Chain chain;
  RaggedBatch batch;
};

// One layer at a time: the backward then has to pass through everything above it, and no gradient that is
// wrong can hide behind another's.
TEST_P(LoraGradients, OfEachLayerAlone) {
  int layers = 0;
  for (Linear* linear : engine.model.linears()) {
    SCOPED_TRACE(linear->name());
    check(engine, chain, {linear});
    ++layers;
  }
  const auto& config = engine.model.spec();
  EXPECT_EQ(layers, config.num_hidden_layers() * static_cast<int>(block_linear_names(config).size()) +
                        (config.has_projections() ? 2 : 0) + 1);  // the head
}

TEST_P(LoraGradients, OfAllLayersAtOnce) {
  const auto all = engine.targets(every_linear);
  EXPECT_EQ(all.size(), engine.model.linears().size());
  check(engine, chain, all);
}

TEST_P(LoraGradients, AboveTiedLinks) {
  const auto all = engine.targets(every_linear);
  for (const TieMode mode : {TieMode::stack, TieMode::merge}) {
    Chain links(engine.model, mode);
    links.add_tied(engine.context, test::random_link_on(
                                       engine.targets({"q_proj", "fc1", "up_proj", "lm_head"}), {2, 4.0}, 3));
    links.begin_live(test::random_link_on(all, {3, 6.0}, 17), true);
    auto reference = reference_of(engine);
    reference.lora = test::reference_lora(links.as_one());
    const auto nll = engine.loss_and_backward(batch);
    EXPECT_NEAR(test::mean(nll), reference.forward(batch), 1e-5);
    const auto gradients = reference.backward();
    for (std::size_t i = 0; i < links.live().modules.size(); ++i) {
      const auto& module = links.live().modules[i];
      // The live link's rows of the concatenated A, whose scale is in B: dA is the same.
      auto expected = gradients.at(module.name + ".lora_A");
      expected.erase(expected.begin(), expected.end() - static_cast<std::ptrdiff_t>(module.a.size()));
      expect_near(links.a_gradients()[i], expected, module.name + " " + std::string(name_of(mode)));
    }
    links.clear();
  }
}

TEST_P(LoraGradients, UnderLoraDropout) { check(engine, chain, engine.targets(every_linear), {0.0, 0.3, 7}); }

TEST_P(LoraGradients, UnderHiddenDropout) {
  check(engine, chain, engine.targets(every_linear), {0.2, 0.0, 7});
}

TEST_P(LoraGradients, UnderBothDropouts) {
  check(engine, chain, engine.targets(every_linear), {0.2, 0.3, std::uint64_t{7} << 40});
}

TEST_P(LoraGradients, WithStretchedRotation) {
  if (engine.model.spec().rotary_tables.empty()) GTEST_SKIP() << "positions have a table";
  for (const Json& scaling :
       {Json{{"type", "linear"}, {"factor", 2.0}}, Json{{"rope_type", "llama3"},
                                                        {"factor", 8.0},
                                                        {"low_freq_factor", 1.0},
                                                        {"high_freq_factor", 4.0},
                                                        {"original_max_position_embeddings", 32}}}) {
    Json config = engine.json;
    config["rope_scaling"] = scaling;
    test::Engine stretched(config, folder, DType::f32);
    Chain links(stretched.model, TieMode::stack);
    check(stretched, links, stretched.targets(every_linear));
  }
}

TEST_P(LoraGradients, FrozenA) {
  const auto all = engine.targets(every_linear);
  check(engine, chain, all);
  const auto b_gradients = [&] {
    std::vector<std::vector<float>> copies;
    for (const Matrix& gradient : chain.b_gradients())
      copies.emplace_back(gradient.floats().begin(), gradient.floats().end());
    return copies;
  };
  const auto expected = b_gradients();
  for (const test::ReferenceDropout& dropout :
       {test::ReferenceDropout{}, test::ReferenceDropout{0.0, 0.3, 7}}) {
    chain.begin_live(test::random_link_on(all, {3, 6.0}, 17), true);
    (void)engine.loss_and_backward(batch, dropout);
    const auto with_a = b_gradients();
    chain.begin_live(test::random_link_on(all, {3, 6.0}, 17), false);
    (void)engine.loss_and_backward(batch, dropout);
    EXPECT_EQ(b_gradients(), with_a);
    for (const Matrix& gradient : chain.a_gradients()) EXPECT_TRUE(gradient.empty());
  }
  EXPECT_FALSE(expected.empty());
}

// With targets in the top block alone the backward stops there: the gradients are the ones that it would have
// had on the way to the bottom.
TEST_P(LoraGradients, StopsBelowTheLowestTarget) {
  std::vector<Linear*> top;
  const std::string last = block_prefix(engine.model.spec(), engine.model.spec().num_hidden_layers() - 1);
  for (Linear* linear : engine.model.linears()) {
    if (linear->name().starts_with(last + ".")) top.push_back(linear);
  }
  const auto with_bottom = [&](bool bottom) {
    auto link = test::random_link_on(top, {3, 6.0}, 17);
    if (bottom) {  // B = 0 and A = 0: changes nothing, but is trained
      auto below = make_link({engine.model.linears().front()}, {1, 1.0}, false);
      link.modules.push_back(std::move(below.modules.front()));
    }
    chain.begin_live(std::move(link), true);
    (void)engine.loss_and_backward(batch);
    std::vector<std::vector<float>> copies;
    for (std::size_t i = 0; i < top.size(); ++i) {
      copies.emplace_back(chain.a_gradients()[i].floats().begin(), chain.a_gradients()[i].floats().end());
      copies.emplace_back(chain.b_gradients()[i].floats().begin(), chain.b_gradients()[i].floats().end());
    }
    return copies;
  };
  const auto flops = [&](bool bottom) {
    const auto before = engine.context.flops();
    (void)with_bottom(bottom);
    return engine.context.flops() - before;
  };
  EXPECT_EQ(with_bottom(false), with_bottom(true));
  // What going to the bottom costs at least: the input gradients of the lowest block's MLP.
  std::int64_t mlp_weights = 0;
  for (Linear* linear : engine.targets({"fc1", "fc2", "gate_proj", "up_proj", "down_proj"})) {
    if (linear->name().find(".layers.0.") != std::string::npos)
      mlp_weights += linear->weight().parameter().spec.size();
  }
  EXPECT_GT(mlp_weights, 0);
  EXPECT_GE(flops(true) - flops(false), static_cast<std::uint64_t>(2 * batch.tokens() * mlp_weights));
}

TEST_P(LoraGradients, OfTheTargetsOwnBiases) {
  const auto targets = engine.targets({"q_proj", "v_proj", "fc1", "down_proj"});
  chain.begin_live(test::random_link_on(targets, {3, 6.0}, 17, true), true);
  auto& biases = chain.live().biases;
  if (!engine.model.spec().block(0).attention.bias) {
    EXPECT_TRUE(biases.empty());
    return;
  }
  ASSERT_EQ(biases.size(), targets.size());
  for (auto& bias : biases) {
    for (float& value : bias.value.floats()) value += 0.05F;  // as an update does
  }
  auto reference = reference_of(engine);
  reference.lora = test::reference_lora(chain.live());
  for (const auto& bias : biases) {
    reference.weights.at(bias.module + ".bias")
        .assign(bias.value.floats().begin(), bias.value.floats().end());
  }
  EXPECT_NEAR(test::mean(engine.loss_and_backward(batch)), reference.forward(batch), 1e-5);
  const auto gradients = reference.backward();
  for (const auto& bias : biases) {
    expect_near(engine.model.weights().at(bias.module + ".bias").training->gradient,
                gradients.at(bias.module + ".bias"), bias.module);
  }
}

INSTANTIATE_TEST_SUITE_P(Models, LoraGradients, testing::ValuesIn(test::parity_models()),
                         [](const auto& info) { return info.param; });

}  // namespace
}  // namespace cola
