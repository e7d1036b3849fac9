#include "tasks/metrics.h"

#include <algorithm>
#include <map>

#include "tasks/answer_text.h"
#include "tasks/task_text.h"
#include "text/letter_case.h"

namespace cola {
namespace {

double f1_of(const std::vector<std::string>& prediction, const std::vector<std::string>& gold) {
  std::map<std::string_view, std::int64_t> left;
  for (const std::string& word : gold) ++left[word];
  std::int64_t common = 0;
  for (const std::string& word : prediction) {
    const auto entry = left.find(word);
    if (entry == left.end() || entry->second == 0) continue;
    --entry->second;
    ++common;
  }
  if (common == 0) return 0.0;
  const double precision = static_cast<double>(common) / static_cast<double>(prediction.size());
  const double recall = static_cast<double>(common) / static_cast<double>(gold.size());
  return 2.0 * precision * recall / (precision + recall);
}

}  // namespace

std::vector<std::string> answer_words(std::string_view answer) {
  const std::string text = without_articles(without_punctuation(lower_case(answer)));
  const auto words = split_whitespace(text);
  return {words.begin(), words.end()};
}

double token_f1(std::string_view prediction, std::string_view gold) {
  return f1_of(answer_words(prediction), answer_words(gold));
}

double largest_token_f1(std::string_view prediction, std::span<const std::string> golds) {
  const std::vector<std::string> words = answer_words(prediction);
  double largest = 0.0;
  for (const std::string& gold : golds) largest = std::max(largest, f1_of(words, answer_words(gold)));
  return largest;
}

double best_token_f1(std::string_view prediction, std::span<const std::string> golds) {
  const std::string& first = golds.front();
  if (first == "CANNOTANSWER" || first == "no answer")
    return exact_match(prediction, {&first, 1}) ? 1.0 : 0.0;
  return largest_token_f1(prediction, golds);
}

bool exact_match(std::string_view prediction, std::span<const std::string> golds) {
  const std::vector<std::string> words = answer_words(prediction);
  return std::any_of(golds.begin(), golds.end(),
                     [&](const std::string& gold) { return answer_words(gold) == words; });
}

double score_candidate(TaskMetric metric, const TaskItem& item, std::int32_t chosen) {
  if (std::find(item.correct.begin(), item.correct.end(), chosen) != item.correct.end()) return 1.0;
  if (metric == TaskMetric::accuracy || item.correct.empty()) return 0.0;
  std::vector<std::string> golds;
  for (const std::int32_t c : item.correct)
    golds.push_back(item.candidate_names.at(static_cast<std::size_t>(c)));
  return best_token_f1(item.candidate_names.at(static_cast<std::size_t>(chosen)), golds);
}

double score_text(TaskMetric metric, const TaskItem& item, std::string_view text) {
  if (item.answers.empty()) return 0.0;
  if (metric == TaskMetric::f1) return best_token_f1(text, item.answers);
  return exact_match(text, item.answers) ? 1.0 : 0.0;
}

}  // namespace cola
