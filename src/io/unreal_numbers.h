#pragma once
#include <string>
#include <string_view>

namespace cola {

/// Where a text that is meant to be JSON has a number that Python's json writes and JSON has not (NaN,
/// Infinity), or one beyond double (1e999): its keys from the outside in, "'alpha_pattern' 'fc1' is NaN";
/// "" if there is none.
[[nodiscard]] std::string find_unreal_number(std::string_view text);

}  // namespace cola
