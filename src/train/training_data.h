#pragma once
#include <cstdint>
#include <limits>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "data/dataset.h"
#include "data/mixture.h"
#include "data/question_batch.h"
#include "model/decoder.h"

namespace cola {

/// One micro-batch. Of sequences, only `batch` and `lengths` of the content are set.
struct TrainingBatch {
  QuestionBatch content;
  std::vector<float> loss_weights;  ///< of sequences: of each loss row, see loss_weights(); empty: 1
  bool of_questions = false;

  [[nodiscard]] const RaggedBatch& ragged() const { return content.batch; }
  /// What the mean loss of a step is over: questions, or loss tokens.
  [[nodiscard]] std::int64_t loss_terms() const {
    return of_questions ? content.questions() : content.batch.loss_tokens();
  }
};

/// How much of a batch a process computes at a time: as many items as both allow, but at least one.
struct MicroBatchLimit {
  std::int64_t items = 0;
  std::int64_t tokens = std::numeric_limits<std::int64_t>::max();  ///< as they are run
};

/// What is trained on: sequences with the language-model loss on their labels, or questions with the
/// cross-entropy over their candidates' mean log-probabilities.
class TrainingData {
 public:
  TrainingData() = default;
  /// `weights`: of the sequences' files, empty: none.
  explicit TrainingData(Dataset sequences, std::vector<double> weights = {})
      : sequences_(std::move(sequences)), weights_(std::move(weights)) {}
  TrainingData(std::vector<Question> questions, bool share_prefix)
      : questions_(std::move(questions)), share_prefix_(share_prefix) {}

  [[nodiscard]] std::int64_t size() const;    ///< sequences or questions
  [[nodiscard]] Mixture mixture() const;      ///< Throws UsageError, see Mixture
  [[nodiscard]] std::int64_t tokens() const;  ///< of an epoch, as they are run
  [[nodiscard]] std::string summary() const;  ///< one line
  [[nodiscard]] std::string digest() const;   ///< see digest_of()
  /// The items in their order, cut into consecutive micro-batches.
  [[nodiscard]] std::vector<std::span<const std::int64_t>> micro_batches(
      std::span<const std::int64_t> indices, const MicroBatchLimit& limit) const;
  /// What no micro-batch exceeds, in tokens and in loss tokens.
  [[nodiscard]] std::pair<std::int64_t, std::int64_t> largest_micro_batch(const MicroBatchLimit& limit) const;
  /// TrainingBatch::loss_terms() of a batch of these.
  [[nodiscard]] std::int64_t loss_terms(std::span<const std::int64_t> indices) const;
  /// Tokens of each of their sequences; of questions, of each candidate whole.
  [[nodiscard]] std::vector<std::int64_t> lengths(std::span<const std::int64_t> indices) const;
  /// `first_sequence`: the number of the batch's first sequence in its optimizer step; moved past the batch.
  [[nodiscard]] TrainingBatch batch(std::span<const std::int64_t> indices,
                                    std::int64_t& first_sequence) const;

 private:
  [[nodiscard]] std::pair<std::int64_t, std::int64_t> tokens_of(std::size_t index) const;

  Dataset sequences_;
  std::vector<double> weights_;
  std::vector<Question> questions_;  ///< in place of the sequences
  bool share_prefix_ = true;
};

/// Forward and backward of one micro-batch: adds the gradient of its part of the step's mean loss, which is
/// over `terms_of_step` loss terms. Returns the (weighted) sum of the batch's terms. `step.batch` is
/// batch.ragged().
double forward_backward(const StepState& step, const Decoder& model, DecoderActivations& activations,
                        const TrainingBatch& batch, std::int64_t terms_of_step);

}  // namespace cola
