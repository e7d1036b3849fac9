#include "eval/generate.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <fstream>

#include "core/error.h"
#include "eval/loss.h"
#include "eval/tiny_models.h"
#include "support/engine.h"
#include "support/files.h"

namespace cola {
namespace {

class Generate : public testing::TestWithParam<std::string> {};

std::vector<std::int32_t> generated(const Decoder& model, const std::vector<std::int32_t>& prompt,
                                    std::int64_t count, Sampler sampler) {
  ops::Context context;
  std::vector<std::int32_t> tokens;
  const auto each = [&](std::int32_t token) {
    tokens.push_back(token);
    return true;
  };
  std::array generations{Generation{prompt, count, sampler, each}};
  generate_tokens(context, model, generations);
  return tokens;
}

/// The same without a cache: every token from a pass over all before it.
std::vector<std::int32_t> recomputed(const Decoder& model, std::vector<std::int32_t> ids, std::int64_t count,
                                     Sampler sampler) {
  ops::Context context;
  DecoderActivations activations;
  std::vector<float> logits(static_cast<std::size_t>(model.spec().vocab_size));
  std::vector<std::int32_t> tokens;
  for (std::int64_t made = 0; made < count; ++made) {
    const Example example{ids, ids};
    const std::array sequence{&example};
    const RaggedBatch batch = make_batch(sequence);
    const StepState step{context, batch};
    model.forward(step, activations);
    const std::array last{static_cast<std::int32_t>(ids.size()) - 1};
    model.logits(step, activations, last,
                 {logits.data(), DType::f32, 1, model.spec().vocab_size, model.spec().vocab_size});
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
  const std::vector<std::int32_t> prompt{1, 2, 3};
  std::int64_t calls = 0;
  const auto each = [&](std::int32_t) { return ++calls < 4; };
  std::array generations{Generation{prompt, 10, Sampler(0.0, 1.0, 1), each}};
  generate_tokens(context, model, generations);
  EXPECT_EQ(calls, 4);
  EXPECT_EQ(generated(model, prompt, 45, Sampler(0.0, 1.0, 1)).size(), 45U);
  EXPECT_THROW((void)generated(model, prompt, 46, Sampler(0.0, 1.0, 1)), Error);
}

TEST_P(Generate, SharingPassesGivesEachWhatItGetsAlone) {
  const Decoder model = test::tiny_model(GetParam());
  constexpr std::size_t count = 40;  // more than run at once
  std::vector<Generation> generations;
  std::vector<std::vector<std::int32_t>> alone, together(count);
  for (std::size_t i = 0; i < count; ++i) {
    std::vector<std::int32_t> prompt(1 + (5 * i) % 9);
    for (std::size_t j = 0; j < prompt.size(); ++j)
      prompt[j] = static_cast<std::int32_t>((7 * i + 3 * j) % 30);
    const auto new_tokens = static_cast<std::int64_t>(1 + i % 12);
    const Sampler sampler(i % 2 == 0 ? 0.0 : 1.0, 0.9, i);
    alone.push_back(generated(model, prompt, new_tokens, sampler));
    const auto each = [&together, i](std::int32_t token) {
      together[i].push_back(token);
      return true;
    };
    generations.push_back({std::move(prompt), new_tokens, sampler, each});
  }
  // Room for all at once, for a few, for one (each is given its room even where that is more).
  for (const std::int64_t bytes : {default_cache_bytes, model.cache_bytes(50), std::int64_t{1}}) {
    for (auto& tokens : together) tokens.clear();
    std::vector<Generation> batch = generations;
    ops::Context context;
    generate_tokens(context, model, batch, bytes);
    EXPECT_EQ(together, alone);
  }
}

INSTANTIATE_TEST_SUITE_P(Architectures, Generate, testing::Values("opt", "llama"));

/// Prompts of these lengths, and what is generated after them, all in the same passes or each recomputed.
class PromptsTogether {
 public:
  PromptsTogether(std::initializer_list<std::size_t> lengths, std::int64_t new_tokens, double temperature)
      : new_tokens_(new_tokens), temperature_(temperature) {
    RandomStream random(23, RandomPurpose::benchmark);
    for (const std::size_t length : lengths) {
      auto& prompt = prompts_.emplace_back(length);
      for (auto& id : prompt) id = static_cast<std::int32_t>(random.next_below(240));
    }
  }

  [[nodiscard]] std::vector<std::vector<std::int32_t>> generate(const Decoder& model) const {
    std::vector<std::vector<std::int32_t>> made(prompts_.size());
    std::vector<Generation> generations;
    for (std::size_t i = 0; i < prompts_.size(); ++i) {
      const auto each = [&made, i](std::int32_t token) {
        made[i].push_back(token);
        return true;
      };
      generations.push_back({prompts_[i], new_tokens_, sampler(i), each});
    }
    ops::Context context;
    generate_tokens(context, model, generations);
    return made;
  }

  [[nodiscard]] std::vector<std::vector<std::int32_t>> recompute(const Decoder& model) const {
    std::vector<std::vector<std::int32_t>> made;
    for (std::size_t i = 0; i < prompts_.size(); ++i)
      made.push_back(recomputed(model, prompts_[i], new_tokens_, sampler(i)));
    return made;
  }

 private:
  [[nodiscard]] Sampler sampler(std::size_t prompt) const { return {temperature_, 1.0, prompt}; }

  std::vector<std::vector<std::int32_t>> prompts_;
  std::int64_t new_tokens_;
  double temperature_;
};

class GenerateByFamily : public testing::TestWithParam<std::string> {};

// The fixtures' windows are 8 positions: prompts shorter and longer, and more than three windows in all.
TEST_P(GenerateByFamily, WithTheCachesEqualsRecomputation) {
  const test::Engine engine(GetParam());
  for (const double temperature : {0.0, 1.0}) {
    const PromptsTogether prompts({1, 5, 8, 9, 13, 27}, 30, temperature);
    EXPECT_EQ(prompts.generate(engine.model), prompts.recompute(engine.model));
  }
}

INSTANTIATE_TEST_SUITE_P(Models, GenerateByFamily, testing::ValuesIn(test::models_of_all_families()),
                         [](const auto& info) { return info.param; });

test::Engine longrope_engine(std::int64_t original_length, const Json& window = nullptr) {
  Json json = test::longrope_config(original_length);
  json["sliding_window"] = window;
  return {json, test::parity_folder("phi3_plain"), DType::f32};
}

// Some pass the original length at once, others before them, two at the same time, and some begin beyond it.
TEST(GenerateByLongRope, AcrossTheOriginalLengthEqualsRecomputation) {
  for (const Json& window : {Json(nullptr), Json(9)}) {
    const test::Engine engine = longrope_engine(12, window);
    for (const double temperature : {0.0, 1.0}) {
      const PromptsTogether prompts({3, 7, 11, 7, 12, 13, 20, 1}, 14, temperature);
      const auto made = prompts.generate(engine.model);
      EXPECT_EQ(made, prompts.recompute(engine.model));
      if (temperature == 0.0) continue;
      EXPECT_NE(made, prompts.generate(longrope_engine(128, window).model)) << "short factors alone";
      EXPECT_NE(made, prompts.generate(longrope_engine(1, window).model)) << "long factors alone";
    }
  }
}

// More tokens than one pass takes: their caches are made again in several.
TEST(GenerateByLongRope, ManyLongSequencesMayCrossAtTheSameTime) {
  Json json = test::longrope_config(600);
  json["max_position_embeddings"] = 610;
  const test::Engine engine(json, test::parity_folder("phi3_plain"), DType::f32);
  ASSERT_GT(5 * 600, default_evaluation_tokens);
  const PromptsTogether together({599, 599, 599, 599, 599}, 3, 1.0);
  EXPECT_EQ(together.generate(engine.model), together.recompute(engine.model));
}

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
