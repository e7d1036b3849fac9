#pragma once
#include <span>
#include <string>

#include "tasks/task.h"

namespace cola {

// The metrics that the data sets' own scripts give, where the paper's is another (an OfficialMetric each).

/// CB, as SuperGLUE's toolkit jiant and lm_eval have it: "accuracy", and "f1_macro", the mean F1 of its three
/// classes, where a class that is neither right nor predicted anywhere counts 0. scikit-learn's macro average
/// (Hugging Face's evaluate) leaves such a class out: "f1_macro_present". They differ in small samples only.
[[nodiscard]] OfficialScores cb_scores(std::span<const TaskItem> items,
                                       std::span<const std::string> predictions);

/// MultiRC in SuperGLUE: "f1_a", F1 of the right answers among all answers of all questions, and
/// "exact_match", the share of questions all of whose answers are judged rightly; none unless every answer
/// of each question is among `items`.
[[nodiscard]] OfficialScores multirc_scores(std::span<const TaskItem> items,
                                            std::span<const std::string> predictions);

/// SQuAD 1.1 and ReCoRD: means of "exact_match" and "f1" over the items, the better of the gold strings each.
[[nodiscard]] OfficialScores exact_match_and_f1(std::span<const TaskItem> items,
                                                std::span<const std::string> predictions);

/// DROP: means of "exact_match" and "f1" (tasks/drop_metric.h) over the items.
[[nodiscard]] OfficialScores drop_scores(std::span<const TaskItem> items,
                                         std::span<const std::string> predictions);

}  // namespace cola
