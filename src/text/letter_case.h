#pragma once
#include <string>
#include <string_view>

namespace cola {

/// Unicode's full case mapping in no language's way, as Python's str.lower() and str.upper(): final sigma,
/// one character to several (U+0130, ß), and signs with case that are no letters (Roman numerals, circled
/// letters). The version of Unicode is ICU's (Debian 12: 15.0). Invalid UTF-8 becomes U+FFFD.
[[nodiscard]] std::string lower_case(std::string_view text);
[[nodiscard]] std::string upper_case(std::string_view text);

}  // namespace cola
