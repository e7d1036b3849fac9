#pragma once
#include <cstdint>
#include <limits>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "data/dataset.h"
#include "data/mixture.h"
#include "data/preference.h"
#include "data/question_batch.h"
#include "eval/preference_loss.h"
#include "model/decoder.h"

namespace cola {

/// What a batch is of.
enum class TrainingItem : std::uint8_t { sequence, question, pair };

/// What the mean loss of a step is over.
struct LossTerms {
  std::int64_t items = 0;       ///< loss tokens of sequences; questions; pairs
  std::int64_t own_tokens = 0;  ///< of pairs: of the chosen answers' own loss
};

/// One micro-batch. Of sequences, only `batch` and `lengths` of the content are set.
struct TrainingBatch {
  QuestionBatch content;
  std::vector<float> loss_weights;  ///< of sequences: of each loss row, see loss_weights(); empty: 1
  TrainingItem item = TrainingItem::sequence;
  std::vector<std::int64_t> prompt_tokens;         ///< of pairs
  std::vector<AnswerLogProbabilities> references;  ///< of pairs: 0 where the objective has no reference

  [[nodiscard]] const RaggedBatch& ragged() const { return content.batch; }
};

/// What pairs are trained by.
struct PreferenceTraining {
  PreferenceObjective objective;
  std::vector<AnswerLogProbabilities> references;  ///< by pair; set before the first step
};

/// How much of a batch a process computes at a time: as many items as both allow, but at least one.
struct MicroBatchLimit {
  std::int64_t items = 0;
  std::int64_t tokens = std::numeric_limits<std::int64_t>::max();  ///< as they are run
};

/// What is trained on: sequences with the language-model loss on their labels, questions with the
/// cross-entropy over their candidates' mean log-probabilities, or preference pairs.
class TrainingData {
 public:
  TrainingData() = default;
  /// `weights`: of the sequences' files, empty: none.
  explicit TrainingData(Dataset sequences, std::vector<double> weights = {})
      : sequences_(std::move(sequences)), weights_(std::move(weights)) {}
  TrainingData(std::vector<Question> questions, bool share_prefix)
      : questions_(std::move(questions)), share_prefix_(share_prefix) {}
  TrainingData(PreferenceSet pairs, const PreferenceObjective& objective, std::vector<double> weights,
               bool share_prefix);

  [[nodiscard]] std::int64_t size() const;          ///< sequences or questions
  [[nodiscard]] Mixture mixture() const;            ///< Throws UsageError, see Mixture
  [[nodiscard]] std::int64_t tokens() const;        ///< of all items, each once, as they are run
  [[nodiscard]] std::string summary() const;        ///< one line
  [[nodiscard]] std::string digest() const;         ///< tells edited data
  [[nodiscard]] std::string former_digest() const;  ///< see former_digest_of()
  /// The items in their order, cut into consecutive micro-batches.
  [[nodiscard]] std::vector<std::span<const std::int64_t>> micro_batches(
      std::span<const std::int64_t> indices, const MicroBatchLimit& limit) const;
  /// What no micro-batch exceeds, in tokens and in loss tokens.
  [[nodiscard]] std::pair<std::int64_t, std::int64_t> largest_micro_batch(const MicroBatchLimit& limit) const;
  [[nodiscard]] LossTerms loss_terms(std::span<const std::int64_t> indices) const;
  /// Tokens of each of their sequences; of questions, of each candidate whole.
  [[nodiscard]] std::vector<std::int64_t> lengths(std::span<const std::int64_t> indices) const;
  /// `first_sequence`: the number of the batch's first sequence in its optimizer step; moved past the batch.
  [[nodiscard]] TrainingBatch batch(std::span<const std::int64_t> indices,
                                    std::int64_t& first_sequence) const;

  /// Null unless it is pairs.
  [[nodiscard]] PreferenceTraining* preference() { return preference_ ? &*preference_ : nullptr; }
  [[nodiscard]] const PreferenceTraining* preference() const { return preference_ ? &*preference_ : nullptr; }
  [[nodiscard]] std::span<const PreferencePair> pairs() const { return pairs_.pairs; }

 private:
  [[nodiscard]] std::pair<std::int64_t, std::int64_t> tokens_of(std::size_t index) const;
  [[nodiscard]] bool is_of_sequences() const { return questions_.empty() && !preference_; }
  [[nodiscard]] const Question& question(std::size_t index) const {
    return preference_ ? pairs_.pairs[index].question : questions_[index];
  }

  Dataset sequences_;
  std::vector<double> weights_;
  std::vector<Question> questions_;  ///< in place of the sequences
  PreferenceSet pairs_;              ///< likewise
  std::optional<PreferenceTraining> preference_;
  bool share_prefix_ = true;
};

/// Of a micro-batch: the (weighted) sum of its loss terms, of which the step's mean is over LossTerms::items;
/// and of pairs the sums of what is logged.
struct BatchLoss {
  double sum = 0.0;
  PreferenceSums preferences;
};

/// Forward and backward of one micro-batch: adds the gradient of its part of the step's mean loss, which is
/// over `terms_of_step`. `step.batch` is batch.ragged(). `objective`: of pairs.
BatchLoss forward_backward(const StepState& step, const Decoder& model, DecoderActivations& activations,
                           const TrainingBatch& batch, const LossTerms& terms_of_step,
                           const PreferenceObjective* objective = nullptr);

}  // namespace cola
