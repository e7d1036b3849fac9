#pragma once
#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "data/question_batch.h"
#include "model/decoder.h"

namespace cola {

/// [C]: each candidate's score, the mean log-probability of its answer tokens; nll [L] is the batch's.
[[nodiscard]] std::vector<double> candidate_scores(const QuestionBatch& batch, std::span<const float> nll);

/// Cross-entropy of each question's right candidate under the softmax of its candidates' scores [C], summed
/// over the batch's questions.
[[nodiscard]] double question_loss(const QuestionBatch& batch, std::span<const double> scores);

/// weights [L] (written): the gradient of question_loss / `questions` with respect to each nll, for
/// Decoder::loss_and_backward. `questions` are those of the whole optimizer step. With p the softmax of the
/// scores and n_c answer tokens: d loss / d nll_i = (d loss / d score_c) (d score_c / d nll_i)
///   = (p_c - [c is right]) (-1 / n_c).
void question_loss_weights(const QuestionBatch& batch, std::span<const double> scores, std::int64_t questions,
                           std::span<float> weights);

/// Scores over a data set.
struct QuestionScores {
  std::vector<std::vector<double>> scores;  ///< by question and candidate, in the order given
  double loss = 0.0;                        ///< mean over the questions of question_loss
};

/// Scores questions in ragged batches of at most `batch_tokens` tokens (at least one question), sorted by
/// length. Where LongRoPE turns a question's candidates by different factors, they are run whole, each by its
/// own length, even with `share_prefix`. `each(done, total)` is called after every batch with question
/// counts.
[[nodiscard]] QuestionScores score_questions(
    ops::Context& context, const Decoder& model, DecoderActivations& activations,
    std::span<const Question> questions, bool share_prefix, std::int64_t batch_tokens,
    const std::function<void(std::int64_t, std::int64_t)>& each = {});

}  // namespace cola
