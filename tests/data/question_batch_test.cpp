#include "data/question_batch.h"

#include "data/dataset.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "core/error.h"
#include "support/questions.h"

namespace cola {
namespace {

using test::candidate;
using test::question;
using Numbers = std::vector<std::int32_t>;

QuestionBatch batch_of(const std::vector<Question>& questions, bool share_prefix,
                       std::int64_t first_sequence = 0) {
  return make_question_batch(test::pointers(questions), share_prefix, first_sequence);
}

TEST(QuestionBatch, OneTokenAnswersAreReadOffThePrompt) {
  const auto batch = batch_of({question({0, 1, 2}, {{5}, {6}}, 1)}, true);
  EXPECT_EQ(batch.batch.ids, (Numbers{0, 1, 2}));
  EXPECT_EQ(batch.batch.offsets, (Numbers{0, 3}));
  EXPECT_TRUE(batch.batch.prefixes.empty());
  EXPECT_EQ(batch.batch.loss_rows, (Numbers{2, 2}));
  EXPECT_EQ(batch.batch.targets, (Numbers{5, 6}));
  EXPECT_EQ(batch.candidate_of, (Numbers{0, 1}));
  EXPECT_EQ(batch.question_offsets, (Numbers{0, 2}));
  EXPECT_EQ(batch.gold, (Numbers{1}));
  EXPECT_EQ(batch.lengths, (std::vector<std::int64_t>{4, 4}));
}

TEST(QuestionBatch, AnswersOfSeveralTokensContinueTheCommonPrefix) {
  // 5 is common as well; of 9 and 8 only the rows before a further answer token are computed.
  const auto batch =
      batch_of({question({0, 1}, {{3}, {4}}), question({0, 1, 2}, {{5, 6, 7, 9}, {5, 8}}, 1)}, true);
  EXPECT_EQ(batch.batch.ids, (Numbers{0, 1, 0, 1, 2, 5, 6, 7}));
  EXPECT_EQ(batch.batch.positions, (Numbers{0, 1, 0, 1, 2, 3, 4, 5}));
  EXPECT_EQ(batch.batch.offsets, (Numbers{0, 2, 6, 8}));
  EXPECT_EQ(batch.batch.prefixes, (Numbers{-1, -1, 1}));
  EXPECT_EQ(batch.batch.loss_rows, (Numbers{1, 1, 4, 4, 5, 5, 6, 7}));
  EXPECT_EQ(batch.batch.targets, (Numbers{3, 4, 5, 5, 6, 8, 7, 9}));
  EXPECT_EQ(batch.candidate_of, (Numbers{0, 1, 2, 3, 2, 3, 2, 2}));
  EXPECT_EQ(batch.question_offsets, (Numbers{0, 2, 4}));
  EXPECT_EQ(batch.gold, (Numbers{0, 3}));
  EXPECT_EQ(batch.lengths, (std::vector<std::int64_t>{3, 3, 7, 5}));
}

TEST(QuestionBatch, ACandidateMayBeginAnother) {
  const auto batch = batch_of({question({0, 1}, {{5}, {5, 6, 7}})}, true);
  EXPECT_EQ(batch.batch.ids, (Numbers{0, 1, 5, 6}));
  EXPECT_EQ(batch.batch.offsets, (Numbers{0, 3, 4}));
  EXPECT_EQ(batch.batch.prefixes, (Numbers{-1, 0}));
  EXPECT_EQ(batch.batch.loss_rows, (Numbers{1, 1, 2, 3}));
  EXPECT_EQ(batch.candidate_of, (Numbers{0, 1, 1, 1}));
}

TEST(QuestionBatch, CandidatesWithNothingInCommonStandAlone) {
  const auto batch = batch_of({{{candidate({1, 2}, {5}), candidate({2, 2}, {6})}, 0}}, true);
  EXPECT_EQ(batch.batch.ids, (Numbers{1, 2, 2, 2}));
  EXPECT_EQ(batch.batch.offsets, (Numbers{0, 2, 4}));
  EXPECT_TRUE(batch.batch.prefixes.empty());
}

/// The tokens that row `row` sees, itself last.
Numbers context_of(const RaggedBatch& batch, std::int32_t row) {
  std::size_t s = 0;
  while (batch.offsets[s + 1] <= row) ++s;
  Numbers ids;
  if (!batch.prefixes.empty() && batch.prefixes[s] >= 0) {
    const auto prefix = static_cast<std::size_t>(batch.prefixes[s]);
    ids.assign(batch.ids.begin() + batch.offsets[prefix], batch.ids.begin() + batch.offsets[prefix + 1]);
  }
  ids.insert(ids.end(), batch.ids.begin() + batch.offsets[s], batch.ids.begin() + row + 1);
  EXPECT_EQ(batch.positions[static_cast<std::size_t>(row)], std::ssize(ids) - 1);
  return ids;
}

TEST(QuestionBatch, EveryAnswerTokenIsPredictedFromAllBeforeIt) {
  const auto questions = test::questions_of_every_form(3);  // few ids: many tokens are alike
  for (const bool share : {false, true}) {
    const auto batch = batch_of(questions, share);
    EXPECT_TRUE(std::ranges::is_sorted(batch.batch.loss_rows));
    std::vector<Example> candidates;
    std::int64_t tokens = 0;
    for (const auto& question : questions) {
      candidates.insert(candidates.end(), question.candidates.begin(), question.candidates.end());
      tokens += question_tokens(question, share);
    }
    EXPECT_EQ(batch.batch.tokens(), tokens);
    ASSERT_EQ(batch.candidates(), std::ssize(candidates));
    std::vector<std::set<std::size_t>> predicted(candidates.size());
    for (std::size_t i = 0; i < batch.candidate_of.size(); ++i) {
      const auto c = static_cast<std::size_t>(batch.candidate_of[i]);
      Numbers ids = context_of(batch.batch, batch.batch.loss_rows[i]);
      ids.push_back(batch.batch.targets[i]);
      ASSERT_LE(ids.size(), candidates[c].ids.size());
      EXPECT_TRUE(std::equal(ids.begin(), ids.end(), candidates[c].ids.begin()));
      EXPECT_NE(candidates[c].labels[ids.size() - 1], no_label);
      EXPECT_TRUE(predicted[c].insert(ids.size() - 1).second) << "twice";
    }
    for (std::size_t c = 0; c < candidates.size(); ++c) {
      EXPECT_EQ(std::ssize(predicted[c]), candidates[c].loss_tokens()) << c;
      EXPECT_EQ(batch.lengths[c], std::ssize(candidates[c].ids));
    }
  }
}

TEST(QuestionBatch, NotSharedItIsABatchOfTheCandidates) {
  const auto questions = test::questions_of_every_form(30);
  std::vector<const Example*> candidates;
  for (const auto& question : questions) {
    for (const auto& candidate : question.candidates) candidates.push_back(&candidate);
  }
  const RaggedBatch expected = make_batch(candidates, 11);
  const RaggedBatch batch = batch_of(questions, false, 11).batch;
  EXPECT_EQ(batch.ids, expected.ids);
  EXPECT_EQ(batch.positions, expected.positions);
  EXPECT_EQ(batch.offsets, expected.offsets);
  EXPECT_EQ(batch.prefixes, expected.prefixes);
  EXPECT_EQ(batch.loss_rows, expected.loss_rows);
  EXPECT_EQ(batch.targets, expected.targets);
  EXPECT_EQ(batch.token_keys, expected.token_keys);
}

TEST(QuestionBatch, TokenKeysAreDistinctAndDoNotDependOnTheBatch) {
  const auto questions = test::questions_of_every_form(30);
  const auto whole = batch_of(questions, true, 5).batch.token_keys;
  EXPECT_EQ(std::set(whole.begin(), whole.end()).size(), whole.size());
  std::vector<std::uint64_t> parts;
  std::int64_t first = 5;
  for (const auto& question : questions) {
    const auto part = batch_of({question}, true, first);
    first += part.candidates();
    parts.insert(parts.end(), part.batch.token_keys.begin(), part.batch.token_keys.end());
  }
  EXPECT_EQ(parts, whole);
}

TEST(QuestionBatch, ASharedPrefixHasTheMasksOfTheFirstCandidate) {
  const auto batch = batch_of({question({0, 1}, {{5, 6}, {7, 8}})}, true, 3).batch;
  const auto key = [](std::uint64_t sequence, std::uint64_t position) { return (sequence << 32) + position; };
  EXPECT_EQ(batch.token_keys, (std::vector<std::uint64_t>{key(3, 0), key(3, 1), key(3, 2), key(4, 2)}));
}

TEST(QuestionBatch, QuestionsThatCannotBeScoredAreRefused) {
  EXPECT_THROW((void)batch_of({Question{}}, true), Error);
  EXPECT_THROW((void)batch_of({question({0}, {{1}}, 1)}, true), Error);
  EXPECT_THROW((void)batch_of({question({0}, {{1}}, -1)}, false), Error);
  EXPECT_THROW((void)batch_of({question({0, 1}, {{1}, {}})}, true), Error);
  EXPECT_THROW((void)batch_of({question({}, {{1}, {2}})}, true), Error);  // nothing predicts the first token
  EXPECT_THROW((void)question_tokens(Question{{Example{}}, 0}, true), Error);
}

}  // namespace
}  // namespace cola
