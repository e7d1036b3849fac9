#pragma once
#include <string>

#include "cola/language_model.h"

namespace cola {

/// One line: how many links are applied to the model, and how much they change it. Empty for a plain model.
[[nodiscard]] std::string describe_applied(const ModelSource& source, const LanguageModel& model);

}  // namespace cola
