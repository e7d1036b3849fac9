// Sequences of one ragged batch do not see each other, and how a step's sequences are split into batches does
// not change its gradient.
#include <gtest/gtest.h>

#include "support/engine.h"

namespace cola {
namespace {

using Gradients = std::vector<std::vector<float>>;

struct Case {
  std::string model;
  DType dtype;
};

class RaggedBatches : public testing::TestWithParam<Case> {
 protected:
  RaggedBatches() : engine(GetParam().model, GetParam().dtype), chain(engine.model, TieMode::stack) {
    const auto vocabulary = static_cast<std::uint64_t>(engine.model.spec().vocab_size);
    RandomStream random(21, RandomPurpose::benchmark);
    for (const std::size_t length : {9U, 14U, 6U, 17U, 3U, 11U}) {
      Example example;
      for (std::size_t t = 0; t < length; ++t) {
        example.ids.push_back(static_cast<std::int32_t>(random.next_below(vocabulary)));
        example.labels.push_back(t < length / 3 ? no_label : example.ids.back());
      }
      examples.push_back(std::move(example));
    }
  }

  /// Starts a live link on q, v (or both and k in one), the MLP and the projections, the same each time, with
  /// zero gradients.
  void begin_link() {
    const auto targets = engine.targets({"q_proj", "v_proj", "qkv_proj", "fc1", "down_proj", "project_in"});
    chain.begin_live(test::random_link_on(targets, {4, 8.0}, 31), true);
  }

  /// Gradients of the mean loss over all examples, taken in batches of the given sizes.
  Gradients gradients(const std::vector<Example>& data, const std::vector<std::size_t>& sizes,
                      const test::ReferenceDropout& dropout = {}) {
    begin_link();
    std::int64_t loss_tokens = 0;
    for (const auto& example : data) loss_tokens += example.loss_tokens();
    std::size_t first = 0;
    for (const std::size_t size : sizes) {
      std::vector<const Example*> part;
      for (std::size_t i = first; i < first + size; ++i) part.push_back(&data.at(i));
      (void)engine.loss_and_backward(make_batch(part, static_cast<std::int64_t>(first)), dropout,
                                     loss_tokens);
      first += size;
    }
    EXPECT_EQ(first, data.size());
    return current();
  }

  Gradients current() {
    Gradients result;
    for (auto* list : {&chain.a_gradients(), &chain.b_gradients()}) {
      for (const Matrix& gradient : *list)
        result.emplace_back(gradient.floats().begin(), gradient.floats().end());
    }
    return result;
  }

  std::vector<float> losses_without(const std::vector<Example>& data, std::size_t left_out) {
    const auto batch = test::packed(data);
    const auto nll = engine.loss(batch);
    std::vector<float> kept;
    for (std::size_t i = 0; i < nll.size(); ++i) {
      const std::int32_t row = batch.loss_rows[i];
      if (row < batch.offsets[left_out] || row >= batch.offsets[left_out + 1]) kept.push_back(nll[i]);
    }
    EXPECT_LT(kept.size(), nll.size());
    return kept;
  }

  static void expect_near(const Gradients& actual, const Gradients& expected, double tolerance) {
    ASSERT_EQ(actual.size(), expected.size());
    for (std::size_t i = 0; i < actual.size(); ++i) {
      const std::vector<double> reference(expected[i].begin(), expected[i].end());
      EXPECT_LE(test::largest_difference(actual[i], reference), tolerance * test::largest_of(reference)) << i;
    }
  }

  static void remove_labels(Example& example) { std::ranges::fill(example.labels, no_label); }

  test::Engine engine;
  Chain chain;
  std::vector<Example> examples;
};

class RaggedBatchesF32 : public RaggedBatches {};

constexpr std::size_t changed = 3;  // the longest, with neighbours on both sides

TEST_P(RaggedBatches, OtherTokensLeaveTheOtherSequencesBits) {
  begin_link();
  auto other = examples;
  for (auto& id : other[changed].ids)
    id = (id + 77) % static_cast<std::int32_t>(engine.model.spec().vocab_size);
  EXPECT_EQ(losses_without(examples, changed), losses_without(other, changed));

  // The changed sequence has no labels: nothing of it may enter a gradient.
  remove_labels(examples[changed]);
  remove_labels(other[changed]);
  EXPECT_EQ(gradients(examples, {6}), gradients(other, {6}));
  EXPECT_EQ(gradients(examples, {6}, {0.1, 0.2, 5}), gradients(other, {6}, {0.1, 0.2, 5}));
}

// The same must not hold where it should not: labels of the changed sequence do change the gradient.
TEST_P(RaggedBatches, OtherTokensWithLabelsChangeTheGradient) {
  auto other = examples;
  for (auto& id : other[changed].ids)
    id = (id + 77) % static_cast<std::int32_t>(engine.model.spec().vocab_size);
  EXPECT_NE(gradients(examples, {6}), gradients(other, {6}));
}

// Another length moves the rows of those behind it to other places in the kernels' blocks: another order of
// summation over tokens. 1e-5 as below.
TEST_P(RaggedBatchesF32, AnotherLengthLeavesTheGradientOfTheOthers) {
  remove_labels(examples[changed]);
  auto other = examples;
  other[changed].ids.resize(5);
  other[changed].labels.resize(5);
  expect_near(gradients(other, {6}), gradients(examples, {6}), 1e-5);
}

// 1e-5 of the tensor's largest entry: the sums over tokens are the same numbers in another order, 6e-8 each.
// Masks are keyed by the sequence's number in the step and the position, so they are the same with dropout.
TEST_P(RaggedBatchesF32, AnySplitHasTheSameGradient) {
  for (const test::ReferenceDropout& dropout :
       {test::ReferenceDropout{}, test::ReferenceDropout{0.1, 0.0, 5}, test::ReferenceDropout{0.1, 0.2, 5}}) {
    const auto whole = gradients(examples, {6}, dropout);
    expect_near(gradients(examples, {3, 3}, dropout), whole, 1e-5);
    expect_near(gradients(examples, {1, 2, 3}, dropout), whole, 1e-5);
    expect_near(gradients(examples, {1, 1, 1, 1, 1, 1}, dropout), whole, 1e-5);
  }
}

TEST_P(RaggedBatches, TheSameStepTwiceHasTheSameBits) {
  EXPECT_EQ(gradients(examples, {2, 4}, {0.1, 0.2, 5}), gradients(examples, {2, 4}, {0.1, 0.2, 5}));
}

std::vector<Case> cases(const std::vector<DType>& dtypes) {
  std::vector<Case> result;
  for (const auto& model : test::models_of_all_families()) {
    for (const DType dtype : dtypes) result.push_back({model, dtype});
  }
  return result;
}
std::string name_of_case(const testing::TestParamInfo<Case>& info) {
  return info.param.model + "_" + std::string(name_of(info.param.dtype));
}

INSTANTIATE_TEST_SUITE_P(Models, RaggedBatches, testing::ValuesIn(cases({DType::f32, DType::bf16})),
                         name_of_case);
INSTANTIATE_TEST_SUITE_P(Models, RaggedBatchesF32, testing::ValuesIn(cases({DType::f32})), name_of_case);

}  // namespace
}  // namespace cola
