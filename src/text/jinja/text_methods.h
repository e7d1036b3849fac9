#pragma once
#include <string_view>

#include "text/jinja/value.h"

namespace cola::jinja {

/// The method of that name, bound to the text; undefined where Python's str has none. Throws Error for one
/// that str has and this interpreter has not.
[[nodiscard]] Value text_method(const Text& text, std::string_view name);

}  // namespace cola::jinja
