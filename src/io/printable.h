#pragma once
#include <string>
#include <string_view>

namespace cola {

/// Text from a file, fit for a message: control characters become '?', at most 200 bytes are kept.
[[nodiscard]] std::string printable(std::string_view text);

}  // namespace cola
