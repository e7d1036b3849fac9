#include "train/training_data.h"

#include <fmt/format.h>

#include <algorithm>
#include <functional>

#include "eval/question_loss.h"
#include "train/checkpoint.h"

namespace cola {

std::int64_t TrainingData::size() const {
  return questions_.empty() ? std::ssize(sequences_.examples) : std::ssize(questions_);
}

Mixture TrainingData::mixture() const {
  if (weights_.empty()) return size();
  return {sequences_.files, weights_};
}

std::pair<std::int64_t, std::int64_t> TrainingData::tokens_of(std::size_t index) const {
  if (questions_.empty()) {
    const Example& example = sequences_.examples[index];
    return {std::ssize(example.ids), example.loss_tokens()};
  }
  const Question& question = questions_[index];
  std::int64_t loss_tokens = 0;
  for (const auto& candidate : question.candidates) loss_tokens += candidate.loss_tokens();
  return {question_tokens(question, share_prefix_), loss_tokens};
}

std::int64_t TrainingData::tokens() const {
  std::int64_t tokens = 0;
  for (std::int64_t i = 0; i < size(); ++i) tokens += tokens_of(static_cast<std::size_t>(i)).first;
  return tokens;
}

std::string TrainingData::summary() const {
  if (questions_.empty()) {
    const std::string mixed = mixture().summary();
    return sequences_.report.summary() + (mixed.empty() ? "" : fmt::format("; mixed by weight: {}", mixed));
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
  if (questions_.empty()) return digest_of(sequences_.examples);
  std::vector<Example> candidates;
  for (const auto& question : questions_) {
    candidates.insert(candidates.end(), question.candidates.begin(), question.candidates.end());
    candidates.push_back({{question.gold}, {}});
  }
  return digest_of(candidates);
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
  std::vector<std::pair<std::int64_t, std::int64_t>> sizes;
  for (std::int64_t i = 0; i < size(); ++i) sizes.push_back(tokens_of(static_cast<std::size_t>(i)));
  const auto chosen = std::min(std::ssize(sizes), limit.items);
  std::ranges::partial_sort(sizes, sizes.begin() + chosen, std::greater<>());
  std::pair<std::int64_t, std::int64_t> total;
  for (std::int64_t i = 0; i < chosen; ++i) {
    total.first += sizes[static_cast<std::size_t>(i)].first;
    total.second += sizes[static_cast<std::size_t>(i)].second;
  }
  if (chosen > 0) total.first = std::min(total.first, std::max(limit.tokens, sizes.front().first));
  return {total.first, std::min(total.second, total.first)};
}

std::int64_t TrainingData::loss_terms(std::span<const std::int64_t> indices) const {
  if (!questions_.empty()) return std::ssize(indices);
  std::int64_t terms = 0;
  for (const std::int64_t index : indices)
    terms += sequences_.examples[static_cast<std::size_t>(index)].loss_tokens();
  return terms;
}

std::vector<std::int64_t> TrainingData::lengths(std::span<const std::int64_t> indices) const {
  std::vector<std::int64_t> lengths;
  for (const std::int64_t index : indices) {
    const auto i = static_cast<std::size_t>(index);
    if (questions_.empty()) {
      lengths.push_back(std::ssize(sequences_.examples[i].ids));
    } else {
      for (const auto& candidate : questions_[i].candidates) lengths.push_back(std::ssize(candidate.ids));
    }
  }
  return lengths;
}

TrainingBatch TrainingData::batch(std::span<const std::int64_t> indices, std::int64_t& first_sequence) const {
  TrainingBatch made;
  if (!questions_.empty()) {
    std::vector<const Question*> chosen;
    for (const std::int64_t index : indices) chosen.push_back(&questions_[static_cast<std::size_t>(index)]);
    made.content = make_question_batch(chosen, share_prefix_, first_sequence);
    made.of_questions = true;
    first_sequence += made.content.candidates();
    return made;
  }
  std::vector<const Example*> chosen;
  for (const std::int64_t index : indices) {
    chosen.push_back(&sequences_.examples[static_cast<std::size_t>(index)]);
    made.content.lengths.push_back(std::ssize(chosen.back()->ids));
  }
  made.content.batch = make_batch(chosen, first_sequence);
  made.loss_weights = loss_weights(chosen);
  first_sequence += std::ssize(chosen);
  return made;
}

double forward_backward(const StepState& step, const Decoder& model, DecoderActivations& activations,
                        const TrainingBatch& batch, std::int64_t terms_of_step) {
  const std::int64_t rows = step.context.backend().bucket_of(step.batch.tokens());
  if (rows > step.batch.tokens()) {
    const RaggedBatch padded = padded_to(step.batch, rows);
    return forward_backward(step.of(padded), model, activations, batch, terms_of_step);
  }
  std::vector<float> nll(batch.ragged().targets.size());
  std::vector<float> weights(nll.size(), 1.0F / static_cast<float>(terms_of_step));
  model.forward(step, activations);
  if (!batch.of_questions) {
    for (std::size_t i = 0; i < batch.loss_weights.size(); ++i) weights[i] *= batch.loss_weights[i];
    model.loss_and_backward(step, activations, weights, nll);
    return weighted_sum(nll, batch.loss_weights);
  }
  // The weights of the gradient depend on all candidates' scores, so the head, on loss rows only, runs twice.
  model.loss(step, activations, nll, {});
  const auto scores = candidate_scores(batch.content, nll);
  question_loss_weights(batch.content, scores, terms_of_step, weights);
  model.loss_and_backward(step, activations, weights, nll);
  return question_loss(batch.content, scores);
}

}  // namespace cola
