#include "train/training_data.h"

#include <fmt/format.h>

#include <algorithm>
#include <functional>

#include "eval/question_loss.h"
#include "train/checkpoint.h"

namespace cola {

TrainingData::TrainingData(PreferenceSet pairs, const PreferenceObjective& objective,
                           std::vector<double> weights, bool share_prefix)
    : weights_(std::move(weights)),
      pairs_(std::move(pairs)),
      preference_({.objective = objective, .references = {}}),
      share_prefix_(share_prefix) {
  for (PreferencePair& pair : pairs_.pairs) pair = as_trained(std::move(pair), objective);
  preference_->references.resize(pairs_.pairs.size());
}

std::int64_t TrainingData::size() const {
  if (preference_) return std::ssize(pairs_.pairs);
  return questions_.empty() ? std::ssize(sequences_.examples) : std::ssize(questions_);
}

Mixture TrainingData::mixture() const {
  if (weights_.empty()) return size();
  return {preference_ ? pairs_.files : sequences_.files, weights_};
}

std::pair<std::int64_t, std::int64_t> TrainingData::tokens_of(std::size_t index) const {
  if (is_of_sequences()) {
    return {sequences_.examples.tokens(index), sequences_.examples.loss_tokens(index)};
  }
  std::int64_t loss_tokens = 0;
  for (const auto& candidate : question(index).candidates) loss_tokens += candidate.loss_tokens();
  return {question_tokens(question(index), share_prefix_), loss_tokens};
}

std::int64_t TrainingData::tokens() const {
  std::int64_t tokens = 0;
  for (std::int64_t i = 0; i < size(); ++i) tokens += tokens_of(static_cast<std::size_t>(i)).first;
  return tokens;
}

std::string TrainingData::summary() const {
  if (questions_.empty()) {
    const std::string mixed = mixture().summary();
    const DataReport& report = preference_ ? pairs_.report : sequences_.report;
    return report.summary() + (mixed.empty() ? "" : fmt::format("; mixed by weight: {}", mixed));
  }
  std::int64_t candidates = 0;
  std::int64_t whole = 0;
  std::int64_t merged = 0;
  for (const auto& question : questions_) {
    candidates += std::ssize(question.candidates);
    merged += question.merged_borders;
    for (const auto& candidate : question.candidates) whole += std::ssize(candidate.ids);
  }
  return fmt::format(
      "{} questions with {} candidates; {} tokens{}{}", questions_.size(), candidates, tokens(),
      share_prefix_ ? fmt::format(" ({} without shared prompts)", whole) : "",
      merged > 0 ? fmt::format("; {} answers begin inside a token, which is theirs", merged) : "");
}

std::string TrainingData::digest() const {
  if (is_of_sequences()) return sequences_.examples.digest();
  std::vector<Example> candidates;
  for (std::int64_t i = 0; i < size(); ++i) {
    const Question& one = question(static_cast<std::size_t>(i));
    candidates.insert(candidates.end(), one.candidates.begin(), one.candidates.end());
    candidates.push_back({{one.gold}, {}});
  }
  return digest_of(candidates);
}

std::string TrainingData::former_digest() const {
  return is_of_sequences() ? former_digest_of(sequences_.examples) : digest();
}

std::vector<std::span<const std::int64_t>> TrainingData::micro_batches(std::span<const std::int64_t> indices,
                                                                       const MicroBatchLimit& limit) const {
  std::vector<std::span<const std::int64_t>> parts;
  std::size_t begin = 0;
  std::int64_t tokens = 0;
  for (std::size_t i = 0; i < indices.size(); ++i) {
    const std::int64_t more = tokens_of(static_cast<std::size_t>(indices[i])).first;
    const auto items = static_cast<std::int64_t>(i - begin);
    if (items > 0 && (items == limit.items || tokens + more > limit.tokens)) {
      parts.push_back(indices.subspan(begin, i - begin));
      begin = i;
      tokens = 0;
    }
    tokens += more;
  }
  if (begin < indices.size()) parts.push_back(indices.subspan(begin));
  return parts;
}

std::pair<std::int64_t, std::int64_t> TrainingData::largest_micro_batch(const MicroBatchLimit& limit) const {
  std::vector<std::pair<std::int64_t, std::int64_t>> largest;  // a heap, the smallest of them first
  std::int64_t longest = 0;
  for (std::int64_t i = 0; limit.items > 0 && i < size(); ++i) {
    const auto one = tokens_of(static_cast<std::size_t>(i));
    longest = std::max(longest, one.first);
    if (std::ssize(largest) == limit.items) {
      if (one <= largest.front()) continue;
      std::ranges::pop_heap(largest, std::greater<>());
      largest.pop_back();
    }
    largest.push_back(one);
    std::ranges::push_heap(largest, std::greater<>());
  }
  std::pair<std::int64_t, std::int64_t> total;
  for (const auto& [tokens, loss_tokens] : largest) {
    total.first += tokens;
    total.second += loss_tokens;
  }
  if (!largest.empty()) total.first = std::min(total.first, std::max(limit.tokens, longest));
  return {total.first, std::min(total.second, total.first)};
}

LossTerms TrainingData::loss_terms(std::span<const std::int64_t> indices) const {
  LossTerms terms;
  for (const std::int64_t index : indices) {
    const auto i = static_cast<std::size_t>(index);
    terms.items += is_of_sequences() ? sequences_.examples.loss_tokens(i) : 1;
    if (preference_) terms.own_tokens += question(i).candidates.front().loss_tokens();
  }
  return terms;
}

std::vector<std::int64_t> TrainingData::lengths(std::span<const std::int64_t> indices) const {
  std::vector<std::int64_t> lengths;
  for (const std::int64_t index : indices) {
    const auto i = static_cast<std::size_t>(index);
    if (is_of_sequences()) {
      lengths.push_back(sequences_.examples.tokens(i));
    } else {
      for (const auto& candidate : question(i).candidates) lengths.push_back(std::ssize(candidate.ids));
    }
  }
  return lengths;
}

TrainingBatch TrainingData::batch(std::span<const std::int64_t> indices, std::int64_t& first_sequence) const {
  TrainingBatch made;
  if (!is_of_sequences()) {
    std::vector<const Question*> chosen;
    for (const std::int64_t index : indices) {
      const auto i = static_cast<std::size_t>(index);
      chosen.push_back(&question(i));
      if (!preference_) continue;
      made.prompt_tokens.push_back(pairs_.pairs[i].prompt_tokens);
      made.references.push_back(preference_->references[i]);
    }
    made.content = make_question_batch(chosen, share_prefix_, first_sequence);
    made.item = preference_ ? TrainingItem::pair : TrainingItem::question;
    first_sequence += made.content.candidates();
    return made;
  }
  std::vector<Example> taken;
  for (const std::int64_t index : indices) {
    taken.push_back(sequences_.examples[static_cast<std::size_t>(index)]);
    made.content.lengths.push_back(std::ssize(taken.back().ids));
  }
  const std::vector<const Example*> chosen = pointers_to(taken);
  made.content.batch = make_batch(chosen, first_sequence);
  made.loss_weights = loss_weights(chosen);
  first_sequence += std::ssize(chosen);
  return made;
}

namespace {

/// The weights of a step's gradient depend on all answers' scores: the head, on loss rows only, runs twice.
double weigh_questions(const TrainingBatch& batch, std::span<const float> nll, const LossTerms& terms,
                       std::span<float> weights) {
  const auto scores = candidate_scores(batch.content, nll);
  question_loss_weights(batch.content, scores, terms.items, weights);
  return question_loss(batch.content, scores);
}

BatchLoss weigh_pairs(const TrainingBatch& batch, std::span<const float> nll, const LossTerms& terms,
                      const PreferenceObjective& objective, std::span<float> weights) {
  const auto scores = pair_scores(batch.content, batch.prompt_tokens, nll);
  std::vector<PairLoss> losses;
  BatchLoss result;
  for (std::size_t i = 0; i < scores.size(); ++i) {
    losses.push_back(pair_loss(objective, scores[i], batch.references[i]));
    result.preferences.add(scores[i], losses.back());
  }
  preference_weights(objective, batch.content, batch.prompt_tokens, losses, terms.items, terms.own_tokens,
                     weights);
  const double pairs_a_token = static_cast<double>(terms.items) / static_cast<double>(terms.own_tokens);
  result.sum =
      result.preferences.loss + objective.own_loss_weight * pairs_a_token * result.preferences.own_nll;
  return result;
}

}  // namespace

BatchLoss forward_backward(const StepState& step, const Decoder& model, DecoderActivations& activations,
                           const TrainingBatch& batch, const LossTerms& terms_of_step,
                           const PreferenceObjective* objective) {
  const std::int64_t rows = step.context.backend().bucket_of(step.batch.tokens());
  if (rows > step.batch.tokens()) {
    const RaggedBatch padded = padded_to(step.batch, rows);
    return forward_backward(step.of(padded), model, activations, batch, terms_of_step, objective);
  }
  std::vector<float> nll(batch.ragged().targets.size());
  std::vector<float> weights(nll.size(), 1.0F / static_cast<float>(terms_of_step.items));
  model.forward(step, activations);
  if (batch.item == TrainingItem::sequence) {
    for (std::size_t i = 0; i < batch.loss_weights.size(); ++i) weights[i] *= batch.loss_weights[i];
    model.loss_and_backward(step, activations, weights, nll);
    return {.sum = weighted_sum(nll, batch.loss_weights), .preferences = {}};
  }
  model.loss(step, activations, nll, {});
  BatchLoss result;
  if (batch.item == TrainingItem::pair) {
    result = weigh_pairs(batch, nll, terms_of_step, *objective, weights);
  } else {
    result.sum = weigh_questions(batch, nll, terms_of_step, weights);
  }
  model.loss_and_backward(step, activations, weights, nll);
  return result;
}

}  // namespace cola
