#pragma once
#include <cstdint>
#include <span>
#include <vector>

#include "backend/ragged_batch.h"
#include "data/question.h"

namespace cola {

/// Questions as one ragged batch: Q questions, C candidates, L loss rows, one for each answer token of each
/// candidate. Candidates are numbered through the batch.
struct QuestionBatch {
  RaggedBatch batch;
  std::vector<std::int32_t> candidate_of;         ///< [L]: the candidate whose answer token is targets[i]
  std::vector<std::int32_t> question_offsets{0};  ///< [Q+1]: question q has candidates offsets[q] .. [q+1]
  std::vector<std::int32_t> gold;                 ///< [Q]: the right candidate's number in the batch
  std::vector<std::int64_t> lengths;  ///< [C]: tokens of the whole candidate, as hf_flos counts them

  [[nodiscard]] std::int64_t questions() const { return static_cast<std::int64_t>(gold.size()); }
  [[nodiscard]] std::int64_t candidates() const { return static_cast<std::int64_t>(lengths.size()); }
};

/// Packs questions into one batch. Without `share_prefix` each candidate is a sequence of its own, as in
/// make_batch. With it, the longest token prefix that all candidates of a question have in common is computed
/// once, as a sequence that the candidates' other tokens continue; and a token from which nothing is
/// predicted, a candidate's last, is not computed: a one-token answer has no row of its own.
///
/// `first_sequence` is the number, within the optimizer step, of the first candidate: candidates are numbered
/// through the step, whatever batches it is cut into. A token's dropout key has its candidate's number; a
/// shared prefix has that of the first candidate, so all candidates share its masks.
///
/// Throws Error for a question without candidates, whose gold is none of them, or with a candidate without an
/// answer token, and for a batch too large.
[[nodiscard]] QuestionBatch make_question_batch(std::span<const Question* const> questions, bool share_prefix,
                                                std::int64_t first_sequence = 0);

/// Tokens of the question in a batch: what it costs to run. Throws as make_question_batch does.
[[nodiscard]] std::int64_t question_tokens(const Question& question, bool share_prefix);

}  // namespace cola
