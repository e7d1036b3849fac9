// Every family's fixture on the device: loss and gradients of all weights against transformers', and
// generation through the caches, windows and all, against the CPU's.
#include <algorithm>
#include <cmath>
#include <numeric>

#include "both_sides.h"
#include "eval/generate.h"
#include "model/decoder.h"
#include "model/model_config.h"
#include "support/parity.h"

namespace cola::test {
namespace {

class CudaFamily : public CudaTest, public testing::WithParamInterface<std::string> {
 protected:
  [[nodiscard]] Decoder decoder(Memory& memory, DType dtype = DType::f32) const {
    return {spec, Weights(spec, open_checkpoint(parity_folder(GetParam())), dtype, memory)};
  }

  DecoderSpec spec = read_model_config(parity_folder(GetParam()));
};

// The fixtures' gradients are within 1.5e-6 of the largest of a float64 computation; 1e-5 leaves room for
// another order of summation, as on the CPU.
TEST_P(CudaFamily, HasTransformersLossAndGradients) {
  const auto expected = open_safetensors(parity_folder(GetParam()) / "full_expected.safetensors");
  const auto examples = parity_examples(GetParam());
  std::vector<const Example*> pointers;
  for (const auto& example : examples) pointers.push_back(&example);
  const RaggedBatch batch = make_batch(pointers);
  Decoder model = decoder(cuda_->memory());
  for (const auto& parameter : model.weights().all()) model.weights().make_trained(*parameter);
  ops::Context context(*cuda_);
  const StepState step{context, batch, true};
  DecoderActivations activations;
  std::vector<float> nll(static_cast<std::size_t>(batch.loss_tokens()));
  const std::vector<float> weights(nll.size(), 1.0F / static_cast<float>(nll.size()));
  model.forward(step, activations);
  model.loss_and_backward(step, activations, weights, nll);
  const double loss = std::accumulate(nll.begin(), nll.end(), 0.0) / static_cast<double>(nll.size());
  EXPECT_NEAR(loss, static_cast<double>(floats_of(*expected, "loss")[0]), 1e-5);
  for (const auto& parameter : model.weights().all()) {
    const auto reference = floats_of(*expected, "grad." + parameter->spec.name);
    const FloatsOnHost gradient(cuda_->memory(), parameter->training->gradient.floats());
    const auto values = gradient.values();
    ASSERT_EQ(values.size(), reference.size()) << parameter->spec.name;
    double largest = 0.0;
    double error = 0.0;
    for (std::size_t i = 0; i < reference.size(); ++i) {
      largest = std::max(largest, std::abs(static_cast<double>(reference[i])));
      error = std::max(error, std::abs(static_cast<double>(values[i]) - static_cast<double>(reference[i])));
    }
    EXPECT_LE(error, 1e-5 * largest) << parameter->spec.name;
  }
}

TEST_P(CudaFamily, GeneratesWhatTheCpuDoes) {
  const auto generated = [&](ops::Backend& backend) {
    Decoder model = decoder(backend.memory());
    ops::Context context(backend);
    std::vector<std::int32_t> tokens;
    std::vector<Generation> generations;
    for (const std::vector<std::int32_t>& prompt :
         {std::vector<std::int32_t>{1, 5, 9},
          std::vector<std::int32_t>{1, 7, 3, 2, 8, 6, 4, 11, 12, 10, 9, 5}})
      generations.push_back({prompt, 20, Sampler(0.0, 1.0, 0), [&](std::int32_t token) {
                               tokens.push_back(token);
                               return true;
                             }});
    generate_tokens(context, model, generations);
    return tokens;
  };
  const auto expected = generated(ops::cpu_backend());
  EXPECT_EQ(expected.size(), 40U);
  EXPECT_EQ(generated(*cuda_), expected);
}

std::vector<std::string> families_with_text_names() {
  auto names = families_in(test_files() / "parity");
  std::erase(names, "gemma3_vision");  // the decoder of gemma3_pattern under other names
  return names;
}

INSTANTIATE_TEST_SUITE_P(Families, CudaFamily, testing::ValuesIn(families_with_text_names()),
                         [](const auto& info) { return info.param; });

}  // namespace
}  // namespace cola::test
