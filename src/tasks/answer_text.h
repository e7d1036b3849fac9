#pragma once
#include <string>
#include <string_view>

namespace cola {

// Steps by which the official scripts of SQuAD, ReCoRD and DROP make answers alike.

/// `text` without the punctuation of ASCII (Python's string.punctuation).
[[nodiscard]] std::string without_punctuation(std::string_view text);

/// `text` with a space for each word a, an, the: what matches \b(a|an|the)\b in Python.
[[nodiscard]] std::string without_articles(std::string_view text);

/// `text` with one space between words and none at the ends.
[[nodiscard]] std::string with_single_spaces(std::string_view text);

}  // namespace cola
