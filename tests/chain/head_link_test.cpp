// Links on the language-model head: logits as the loss sees them, and merged checkpoints of tied models.
#include <gtest/gtest.h>

#include "chain/merged_checkpoint.h"
#include "chain/tiny_checkpoint.h"
#include "model/model_config.h"
#include "model/parameter_spec.h"
#include "model/weight_names.h"
#include "support/engine.h"

namespace cola {
namespace {

/// nll of the batch's targets from the logits of all rows, in double.
std::vector<double> nll_of_logits(test::Engine& engine, const RaggedBatch& batch) {
  const auto logits = engine.logits(batch);
  const auto vocabulary = static_cast<std::size_t>(engine.model.spec().vocab_size);
  std::vector<double> nll;
  for (std::size_t i = 0; i < batch.loss_rows.size(); ++i) {
    const float* row = logits.data() + static_cast<std::size_t>(batch.loss_rows[i]) * vocabulary;
    double sum = 0.0;
    for (std::size_t token = 0; token < vocabulary; ++token) sum += std::exp(static_cast<double>(row[token]));
    nll.push_back(std::log(sum) - static_cast<double>(row[batch.targets[i]]));
  }
  return nll;
}

class HeadLink : public testing::TestWithParam<std::string> {};

// 1e-5: logits of size 1 to 10 in f32, a sum over a few hundred tokens.
TEST_P(HeadLink, LogitsLossAndTyingAgree) {
  test::Engine engine(GetParam());
  const RaggedBatch batch = test::packed(test::parity_examples(GetParam()));
  const double base = test::mean(engine.loss(batch));
  std::vector<float> first;
  for (const TieMode mode : {TieMode::stack, TieMode::merge}) {
    Chain chain(engine.model, mode);
    chain.add_tied(engine.context,
                   test::random_link_on(engine.targets({"lm_head", "q_proj", "qkv_proj"}), {2, 4.0}, 3));
    chain.begin_live(test::random_link_on(engine.targets({"lm_head"}), {3, 6.0}, 17), true);
    for (const bool tied : {false, true}) {
      if (tied) chain.tie_live(engine.context);
      const auto nll = engine.loss(batch);
      EXPECT_GT(std::abs(test::mean(nll) - base), 1e-4);
      EXPECT_LT(test::largest_difference(nll, nll_of_logits(engine, batch)), 1e-5);
      if (first.empty()) first = nll;
      EXPECT_LT(test::largest_difference(nll, first), 1e-5) << name_of(mode) << " " << tied;
    }
    chain.clear();
    EXPECT_EQ(test::mean(engine.loss(batch)), base);
  }
}

// A link on the head alone needs no gradient below it: none of the blocks' backward is run.
TEST_P(HeadLink, AloneItStopsTheBackwardAtTheHead) {
  test::Engine engine(GetParam());
  const RaggedBatch batch = test::packed(test::parity_examples(GetParam()));
  const auto flops = [&](const std::vector<std::string>& names) {
    Chain chain(engine.model, TieMode::stack);
    chain.begin_live(test::random_link_on(engine.targets(names), {3, 6.0}, 17), true);
    const auto before = engine.context.flops();
    (void)engine.loss_and_backward(batch);
    const auto after = engine.context.flops();
    chain.clear();
    return after - before;
  };
  std::int64_t block_weights = 0;
  for (const Linear* linear : engine.model.linears()) {
    if (linear->name().find(".layers.") != std::string::npos)
      block_weights += linear->weight().parameter().spec.size();
  }
  EXPECT_GE(flops({"lm_head", "q_proj", "qkv_proj"}) - flops({"lm_head"}),
            static_cast<std::uint64_t>(batch.tokens() * block_weights));
}

INSTANTIATE_TEST_SUITE_P(Models, HeadLink, testing::ValuesIn(test::models_of_all_families()),
                         [](const auto& info) { return info.param; });

class MergedHead : public testing::TestWithParam<std::string> {};

// Tied models among them: the written folder has a head of its own, and the token table of the file.
TEST_P(MergedHead, HoldsTheHeadsLinksAndLeavesTheTableAlone) {
  const auto model = test::parity_folder(GetParam());
  const test::TemporaryFolder folder;
  test::Engine engine(GetParam());
  const RaggedBatch batch = test::packed(test::parity_examples(GetParam()));
  const auto links = [&] {
    std::vector<Link> two;
    two.push_back(test::random_link_on(engine.targets({"lm_head", "v_proj", "qkv_proj"}), {2, 4.0}, 3));
    two.push_back(test::random_link_on(engine.targets({"lm_head"}), {3, 6.0}, 17));
    return two;
  };
  const auto report = write_merged_checkpoint(engine.context, model, links(), {DType::f32}, folder / "out");
  EXPECT_EQ(report.modules, engine.model.spec().num_hidden_layers() + 1);
  EXPECT_EQ(report.untied_head, engine.model.spec().tie_word_embeddings);

  Chain chain(engine.model, TieMode::merge);
  for (Link& link : links()) chain.add_tied(engine.context, std::move(link));
  const auto before = open_checkpoint(model);
  const auto after = open_checkpoint(folder / "out");
  const auto stems = stems_in_use(engine.model.spec(), *before);
  const std::string table =
      name_in_file(stems, parameter_of(engine.model.spec(), ParameterRole::token_table).name);
  EXPECT_EQ(test::floats_of(*after, table), test::floats_of(*before, table));
  EXPECT_TRUE(std::ranges::equal(test::floats_of(*after, name_in_file(stems, "lm_head.weight")),
                                 engine.targets({"lm_head"}).front()->weight().values().owned()->floats()));
  EXPECT_FALSE(read_model_config(folder / "out").tie_word_embeddings);
  test::Engine merged(read_json_file(folder / "out" / "config.json"), folder / "out", DType::f32);
  EXPECT_EQ(merged.loss(batch), engine.loss(batch));  // the same weights
}

// Links elsewhere leave a tied model tied.
TEST_P(MergedHead, UntiesOnlyForALinkOnTheHead) {
  const test::TemporaryFolder folder;
  test::Engine engine(GetParam());
  std::vector<Link> links;
  links.push_back(test::random_link_on(engine.targets({"v_proj", "qkv_proj"}), {2, 4.0}, 3));
  (void)write_merged_checkpoint(engine.context, test::parity_folder(GetParam()), std::move(links), {},
                                folder / "out");
  const bool tied = engine.model.spec().tie_word_embeddings;
  EXPECT_EQ(read_model_config(folder / "out").tie_word_embeddings, tied);
  const auto written = open_checkpoint(folder / "out");
  const auto stems = stems_in_use(engine.model.spec(), *written);
  EXPECT_EQ(written->tensors().contains(name_in_file(stems, "lm_head.weight")), !tied);
}

INSTANTIATE_TEST_SUITE_P(Models, MergedHead, testing::ValuesIn(test::models_of_all_families()),
                         [](const auto& info) { return info.param; });

}  // namespace
}  // namespace cola
