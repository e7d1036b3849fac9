#pragma once
#include <string>
#include <string_view>

#include "text/jinja/value.h"

namespace cola::jinja {

struct JsonStyle {
  bool ensure_ascii = false;
  bool sort_keys = false;
  bool has_indent = false;
  std::string indent;  ///< of a level
  std::string item_separator = ", ";
  std::string key_separator = ": ";
};

/// As Python's json.dumps. Throws Error for what is no JSON: something undefined, a function.
[[nodiscard]] Text json_text(const Value& value, const JsonStyle& style);

}  // namespace cola::jinja
