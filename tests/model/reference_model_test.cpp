// The double reference itself: its loss against transformers' numbers, and its gradients against complex
// steps of its own forward (exact to double rounding), before anything is compared with it.
#include "support/reference_model.h"

#include <gtest/gtest.h>

#include "core/random.h"
#include "support/batches.h"
#include "support/parity.h"

namespace cola {
namespace {

using Complex = std::complex<double>;

test::Tensors<Complex> complex_of(const test::Tensors<double>& tensors) {
  test::Tensors<Complex> result;
  for (const auto& [name, values] : tensors) result[name].assign(values.begin(), values.end());
  return result;
}

std::vector<double> random_values(std::size_t count, std::uint64_t stream) {
  RandomStream random(5, RandomPurpose::benchmark, stream);
  std::vector<double> values(count);
  for (double& value : values) value = 0.1 * static_cast<double>(random.next_normal());
  return values;
}

/// LoRA of rank 3 on every linear layer: the matrices that are neither table nor head.
std::map<std::string, test::ReferenceLora<double>> lora_everywhere(const test::Tensors<double>& weights,
                                                                   const Json& config) {
  std::map<std::string, test::ReferenceLora<double>> lora;
  const std::size_t width = config.at("hidden_size");
  const std::size_t inner =
      config.contains("ffn_dim") ? config.at("ffn_dim") : config.at("intermediate_size");
  const std::size_t embedding = config.value("word_embed_proj_dim", width);
  for (const auto& [name, values] : weights) {
    if (!name.ends_with("_proj.weight") && !name.ends_with("fc1.weight") && !name.ends_with("fc2.weight") &&
        name.find("project_") == std::string::npos) {
      continue;
    }
    std::size_t in = width;
    if (name.ends_with("fc2.weight") || name.ends_with("down_proj.weight")) in = inner;
    if (name.find("project_in") != std::string::npos) in = embedding;
    constexpr std::size_t rank = 3;
    lora[name.substr(0, name.size() - std::string(".weight").size())] = {
        random_values(rank * in, 2 * lora.size()),
        random_values(values.size() / in * rank, 2 * lora.size() + 1), rank, 1.5};
  }
  return lora;
}

std::map<std::string, test::ReferenceLora<Complex>> complex_of(
    const std::map<std::string, test::ReferenceLora<double>>& lora) {
  std::map<std::string, test::ReferenceLora<Complex>> result;
  for (const auto& [name, branch] : lora) {
    result[name] = {
        {branch.a.begin(), branch.a.end()}, {branch.b.begin(), branch.b.end()}, branch.rank, branch.scale};
  }
  return result;
}

class ReferenceModel : public testing::TestWithParam<std::string> {
 protected:
  ReferenceModel()
      : config(read_json_file(test::parity_folder(GetParam()) / "config.json")),
        weights(test::reference_weights(test::parity_folder(GetParam()))),
        batch(test::packed(test::parity_examples(GetParam()))) {}

  /// d loss / d each of three random coordinates of every tensor, against `gradients`.
  void check_gradients(const test::ReferenceShape& shape, const test::ReferenceDropout& dropout) {
    test::ReferenceDecoder<double> model(shape, weights);
    model.lora = lora_everywhere(weights, config);
    (void)model.forward(batch, dropout);
    const auto gradients = model.backward();
    test::ReferenceDecoder<Complex> complex(shape, complex_of(weights));
    complex.lora = complex_of(model.lora);
    RandomStream random(11, RandomPurpose::benchmark);
    const auto check = [&](const std::string& name, std::vector<Complex>& values) {
      const auto& gradient = gradients.at(name);
      ASSERT_EQ(gradient.size(), values.size()) << name;
      for (int trial = 0; trial < 3; ++trial) {
        constexpr double step = 1e-100;
        const std::size_t i = random.next_below(values.size());
        const Complex original = values[i];
        values[i] += Complex(0.0, step);
        const double expected = complex.forward(batch, dropout).imag() / step;
        values[i] = original;
        // Sums of some thousand terms in double; a gradient entry is at most about 1.
        EXPECT_NEAR(gradient[i], expected, 1e-13 + 1e-10 * std::abs(expected)) << name << "[" << i << "]";
      }
    };
    for (auto& [name, values] : complex.weights) check(name, values);
    for (auto& [name, branch] : complex.lora) {
      check(name + ".lora_A", branch.a);
      check(name + ".lora_B", branch.b);
    }
    EXPECT_EQ(gradients.size(), weights.size() + 2 * complex.lora.size());
  }

  Json config;
  test::Tensors<double> weights;
  RaggedBatch batch;
};

// The fixtures are f32 computations within 6.3e-7 of float64 (loss) and 3.4e-6 (a token's NLL, by its
// logits).
TEST_P(ReferenceModel, LossIsTransformers) {
  const auto expected = open_safetensors(test::parity_folder(GetParam()) / "base_expected.safetensors");
  test::ReferenceDecoder<double> model(test::ReferenceShape(config), weights);
  EXPECT_NEAR(model.forward(batch), static_cast<double>(test::floats_of(*expected, "loss")[0]), 2e-6);
  std::vector<double> nll;
  for (const float value : test::floats_of(*expected, "token_nll")) {
    if (value != 0.0F) nll.push_back(static_cast<double>(value));
  }
  ASSERT_EQ(nll.size(), model.nll.size());
  for (std::size_t i = 0; i < nll.size(); ++i) EXPECT_NEAR(model.nll[i], nll[i], 1e-5) << i;
}

TEST_P(ReferenceModel, GradientsAreComplexSteps) { check_gradients(test::ReferenceShape(config), {}); }

TEST_P(ReferenceModel, GradientsUnderDropoutAndScaledRotation) {
  if (config.at("model_type") == "llama") config["rope_scaling"] = {{"type", "linear"}, {"factor", 4.0}};
  check_gradients(test::ReferenceShape(config), {0.2, 0.3, 99});
}

INSTANTIATE_TEST_SUITE_P(Models, ReferenceModel, testing::ValuesIn(test::parity_models()),
                         [](const auto& info) { return info.param; });

}  // namespace
}  // namespace cola
