// How a step's batches are cut into what is computed at a time.
#include <gtest/gtest.h>

#include "train/step_part.h"

namespace cola {
namespace {

TrainingData sequences_of(const std::vector<std::int64_t>& lengths) {
  Dataset set;
  for (const std::int64_t length : lengths) {
    Example example;
    example.ids.resize(static_cast<std::size_t>(length), 1);
    example.labels = example.ids;
    set.examples.push_back(std::move(example));
  }
  return TrainingData(std::move(set));
}

/// Tokens of each sequence of each micro-batch of the one step over all of them.
std::vector<std::vector<std::int64_t>> cut(const std::vector<std::int64_t>& lengths,
                                           const MicroBatchLimit& limit) {
  const TrainingData data = sequences_of(lengths);
  const BatchPlan plan(data.size(), data.size(), 1, /*shuffle=*/false, 0);
  std::vector<std::vector<std::int64_t>> parts;
  for (const TrainingBatch& batch : part_of_step(data, plan, 0, limit, OneProcess()).batches)
    parts.push_back(batch.content.lengths);
  return parts;
}

using Parts = std::vector<std::vector<std::int64_t>>;

TEST(MicroBatches, TakeItemsInTheirOrderUpToBothLimits) {
  EXPECT_EQ(cut({4, 5, 6, 7, 8}, {.items = 5}), (Parts{{4, 5, 6, 7, 8}}));
  EXPECT_EQ(cut({4, 5, 6, 7, 8}, {.items = 2}), (Parts{{4, 5}, {6, 7}, {8}}));
  EXPECT_EQ(cut({4, 5, 6, 7, 8}, {.items = 5, .tokens = 15}), (Parts{{4, 5, 6}, {7, 8}}));
  EXPECT_EQ(cut({4, 5, 6, 7, 8}, {.items = 2, .tokens = 14}), (Parts{{4, 5}, {6, 7}, {8}}));
  EXPECT_EQ(cut({30, 3, 2, 40}, {.items = 4, .tokens = 10}),
            (Parts{{30}, {3, 2}, {40}}));  // one whole, always
}

TEST(MicroBatches, NumberSequencesThroughTheStep) {
  const TrainingData data = sequences_of({4, 4, 4, 4});
  const BatchPlan plan(4, 4, 1, /*shuffle=*/false, 0);
  const StepPart whole = part_of_step(data, plan, 0, {.items = 4}, OneProcess());
  const StepPart cut = part_of_step(data, plan, 0, {.items = 4, .tokens = 8}, OneProcess());
  ASSERT_EQ(cut.batches.size(), 2U);
  std::vector<std::uint64_t> keys;
  for (const TrainingBatch& batch : cut.batches)
    keys.insert(keys.end(), batch.ragged().token_keys.begin(), batch.ragged().token_keys.end());
  EXPECT_EQ(keys, whole.batches.front().ragged().token_keys);
  EXPECT_EQ(cut.loss_terms.items, whole.loss_terms.items);
  EXPECT_EQ(cut.lengths, whole.lengths);  // what hf_flos counts does not depend on it
}

TEST(MicroBatches, LargestIsAnUpperBound) {
  const TrainingData data = sequences_of({4, 30, 6, 7, 8});
  using Pair = std::pair<std::int64_t, std::int64_t>;
  EXPECT_EQ(data.largest_micro_batch({.items = 5}), (Pair{55, 50}));
  EXPECT_EQ(data.largest_micro_batch({.items = 2}), (Pair{38, 36}));
  EXPECT_EQ(data.largest_micro_batch({.items = 5, .tokens = 40}), (Pair{40, 40}));
  EXPECT_EQ(data.largest_micro_batch({.items = 5, .tokens = 10}), (Pair{30, 30}));  // the longest by itself
}

TEST(MicroBatches, AreOf512TokensBesideQuantisedWeightsUnlessTheirSizeIsGiven) {
  TrainOptions options;
  options.batch_size = 6;
  constexpr std::int64_t no_limit = std::numeric_limits<std::int64_t>::max();
  EXPECT_EQ(micro_batch_limit(options, false).tokens, no_limit);
  EXPECT_EQ(micro_batch_limit(options, true).tokens, 512);
  EXPECT_EQ(micro_batch_limit(options, true).items, 6);
  options.micro_batch_size = 3;
  EXPECT_EQ(micro_batch_limit(options, true).tokens, no_limit);
  EXPECT_EQ(micro_batch_limit(options, true).items, 3);
}

}  // namespace
}  // namespace cola
