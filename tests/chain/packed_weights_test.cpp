// Whole models on packed weights (emulated tiles on a processor without AMX) beside the same models on
// row-major ones: what differs is the order in which a product is summed.
#include <gtest/gtest.h>

#include "lora/peft_format.h"
#include "support/engine.h"
#include "support/near.h"

namespace cola {
namespace {

const std::vector<std::string> everywhere{"q_proj",     "k_proj",      "v_proj",    "out_proj", "o_proj",
                                          "fc1",        "fc2",         "gate_proj", "up_proj",  "down_proj",
                                          "project_in", "project_out", "lm_head"};

class PackedWeights : public testing::TestWithParam<std::string> {
 protected:
  PackedWeights()
      : packed(GetParam(), DType::bf16),
        row_major(GetParam(), DType::bf16),
        batch(test::packed(test::parity_examples(GetParam()))) {
    packed.model.pack_weights();
  }

  static Link link(test::Engine& engine, std::uint64_t seed) {
    return test::random_link_on(engine.targets(everywhere), {2, 2.0}, seed);
  }

  /// A rounding to bf16 (2^-9 relative) that goes the other way in one of the layers: some steps of the
  /// largest value, and far less on the whole. Gemma's four norms a block carry it furthest: 1 - cosine
  /// of 1.2e-4, where bf16 itself is 2.9e-3 from f32.
  static testing::AssertionResult close(std::span<const float> actual, std::span<const float> expected) {
    float largest = 0.0F;
    for (const float value : expected) largest = std::max(largest, std::abs(value));
    return test::is_near(actual, test::numbers(expected),
                         {.absolute = 0x1p-5 * static_cast<double>(largest), .cosine = 2e-4});
  }

  test::Engine packed, row_major;
  RaggedBatch batch;
};

TEST_P(PackedWeights, TakeThePlaceOfTheRowMajorOnes) {
  for (Linear* linear : packed.model.linears()) {
    const WeightValues& values = linear->weight().parameter().value;
    EXPECT_NE(values.packed(), nullptr) << linear->name();
    EXPECT_EQ(values.plain().data, nullptr) << linear->name();
    EXPECT_EQ(values.owned(), nullptr) << linear->name();
  }
}

TEST_P(PackedWeights, LogitsLossAndGradients) {
  EXPECT_TRUE(close(packed.logits(batch), row_major.logits(batch)));
  for (const TieMode mode : {TieMode::stack, TieMode::merge}) {
    Chain packed_chain(packed.model, mode);
    Chain row_major_chain(row_major.model, mode);
    packed_chain.add_tied(packed.context, link(packed, 1));
    row_major_chain.add_tied(row_major.context, link(row_major, 1));
    packed_chain.begin_live(link(packed, 2), true);
    row_major_chain.begin_live(link(row_major, 2), true);
    EXPECT_TRUE(close(packed.loss_and_backward(batch), row_major.loss_and_backward(batch)));
    for (std::size_t i = 0; i < packed_chain.live().modules.size(); ++i) {
      EXPECT_TRUE(close(packed_chain.a_gradients()[i].floats(), row_major_chain.a_gradients()[i].floats()))
          << packed_chain.live().modules[i].name << " A";
      EXPECT_TRUE(close(packed_chain.b_gradients()[i].floats(), row_major_chain.b_gradients()[i].floats()))
          << packed_chain.live().modules[i].name << " B";
    }
  }
}

TEST_P(PackedWeights, MergedOnesAreTheSameNumbers) {
  Chain packed_chain(packed.model, TieMode::merge);
  Chain row_major_chain(row_major.model, TieMode::merge);
  const auto base = packed.logits(batch);
  for (std::uint64_t seed = 1; seed <= 2; ++seed) {
    packed_chain.add_tied(packed.context, link(packed, seed));
    row_major_chain.add_tied(row_major.context, link(row_major, seed));
  }
  const auto expected = row_major.targets(everywhere);
  const auto actual = packed.targets(everywhere);
  for (std::size_t i = 0; i < expected.size(); ++i) {
    ASSERT_TRUE(actual[i]->weight().is_merged());
    ASSERT_TRUE(expected[i]->weight().is_merged());
    const auto* merged = actual[i]->weight().values().packed();
    ASSERT_NE(merged, nullptr);
    Matrix row(DType::bf16, 1, expected[i]->in_features());
    for (std::int64_t index = 0; index < expected[i]->out_features(); ++index) {
      merged->read_row(index, row.view());
      ASSERT_EQ(test::numbers(row.view()),
                test::numbers(expected[i]->weight().values().plain().row_range(index, index + 1)))
          << expected[i]->name() << " row " << index;
    }
  }
  packed_chain.clear();
  EXPECT_EQ(packed.logits(batch), base);
}

TEST_P(PackedWeights, AStackedTieLeavesEveryBitOfTheLogits) {
  Chain chain(packed.model, TieMode::stack);
  for (std::uint64_t seed = 1; seed <= 2; ++seed) {
    chain.begin_live(link(packed, seed), true);
    const auto live = packed.logits(batch);
    chain.tie_live(packed.context);
    EXPECT_EQ(packed.logits(batch), live) << "link " << seed;
  }
}

INSTANTIATE_TEST_SUITE_P(Models, PackedWeights, testing::ValuesIn(test::models_of_all_families()),
                         [](const auto& info) { return info.param; });

}  // namespace
}  // namespace cola
