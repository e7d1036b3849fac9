#pragma once
#include <cstdint>
#include <map>
#include <optional>
#include <string>

#include "io/json.h"

namespace cola {

/// What a trial's predictions say beside its score.
struct PredictionSummary {
  std::int64_t different_answers = 0;
  double most_common_share = 0.0;  ///< of its most common answer, in [0, 1]
  std::int64_t tied = 0;           ///< questions whose best two candidates have one score
  /// What always giving the most common right answer would score, in [0, 1]; none where there are no classes:
  /// answers are generated, or candidates are the question's own.
  std::optional<double> majority_score{};
};

/// Makes a PredictionSummary of the lines of a predictions.jsonl.
class PredictionCounter {
 public:
  /// Throws Error where a member has another type than eval/predictions.h gives it.
  void add(const JsonReader& prediction);
  [[nodiscard]] PredictionSummary summary() const;

 private:
  std::map<std::string, std::int64_t> answers_, right_;  // questions with that answer; with that right answer
  std::int64_t questions_ = 0, tied_ = 0, with_candidates_ = 0;
};

}  // namespace cola
