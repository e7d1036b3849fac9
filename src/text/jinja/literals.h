#pragma once
#include <optional>
#include <string>
#include <string_view>

namespace cola::jinja {

/// A text literal without its quotes, its escapes as Python reads them; none for a malformed or named escape.
[[nodiscard]] std::optional<std::string> unescaped(std::string_view literal);

void append_utf8(std::string& text, char32_t c);

}  // namespace cola::jinja
