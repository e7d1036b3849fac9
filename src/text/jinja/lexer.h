#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "text/jinja/error.h"

namespace cola::jinja {

/// A piece of a template: text between tags, the ends of tags, and what stands in them.
struct Token {
  enum class Kind : std::uint8_t {
    data,             ///< text to be written as it is
    output_begin,     ///< {{
    output_end,       ///< }}
    statement_begin,  ///< {%
    statement_end,    ///< %}
    name,
    text,     ///< a literal, without its quotes and escapes
    integer,  ///< decimal digits
    real,
    symbol,  ///< an operator, a bracket, a comma
    end,
  };

  Kind kind = Kind::end;
  std::string value;
  Place place;
};

/// Splits a template as Jinja2 does with trim_blocks and lstrip_blocks; comments are left out, line ends are
/// \n, a last one is taken off. Throws Error for what is no Jinja.
[[nodiscard]] std::vector<Token> split(std::string_view source);

}  // namespace cola::jinja
