#pragma once
#include <string>
#include <string_view>

namespace cola {

/// Each letter's single-character case mapping, in any script (Unicode's tables, by PCRE2; Python's lower()
/// and upper() differ for the few letters that map to several characters, such as ß, and final sigma).
/// Invalid UTF-8 becomes U+FFFD.
[[nodiscard]] std::string lower_case(std::string_view text);
[[nodiscard]] std::string upper_case(std::string_view text);

}  // namespace cola
