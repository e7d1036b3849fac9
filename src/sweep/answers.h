#pragma once
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "statistics/intervals.h"
#include "sweep/trial.h"

namespace cola {

/// A trial's scores by question, in an order that is one for all trials of a task with the same questions.
struct TrialAnswers {
  std::size_t set = 0;       ///< trials with one number have the same questions
  std::vector<double> sums;  ///< [questions]: a question's score, or sum of scores where its id occurs twice
};

/// Scores of several trials together.
struct AnswerSums {
  std::vector<std::size_t> questions;  ///< numbers of the task's questions, ascending
  QuestionSums scores;
};

/// The questions of one task's trials, told apart by their ids: trials may have them in another order, and
/// seeds may draw other ones.
class AnswerIndex {
 public:
  /// The trial's id must be new; `trial` must outlive the index.
  void add(const TrialResult& trial);

  [[nodiscard]] const TrialAnswers& of(const std::string& trial) const { return trials_.at(trial); }
  [[nodiscard]] bool same_questions(const std::string& a, const std::string& b) const {
    return of(a).set == of(b).set;
  }
  /// How many times each question of the trial's occurs in it, as the sums of TrialAnswers: once, but where
  /// ids are not unique.
  [[nodiscard]] const std::vector<double>& counts(const std::string& trial) const;
  /// All answers of the trials, by question. Trials count alike: where one has fewer questions than another,
  /// each of them weighs more.
  [[nodiscard]] AnswerSums sum(std::span<const std::string> trials) const;

 private:
  struct QuestionSet {
    std::vector<std::size_t> questions;  // ascending
    std::vector<double> counts;
    auto operator<=>(const QuestionSet&) const = default;
  };

  std::unordered_map<std::string_view, std::size_t> numbers_;  // of questions, by id
  std::map<QuestionSet, std::size_t> numbers_of_sets_;
  std::vector<const QuestionSet*> sets_;
  std::map<std::string, TrialAnswers> trials_;
};

}  // namespace cola
