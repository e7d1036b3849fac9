#pragma once
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "tasks/task.h"

namespace cola {

/// The words of an answer as SQuAD compares them (Rajpurkar et al., 2016, evaluate-v1.1.py; ReCoRD's script
/// has the same steps): lower case, without ASCII punctuation and the articles a, an, the.
[[nodiscard]] std::vector<std::string> answer_words(std::string_view answer);

/// F1 of two answers' words, counted with multiplicity; 0 where none is common.
[[nodiscard]] double token_f1(std::string_view prediction, std::string_view gold);

/// The largest F1 over the gold strings.
[[nodiscard]] double largest_token_f1(std::string_view prediction, std::span<const std::string> golds);

/// The paper's F1: the largest over the gold strings. Where the first is "CANNOTANSWER" or "no answer", 1 for
/// the same words and 0 otherwise. `golds` has at least one.
[[nodiscard]] double best_token_f1(std::string_view prediction, std::span<const std::string> golds);

/// Whether the words are those of one of the gold strings.
[[nodiscard]] bool exact_match(std::string_view prediction, std::span<const std::string> golds);

/// The score in [0, 1] of an example whose candidate `chosen` was chosen; a task's score is the mean.
/// accuracy: it is a right one; f1: its name's best F1 over the right ones' names.
[[nodiscard]] double score_candidate(TaskMetric metric, const TaskItem& item, std::int32_t chosen);

/// The score in [0, 1] of a generated answer. accuracy: exact_match; f1: best_token_f1.
[[nodiscard]] double score_text(TaskMetric metric, const TaskItem& item, std::string_view text);

}  // namespace cola
