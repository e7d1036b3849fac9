#include "text/jinja/literals.h"

#include <charconv>
#include <cstdint>

namespace cola::jinja {
namespace {

/// The code point of `digits` digits at `at`, which moves behind them.
std::optional<char32_t> number(std::string_view text, std::size_t& at, std::size_t digits, int base) {
  if (text.size() - at < digits) return std::nullopt;
  std::uint32_t value = 0;
  const auto [end, error] = std::from_chars(text.data() + at, text.data() + at + digits, value, base);
  if (error != std::errc() || end != text.data() + at + digits || value > 0x10FFFF ||
      (value >= 0xD800 && value < 0xE000))
    return std::nullopt;
  at += digits;
  return value;
}

std::size_t octal_digits(std::string_view text, std::size_t at) {
  std::size_t count = 0;
  while (count < 3 && at + count < text.size() && text[at + count] >= '0' && text[at + count] <= '7') ++count;
  return count;
}

}  // namespace

void append_utf8(std::string& text, char32_t c) {
  const auto put = [&](char32_t byte) { text += static_cast<char>(byte); };
  if (c < 0x80) {
    put(c);
  } else if (c < 0x800) {
    put(0xC0 | c >> 6);
    put(0x80 | (c & 0x3F));
  } else if (c < 0x10000) {
    put(0xE0 | c >> 12);
    put(0x80 | (c >> 6 & 0x3F));
    put(0x80 | (c & 0x3F));
  } else {
    put(0xF0 | c >> 18);
    put(0x80 | (c >> 12 & 0x3F));
    put(0x80 | (c >> 6 & 0x3F));
    put(0x80 | (c & 0x3F));
  }
}

std::optional<std::string> unescaped(std::string_view literal) {
  static constexpr std::string_view letters = "abfnrtv\\'\"\n";
  static constexpr std::string_view meanings = "\a\b\f\n\r\t\v\\'\"";
  std::string text;
  for (std::size_t at = 0; at < literal.size();) {
    const char c = literal[at++];
    if (c != '\\') {
      text += c;
      continue;
    }
    if (at == literal.size()) return std::nullopt;
    const char letter = literal[at];
    if (const std::size_t index = letters.find(letter); index != std::string_view::npos) {
      if (index < meanings.size()) text += meanings[index];
      ++at;
      continue;
    }
    const std::size_t octal = octal_digits(literal, at);
    const std::size_t hex = letter == 'x' ? 2 : letter == 'u' ? 4 : letter == 'U' ? 8 : 0;
    if (letter == 'N') return std::nullopt;
    if (octal == 0 && hex == 0) {
      text += '\\';  // as Python leaves it
      continue;
    }
    if (hex > 0) ++at;
    const std::optional<char32_t> value =
        hex > 0 ? number(literal, at, hex, 16) : number(literal, at, octal, 8);
    if (!value) return std::nullopt;
    append_utf8(text, *value);
  }
  return text;
}

}  // namespace cola::jinja
