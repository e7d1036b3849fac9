#pragma once
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace cola {

struct DropScore {
  double exact_match = 0.0, f1 = 0.0;
};

/// A span as DROP compares it: as SQuAD, but word by word between spaces and hyphens, with numbers
/// written in one way ("1,000" and "1000" become "1000.0").
[[nodiscard]] std::string drop_normalized(std::string_view span);

/// DROP's own measure (Dua et al., 2019; its evaluator in allennlp-models) of a generated answer, which is
/// one span, as for lm_eval: the best over the annotators' answers of exact match, and of F1. Against several
/// gold spans the answer is aligned with the one it fits best, the others count 0; a span that has numbers
/// must have one in common. F1 over the sets of words, to two decimals.
[[nodiscard]] DropScore drop_score(std::string_view answer,
                                   std::span<const std::vector<std::string>> annotations);

}  // namespace cola
