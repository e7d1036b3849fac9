#include "tasks/official_metrics.h"

#include <algorithm>

#include "tasks/drop_metric.h"
#include "tasks/metrics.h"

namespace cola {
namespace {

const std::string& right_answer(const TaskItem& item) {
  return item.candidate_names.at(static_cast<std::size_t>(item.correct.at(0)));
}

/// Of one class among predictions and right answers.
struct ClassCounts {
  std::int64_t both = 0, predicted = 0, right = 0;

  [[nodiscard]] double f1() const {
    return both == 0 ? 0.0 : 2.0 * static_cast<double>(both) / static_cast<double>(predicted + right);
  }
};

ClassCounts count_class(const std::string& name, std::span<const TaskItem> items,
                        std::span<const std::string> predictions) {
  ClassCounts counts;
  for (std::size_t i = 0; i < items.size(); ++i) {
    const bool predicted = predictions[i] == name;
    const bool right = right_answer(items[i]) == name;
    counts.both += predicted && right ? 1 : 0;
    counts.predicted += predicted ? 1 : 0;
    counts.right += right ? 1 : 0;
  }
  return counts;
}

double share(std::int64_t part, std::size_t whole) {
  return static_cast<double>(part) / static_cast<double>(whole);
}

std::optional<double> whole_questions_right(std::span<const TaskItem> items,
                                            std::span<const std::string> predictions) {
  struct Question {
    std::int64_t answers = 0;
    bool right = true;
  };
  std::map<std::string, Question> questions;
  for (std::size_t i = 0; i < items.size(); ++i) {
    Question& question = questions[items[i].question];
    ++question.answers;
    question.right = question.right && predictions[i] == right_answer(items[i]);
  }
  for (const TaskItem& item : items)
    if (questions.at(item.question).answers != item.question_answers) return std::nullopt;
  return share(std::ranges::count_if(questions, [](const auto& entry) { return entry.second.right; }),
               questions.size());
}

}  // namespace

OfficialScores cb_scores(std::span<const TaskItem> items, std::span<const std::string> predictions) {
  std::int64_t right = 0, present = 0;
  double sum = 0.0;
  const std::vector<std::string>& classes = items.front().candidate_names;
  for (const std::string& name : classes) {
    const ClassCounts counts = count_class(name, items, predictions);
    right += counts.both;
    present += counts.predicted + counts.right > 0 ? 1 : 0;
    sum += counts.f1();
  }
  return {{"accuracy", share(right, items.size())},
          {"f1_macro", sum / static_cast<double>(classes.size())},
          {"f1_macro_present", sum / static_cast<double>(present)}};
}

OfficialScores multirc_scores(std::span<const TaskItem> items, std::span<const std::string> predictions) {
  return {{"f1_a", count_class("Yes", items, predictions).f1()},
          {"exact_match", whole_questions_right(items, predictions)}};
}

OfficialScores exact_match_and_f1(std::span<const TaskItem> items, std::span<const std::string> predictions) {
  std::int64_t exact = 0;
  double f1 = 0.0;
  for (std::size_t i = 0; i < items.size(); ++i) {
    exact += exact_match(predictions[i], items[i].answers) ? 1 : 0;
    f1 += largest_token_f1(predictions[i], items[i].answers);
  }
  return {{"exact_match", share(exact, items.size())}, {"f1", f1 / static_cast<double>(items.size())}};
}

OfficialScores drop_scores(std::span<const TaskItem> items, std::span<const std::string> predictions) {
  DropScore sum;
  for (std::size_t i = 0; i < items.size(); ++i) {
    const DropScore score = drop_score(predictions[i], items[i].annotations);
    sum.exact_match += score.exact_match;
    sum.f1 += score.f1;
  }
  const auto count = static_cast<double>(items.size());
  return {{"exact_match", sum.exact_match / count}, {"f1", sum.f1 / count}};
}

}  // namespace cola
