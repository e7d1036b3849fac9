#pragma once
#include <span>
#include <string>

#include "cola/language_model.h"

namespace cola {

/// JSONL, an object a line: "id", "prediction", "gold", "score" and, where there were candidates, their
/// "scores" and how many "tokens" these are means over. What is not UTF-8 in a text becomes U+FFFD.
[[nodiscard]] std::string predictions_text(std::span<const TaskPrediction> predictions);

}  // namespace cola
