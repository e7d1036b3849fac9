#pragma once
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "tasks/task.h"

namespace cola {

/// An example whose answers are chosen from: candidate c is `prompt` + `options[c]`, called `names[c]`.
/// `correct` must be an index of `options`.
[[nodiscard]] TaskItem choice_item(const std::string& prompt, std::span<const std::string> options,
                                   std::vector<std::string> names, std::int32_t correct, std::string id);

/// As above where each option is its own name.
[[nodiscard]] TaskItem choice_item(const std::string& prompt, std::vector<std::string> options,
                                   std::int32_t correct, std::string id);

/// An example answered by generation: `prompt`, a space, the answer, a newline. `answers` has at least one.
[[nodiscard]] TaskItem generation_item(const std::string& prompt, std::vector<std::string> answers,
                                       std::string id);

}  // namespace cola
