#pragma once
#include <string>
#include <vector>

#include "cola/language_model.h"

namespace cola {

/// Lines for standard error: what the model's files leave to say, then how many links are applied and how
/// much they change it. None for a plain model.
[[nodiscard]] std::vector<std::string> describe_applied(const ModelSource& source,
                                                        const LanguageModel& model);

}  // namespace cola
