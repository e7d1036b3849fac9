#pragma once
#include <array>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <vector>

#include "cola/preference.h"
#include "data/preference.h"
#include "data/question_batch.h"
#include "model/decoder.h"

namespace cola {

enum class PreferenceLoss : std::uint8_t { sigmoid, hinge, ipo, robust, sigmoid_norm, orpo, simpo };

/// PreferenceOptions, worked out.
struct PreferenceObjective {
  PreferenceLoss loss = PreferenceLoss::sigmoid;
  double beta = 0.1;
  double label_smoothing = 0.0;
  double gamma = 0.0;
  double own_loss_weight = 0.0;  ///< of the chosen answers' negative log-probability, a mean over tokens
  bool reference_is_start = false;

  [[nodiscard]] bool has_reference() const {
    return loss != PreferenceLoss::orpo && loss != PreferenceLoss::simpo;
  }
  /// ORPO: the own loss of a chosen answer is that of its prompt, too.
  [[nodiscard]] bool trains_prompts() const { return loss == PreferenceLoss::orpo; }
};

/// Nothing without an objective. Throws UsageError naming an option that is wrong, or that the objective does
/// not have.
[[nodiscard]] std::optional<PreferenceObjective> preference_objective(const PreferenceOptions& options);

/// Log-probabilities of the two answers, chosen and rejected: sums over their tokens.
using AnswerLogProbabilities = std::array<double, 2>;

/// What a model makes of a pair.
struct PairScores {
  AnswerLogProbabilities sums{};
  std::array<std::int64_t, 2> tokens{};  ///< of the answers
  double own_nll =
      0.0;  ///< negative log-probability of the chosen answer, and of its prompt where that is trained
  std::int64_t own_tokens = 0;
};

/// The preference term alone; docs/preferences.md has the formulas, which are TRL 1.16's.
struct PairLoss {
  double loss = 0.0;
  std::array<double, 2> slopes{};  ///< d loss / d sums
  std::array<double, 2> rewards{};
};
[[nodiscard]] PairLoss pair_loss(const PreferenceObjective& objective, const PairScores& scores,
                                 const AnswerLogProbabilities& reference);

/// Sums over pairs.
struct PreferenceSums {
  std::int64_t pairs = 0;
  double loss = 0.0;  ///< of pair_loss
  double own_nll = 0.0;
  std::int64_t own_tokens = 0;
  std::array<double, 2> rewards{}, log_probabilities{};
  std::int64_t right = 0;  ///< pairs whose chosen answer has the larger reward

  void add(const PairScores& scores, const PairLoss& loss);
  void add(const PreferenceSums& other);
  /// All of them as numbers, to be added up elsewhere, and back.
  [[nodiscard]] std::array<double, 9> figures() const;
  [[nodiscard]] static PreferenceSums of_figures(std::span<const double> figures);
  /// The objective over these pairs: the mean over pairs, and over tokens the chosen answers' own loss.
  [[nodiscard]] double mean_loss(const PreferenceObjective& objective) const;
  [[nodiscard]] double mean_reward(std::size_t answer) const;  ///< 0: chosen, 1: rejected
  [[nodiscard]] double accuracy() const;
};

/// Pairs as they are trained: with ORPO labels on the chosen answers' prompts, too.
[[nodiscard]] PreferencePair as_trained(PreferencePair pair, const PreferenceObjective& objective);

/// [P]: of a batch of pairs; `prompt_tokens` [P], nll [L] is the batch's.
[[nodiscard]] std::vector<PairScores> pair_scores(const QuestionBatch& batch,
                                                  std::span<const std::int64_t> prompt_tokens,
                                                  std::span<const float> nll);

/// weights [L] (written): the gradient of the objective over a step of `pairs` pairs, whose chosen answers
/// have `own_tokens` tokens, with respect to each nll, for Decoder::loss_and_backward.
void preference_weights(const PreferenceObjective& objective, const QuestionBatch& batch,
                        std::span<const std::int64_t> prompt_tokens, std::span<const PairLoss> losses,
                        std::int64_t pairs, std::int64_t own_tokens, std::span<float> weights);

/// [P]: scores of pairs, computed as score_questions computes questions. Without dropout.
[[nodiscard]] std::vector<PairScores> score_pairs(
    ops::Context& context, const Decoder& model, DecoderActivations& activations,
    std::span<const PreferencePair> pairs, bool share_prefix, std::int64_t batch_tokens,
    const std::function<void(std::int64_t, std::int64_t)>& each = {});

}  // namespace cola
