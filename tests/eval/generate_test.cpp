#include "eval/generate.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <fstream>

#include "core/error.h"
#include "eval/tiny_models.h"
#include "support/files.h"

namespace cola {
namespace {

class Generate : public testing::TestWithParam<Architecture> {};

std::vector<std::int32_t> generated(const Decoder& model, const std::vector<std::int32_t>& prompt,
                                    std::int64_t count, Sampler sampler) {
  ops::Context context;
  std::vector<std::int32_t> tokens;
  generate_tokens(context, model, prompt, count, sampler, [&](std::int32_t token) {
    tokens.push_back(token);
    return true;
  });
  return tokens;
}

/// The same without a cache: every token from a pass over all before it.
std::vector<std::int32_t> recomputed(const Decoder& model, std::vector<std::int32_t> ids, std::int64_t count,
                                     Sampler sampler) {
  ops::Context context;
  DecoderActivations activations;
  std::vector<float> logits(static_cast<std::size_t>(model.config().vocab_size));
  std::vector<std::int32_t> tokens;
  for (std::int64_t made = 0; made < count; ++made) {
    const Example example{ids, ids};
    const std::array sequence{&example};
    const RaggedBatch batch = make_batch(sequence);
    const StepState step{context, batch};
    model.forward(step, activations);
    const std::array last{static_cast<std::int32_t>(ids.size()) - 1};
    model.logits(step, activations, last,
                 {logits.data(), DType::f32, 1, model.config().vocab_size, model.config().vocab_size});
    tokens.push_back(sampler.choose(logits));
    ids.push_back(tokens.back());
  }
  return tokens;
}

TEST_P(Generate, WithTheCacheEqualsRecomputation) {
  const Decoder model = test::tiny_model(GetParam());
  for (const std::vector<std::int32_t>& prompt : {std::vector<std::int32_t>{5}, {1, 9, 30, 4, 4, 17}}) {
    EXPECT_EQ(generated(model, prompt, 40, Sampler(0.0, 1.0, 1)),
              recomputed(model, prompt, 40, Sampler(0.0, 1.0, 1)));
    EXPECT_EQ(generated(model, prompt, 40, Sampler(1.0, 0.9, 1)),
              recomputed(model, prompt, 40, Sampler(1.0, 0.9, 1)));
  }
}

TEST_P(Generate, StopsWhenToldAndAtTheLastPosition) {
  const Decoder model = test::tiny_model(GetParam());
  ops::Context context;
  Sampler sampler(0.0, 1.0, 1);
  const std::vector<std::int32_t> prompt{1, 2, 3};
  std::int64_t calls = 0;
  generate_tokens(context, model, prompt, 10, sampler, [&](std::int32_t) { return ++calls < 4; });
  EXPECT_EQ(calls, 4);
  EXPECT_EQ(generated(model, prompt, 45, Sampler(0.0, 1.0, 1)).size(), 45U);
  EXPECT_THROW((void)generated(model, prompt, 46, Sampler(0.0, 1.0, 1)), Error);
}

INSTANTIATE_TEST_SUITE_P(Architectures, Generate, testing::Values(Architecture::opt, Architecture::llama));

TEST(StopTokens, AreTheTokenizersAndTheGenerationConfigurations) {
  const test::TemporaryFolder temporary;
  const auto& folder = temporary.path();
  SpecialTokens special;
  special.eos = 2;
  using Ids = std::set<std::int32_t>;
  std::ofstream(folder / "config.json") << R"({"eos_token_id": 9})";
  EXPECT_EQ(stop_tokens(folder, special), (Ids{2, 9}));
  std::ofstream(folder / "generation_config.json") << R"({"eos_token_id": [4, 5, -1, "x", 99999999999]})";
  EXPECT_EQ(stop_tokens(folder, special), (Ids{2, 4, 5}));
  std::ofstream(folder / "generation_config.json") << R"({"eos_token_id": null})";
  EXPECT_EQ(stop_tokens(folder, {}), (Ids{9}));
}

}  // namespace
}  // namespace cola
