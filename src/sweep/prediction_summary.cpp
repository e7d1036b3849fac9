#include "sweep/prediction_summary.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <vector>

#include "core/error.h"

namespace cola {
namespace {

constexpr std::size_t most_classes = 20;

/// Whether the two highest of `scores` are the same.
bool is_tied(std::vector<double> scores) {
  if (scores.size() < 2) return false;
  std::ranges::partial_sort(scores, scores.begin() + 2, std::ranges::greater());
  return scores[0] == scores[1];
}

std::int64_t largest_of(const std::map<std::string, std::int64_t>& counts) {
  std::int64_t largest = 0;
  for (const auto& [name, count] : counts) largest = std::max(largest, count);
  return largest;
}

}  // namespace

void PredictionCounter::add(const JsonReader& prediction) {
  ++questions_;
  ++answers_[prediction.string("prediction", "")];
  std::set<std::string> right;
  if (prediction.has("gold")) {
    const Json& gold = prediction.at("gold");
    if (!gold.is_array()) throw Error(prediction.where() + ": 'gold' must be a list of texts");
    for (const Json& name : gold) {
      if (!name.is_string()) throw Error(prediction.where() + ": 'gold' must be a list of texts");
      right.insert(name.get<std::string>());
    }
  }
  for (const std::string& name : right) ++right_[name];
  if (!prediction.has("scores")) return;
  ++with_candidates_;
  const Json& scores = prediction.at("scores");
  std::vector<double> numbers;
  for (const Json& score : scores) {
    if (score.is_number()) numbers.push_back(score.get<double>());
  }
  tied_ += is_tied(std::move(numbers)) ? 1 : 0;
}

PredictionSummary PredictionCounter::summary() const {
  PredictionSummary summary{.different_answers = std::ssize(answers_), .tied = tied_};
  if (questions_ == 0) return summary;
  const auto questions = static_cast<double>(questions_);
  summary.most_common_share = static_cast<double>(largest_of(answers_)) / questions;
  // Where the right answers are texts of the questions there are as many as questions, or nearly.
  const bool classes = with_candidates_ == questions_ && !right_.empty() && right_.size() <= most_classes &&
                       2 * std::ssize(right_) <= questions_;
  if (classes) summary.majority_score = static_cast<double>(largest_of(right_)) / questions;
  return summary;
}

}  // namespace cola
