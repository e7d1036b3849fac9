#include "eval/question_loss.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <utility>

#include "eval/question_batches.h"

namespace cola {
namespace {

/// [C]: answer tokens of each candidate.
std::vector<double> answer_tokens(const QuestionBatch& batch) {
  std::vector<double> counts(batch.lengths.size());
  for (const std::int32_t candidate : batch.candidate_of) counts[static_cast<std::size_t>(candidate)] += 1.0;
  return counts;
}

/// [C]: log-softmax of the scores over each question's candidates.
std::vector<double> log_probabilities(const QuestionBatch& batch, std::span<const double> scores) {
  std::vector<double> result(scores.begin(), scores.end());
  for (std::size_t q = 0; q + 1 < batch.question_offsets.size(); ++q) {
    const auto begin = static_cast<std::size_t>(batch.question_offsets[q]);
    const auto own =
        std::span(result).subspan(begin, static_cast<std::size_t>(batch.question_offsets[q + 1]) - begin);
    const double largest = std::ranges::max(own);
    double sum = 0.0;
    for (const double score : own) sum += std::exp(score - largest);
    for (double& score : own) score -= largest + std::log(sum);
  }
  return result;
}

}  // namespace

std::vector<double> candidate_scores(const QuestionBatch& batch, std::span<const float> nll) {
  std::vector<double> scores(batch.lengths.size());
  for (std::size_t i = 0; i < nll.size(); ++i) {
    scores[static_cast<std::size_t>(batch.candidate_of[i])] -= static_cast<double>(nll[i]);
  }
  const std::vector<double> counts = answer_tokens(batch);
  for (std::size_t c = 0; c < scores.size(); ++c) scores[c] /= counts[c];
  return scores;
}

double question_loss(const QuestionBatch& batch, std::span<const double> scores) {
  const std::vector<double> log_probability = log_probabilities(batch, scores);
  double loss = 0.0;
  for (const std::int32_t gold : batch.gold) loss -= log_probability[static_cast<std::size_t>(gold)];
  return loss;
}

void question_loss_weights(const QuestionBatch& batch, std::span<const double> scores, std::int64_t questions,
                           std::span<float> weights) {
  std::vector<double> dscores = log_probabilities(batch, scores);
  for (double& dscore : dscores) dscore = std::exp(dscore);
  for (std::size_t q = 0; q < batch.gold.size(); ++q) {
    // p - 1 of the right one as the others' sum: without cancellation where it is nearly certain.
    const auto gold = static_cast<std::size_t>(batch.gold[q]);
    dscores[gold] = 0.0;
    dscores[gold] = -std::accumulate(dscores.begin() + batch.question_offsets[q],
                                     dscores.begin() + batch.question_offsets[q + 1], 0.0);
  }
  const std::vector<double> counts = answer_tokens(batch);
  for (std::size_t i = 0; i < weights.size(); ++i) {
    const auto candidate = static_cast<std::size_t>(batch.candidate_of[i]);
    weights[i] =
        static_cast<float>(-dscores[candidate] / (counts[candidate] * static_cast<double>(questions)));
  }
}

QuestionScores score_questions(ops::Context& context, const Decoder& model, DecoderActivations& activations,
                               std::span<const Question> questions, bool share_prefix,
                               std::int64_t batch_tokens,
                               const std::function<void(std::int64_t, std::int64_t)>& each) {
  std::vector<const Question*> all;
  for (const Question& question : questions) all.push_back(&question);
  QuestionScores result;
  result.scores.resize(questions.size());
  run_question_batches(
      context, model, activations, all, share_prefix, batch_tokens,
      [&](const QuestionBatch& batch, std::span<const std::size_t> numbers, std::span<const float> nll) {
        const std::vector<double> scores = candidate_scores(batch, nll);
        result.loss += question_loss(batch, scores);
        for (std::size_t q = 0; q < numbers.size(); ++q) {
          result.scores[numbers[q]].assign(scores.begin() + batch.question_offsets[q],
                                           scores.begin() + batch.question_offsets[q + 1]);
        }
      },
      each);
  result.loss /= static_cast<double>(questions.size());
  return result;
}

}  // namespace cola
