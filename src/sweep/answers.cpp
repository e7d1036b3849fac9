#include "sweep/answers.h"

#include <algorithm>
#include <numeric>

namespace cola {

void AnswerIndex::add(const TrialResult& trial) {
  std::vector<std::pair<std::size_t, double>> answers;  // question and score
  for (std::size_t i = 0; i < trial.items.size(); ++i) {
    const std::size_t number = numbers_.try_emplace(trial.items[i], numbers_.size()).first->second;
    answers.emplace_back(number, trial.item_scores[i]);
  }
  std::ranges::stable_sort(answers, {}, &std::pair<std::size_t, double>::first);
  QuestionSet set;
  TrialAnswers sums;
  for (const auto& [question, score] : answers) {
    if (set.questions.empty() || set.questions.back() != question) {
      set.questions.push_back(question);
      set.counts.push_back(0.0);
      sums.sums.push_back(0.0);
    }
    set.counts.back() += 1.0;
    sums.sums.back() += score;
  }
  const auto [entry, is_new] = numbers_of_sets_.try_emplace(std::move(set), sets_.size());
  if (is_new) sets_.push_back(&entry->first);
  sums.set = entry->second;
  trials_.emplace(trial.id, std::move(sums));
}

const std::vector<double>& AnswerIndex::counts(const std::string& trial) const {
  return sets_[of(trial).set]->counts;
}

AnswerSums AnswerIndex::sum(std::span<const std::string> trials) const {
  const auto answers_of = [](const QuestionSet& set) {
    return std::accumulate(set.counts.begin(), set.counts.end(), 0.0);
  };
  double most = 0.0;
  for (const std::string& trial : trials) most = std::max(most, answers_of(*sets_[of(trial).set]));
  std::map<std::size_t, std::pair<double, double>> by_question;  // sum and count
  for (const std::string& trial : trials) {
    const TrialAnswers& answers = of(trial);
    const QuestionSet& set = *sets_[answers.set];
    const double weight = most / answers_of(set);
    for (std::size_t i = 0; i < answers.sums.size(); ++i) {
      auto& [sum, count] = by_question[set.questions[i]];
      sum += weight * answers.sums[i];
      count += weight * set.counts[i];
    }
  }
  AnswerSums result;
  for (const auto& [question, entry] : by_question) {
    result.questions.push_back(question);
    result.scores.sums.push_back(entry.first);
    result.scores.counts.push_back(entry.second);
  }
  return result;
}

}  // namespace cola
