#pragma once
#include <string>
#include <string_view>
#include <vector>

namespace cola {

/// Python's strip(" "): spaces at both ends, nothing else.
[[nodiscard]] std::string_view strip_spaces(std::string_view text);

// Python's strip(), lstrip() and rstrip(): white space of Unicode.
[[nodiscard]] std::string_view strip_whitespace(std::string_view text);
[[nodiscard]] std::string_view strip_left_whitespace(std::string_view text);
[[nodiscard]] std::string_view strip_right_whitespace(std::string_view text);

/// Python's split(): the stretches between white space, none empty.
[[nodiscard]] std::vector<std::string_view> split_whitespace(std::string_view text);

/// `text` with its first character in upper or lower case.
[[nodiscard]] std::string with_first_upper(std::string_view text);
[[nodiscard]] std::string with_first_lower(std::string_view text);

}  // namespace cola
