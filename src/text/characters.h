#pragma once
#include <cstdint>

namespace cola {

// What Python's str methods and re take a character for, by ICU's version of Unicode (Debian 12: 15.0).

/// \w: letters, whatever has a numeric value, and the underscore. (Combining marks are none.)
[[nodiscard]] bool is_word_character(char32_t c);

/// The value of a decimal digit of any script, else -1.
[[nodiscard]] std::int32_t decimal_digit_value(char32_t c);

/// str.isspace(): what strip() and split() take for white space.
[[nodiscard]] bool is_whitespace(char32_t c);

}  // namespace cola
