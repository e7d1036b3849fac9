#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace cola::small_jinja {

/// A word, a literal or an operator of an expression.
struct Token {
  enum class Kind : std::uint8_t { word, number, text, symbol, end };
  Kind kind = Kind::end;
  std::string value;  ///< of text: without its quotes and escapes
};

/// What stands between tags, or in one.
struct Piece {
  enum class Kind : std::uint8_t { text, output, statement };
  Kind kind = Kind::text;
  std::string text;           ///< of text, white space already taken off as the tags around it ask
  std::vector<Token> tokens;  ///< of output and statements; `end` last
};

/// Splits a template into pieces; comments are left out. Throws Error for what is no Jinja.
[[nodiscard]] std::vector<Piece> split(std::string_view source);

}  // namespace cola::small_jinja
