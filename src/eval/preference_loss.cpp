#include "eval/preference_loss.h"

#include <algorithm>
#include <cmath>

#include "eval/question_batches.h"

namespace cola {
namespace {

double softplus(double x) { return std::max(x, 0.0) + std::log1p(std::exp(-std::abs(x))); }
double logistic(double x) {
  return x >= 0.0 ? 1.0 / (1.0 + std::exp(-x)) : std::exp(x) / (1.0 + std::exp(x));
}
/// log(e^z / (1 - e^z)) of a mean log-probability z < 0.
double log_odds(double z) { return z - std::log(-std::expm1(z)); }

/// A loss of one margin: its value and slope.
struct MarginLoss {
  double loss, slope;
};
MarginLoss negative_log_sigmoid(double z) { return {softplus(-z), -logistic(-z)}; }

MarginLoss robust(double z, double smoothing) {
  const double scale = 1.0 / (1.0 - 2.0 * smoothing);
  return {scale * ((1.0 - smoothing) * softplus(-z) - smoothing * softplus(z)),
          -scale * ((1.0 - smoothing) * logistic(-z) + smoothing * logistic(z))};
}

bool is_answer_row(const QuestionBatch& batch, std::size_t i, std::int64_t prompt_tokens) {
  return batch.batch.positions[static_cast<std::size_t>(batch.batch.loss_rows[i])] + 1 >= prompt_tokens;
}

}  // namespace

PairLoss pair_loss(const PreferenceObjective& objective, const PairScores& scores,
                   const AnswerLogProbabilities& reference) {
  using enum PreferenceLoss;
  const double beta = objective.beta;
  const std::array counts{static_cast<double>(scores.tokens[0]), static_cast<double>(scores.tokens[1])};
  const std::array gains{scores.sums[0] - reference[0], scores.sums[1] - reference[1]};
  const std::array means{scores.sums[0] / counts[0], scores.sums[1] / counts[1]};
  const std::array mean_gains{gains[0] / counts[0], gains[1] / counts[1]};
  PairLoss result;
  result.rewards = objective.has_reference() ? std::array{beta * gains[0], beta * gains[1]}
                                             : std::array{beta * means[0], beta * means[1]};
  std::array<double, 2> per_sum{1.0, 1.0};  // d of each side of the margin / d of its sum
  MarginLoss margin{};
  switch (objective.loss) {
    case sigmoid:
      margin = negative_log_sigmoid(beta * (gains[0] - gains[1]));
      break;
    case robust:
      margin = cola::robust(beta * (gains[0] - gains[1]), objective.label_smoothing);
      break;
    case hinge: {
      const double open = 1.0 - beta * (gains[0] - gains[1]);
      margin = {std::max(open, 0.0), open > 0.0 ? -1.0 : 0.0};
      break;
    }
    case ipo: {
      const double excess = mean_gains[0] - mean_gains[1] - 1.0 / (2.0 * beta);
      margin = {excess * excess, 2.0 * excess / beta};
      per_sum = {1.0 / counts[0], 1.0 / counts[1]};
      break;
    }
    case sigmoid_norm:
      margin = negative_log_sigmoid(beta * (mean_gains[0] - mean_gains[1]));
      per_sum = {1.0 / counts[0], 1.0 / counts[1]};
      break;
    case simpo:
      margin = negative_log_sigmoid(beta * (means[0] - means[1]) - objective.gamma);
      per_sum = {1.0 / counts[0], 1.0 / counts[1]};
      break;
    case orpo:
      margin = negative_log_sigmoid(log_odds(means[0]) - log_odds(means[1]));
      margin.loss *= beta;
      per_sum = {1.0 / (counts[0] * -std::expm1(means[0])), 1.0 / (counts[1] * -std::expm1(means[1]))};
      break;
  }
  result.loss = margin.loss;
  result.slopes = {beta * margin.slope * per_sum[0], -beta * margin.slope * per_sum[1]};
  return result;
}

void PreferenceSums::add(const PairScores& scores, const PairLoss& one) {
  ++pairs;
  loss += one.loss;
  own_nll += scores.own_nll;
  own_tokens += scores.own_tokens;
  right += one.rewards[0] > one.rewards[1] ? 1 : 0;
  for (std::size_t i = 0; i < 2; ++i) {
    rewards.at(i) += one.rewards.at(i);
    log_probabilities.at(i) += scores.sums.at(i);
  }
}

std::array<double, 9> PreferenceSums::figures() const {
  return {static_cast<double>(pairs), loss,       own_nll,    static_cast<double>(own_tokens),
          static_cast<double>(right), rewards[0], rewards[1], log_probabilities[0],
          log_probabilities[1]};
}

PreferenceSums PreferenceSums::of_figures(std::span<const double> figures) {
  return {.pairs = static_cast<std::int64_t>(figures[0]),
          .loss = figures[1],
          .own_nll = figures[2],
          .own_tokens = static_cast<std::int64_t>(figures[3]),
          .rewards = {figures[5], figures[6]},
          .log_probabilities = {figures[7], figures[8]},
          .right = static_cast<std::int64_t>(figures[4])};
}

void PreferenceSums::add(const PreferenceSums& other) {
  auto sums = figures();
  const auto more = other.figures();
  for (std::size_t i = 0; i < sums.size(); ++i) sums.at(i) += more.at(i);
  *this = of_figures(sums);
}

double PreferenceSums::mean_loss(const PreferenceObjective& objective) const {
  const double own = objective.own_loss_weight == 0.0 ? 0.0 : own_nll / static_cast<double>(own_tokens);
  return loss / static_cast<double>(pairs) + objective.own_loss_weight * own;
}

double PreferenceSums::mean_reward(std::size_t answer) const {
  return rewards.at(answer) / static_cast<double>(pairs);
}

double PreferenceSums::accuracy() const { return static_cast<double>(right) / static_cast<double>(pairs); }

PreferencePair as_trained(PreferencePair pair, const PreferenceObjective& objective) {
  if (objective.trains_prompts()) {
    Example& chosen = pair.question.candidates.front();
    std::copy(chosen.ids.begin() + 1, chosen.ids.end(), chosen.labels.begin() + 1);
  }
  return pair;
}

std::vector<PairScores> pair_scores(const QuestionBatch& batch, std::span<const std::int64_t> prompt_tokens,
                                    std::span<const float> nll) {
  std::vector<PairScores> scores(prompt_tokens.size());
  for (std::size_t i = 0; i < nll.size(); ++i) {
    const auto candidate = static_cast<std::size_t>(batch.candidate_of[i]);
    PairScores& pair = scores[candidate / 2];
    const auto value = static_cast<double>(nll[i]);
    if (is_answer_row(batch, i, prompt_tokens[candidate / 2])) {
      pair.sums.at(candidate % 2) -= value;
      ++pair.tokens.at(candidate % 2);
    }
    if (candidate % 2 == 0) {
      pair.own_nll += value;
      ++pair.own_tokens;
    }
  }
  return scores;
}

void preference_weights(const PreferenceObjective& objective, const QuestionBatch& batch,
                        std::span<const std::int64_t> prompt_tokens, std::span<const PairLoss> losses,
                        std::int64_t pairs, std::int64_t own_tokens, std::span<float> weights) {
  const double own = objective.own_loss_weight / static_cast<double>(own_tokens);
  for (std::size_t i = 0; i < weights.size(); ++i) {
    const auto candidate = static_cast<std::size_t>(batch.candidate_of[i]);
    double weight = candidate % 2 == 0 ? own : 0.0;
    if (is_answer_row(batch, i, prompt_tokens[candidate / 2]))
      weight -= losses[candidate / 2].slopes.at(candidate % 2) / static_cast<double>(pairs);
    weights[i] = static_cast<float>(weight);
  }
}

std::vector<PairScores> score_pairs(ops::Context& context, const Decoder& model,
                                    DecoderActivations& activations, std::span<const PreferencePair> pairs,
                                    bool share_prefix, std::int64_t batch_tokens,
                                    const std::function<void(std::int64_t, std::int64_t)>& each) {
  std::vector<const Question*> questions;
  for (const PreferencePair& pair : pairs) questions.push_back(&pair.question);
  std::vector<PairScores> scores(pairs.size());
  run_question_batches(
      context, model, activations, questions, share_prefix, batch_tokens,
      [&](const QuestionBatch& batch, std::span<const std::size_t> numbers, std::span<const float> nll) {
        std::vector<std::int64_t> prompt_tokens;
        for (const std::size_t number : numbers) prompt_tokens.push_back(pairs[number].prompt_tokens);
        const auto part = pair_scores(batch, prompt_tokens, nll);
        for (std::size_t i = 0; i < numbers.size(); ++i) scores[numbers[i]] = part[i];
      },
      each);
  return scores;
}

}  // namespace cola
