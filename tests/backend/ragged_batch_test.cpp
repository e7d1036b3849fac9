#include "backend/ragged_batch.h"

#include <gtest/gtest.h>

namespace cola {
namespace {

RaggedBatch two_sequences() {
  RaggedBatch batch;
  batch.ids = {5, 6, 7};
  batch.positions = {0, 1, 2};
  batch.offsets = {0, 2, 3};
  batch.loss_rows = {0};
  batch.targets = {6};
  batch.token_keys = {1, 2, 3};
  return batch;
}

TEST(RaggedBatch, IsPaddedByASequenceWithoutLoss) {
  RaggedBatch batch = two_sequences();
  batch.prefixes = {-1, 0};
  const RaggedBatch padded = padded_to(batch, 8);
  EXPECT_EQ(padded.tokens(), 8);
  EXPECT_EQ(padded.ids, (std::vector<std::int32_t>{5, 6, 7, 0, 0, 0, 0, 0}));
  EXPECT_EQ(padded.positions.size(), 8U);
  EXPECT_EQ(padded.token_keys.size(), 8U);
  EXPECT_EQ(padded.offsets, (std::vector<std::int32_t>{0, 2, 3, 8}));
  EXPECT_EQ(padded.prefixes, (std::vector<std::int32_t>{-1, 0, -1}));
  EXPECT_EQ(padded.loss_rows, batch.loss_rows);
  EXPECT_EQ(padded.targets, batch.targets);
  EXPECT_TRUE(padded_to(two_sequences(), 4).prefixes.empty());
}

TEST(RaggedBatch, ThatIsLongEnoughStaysAsItIs) {
  const RaggedBatch batch = two_sequences();
  EXPECT_EQ(padded_to(batch, 3).offsets, batch.offsets);
  EXPECT_EQ(padded_to(batch, 0).ids, batch.ids);
}

}  // namespace
}  // namespace cola
