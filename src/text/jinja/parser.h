#pragma once
#include <string_view>

#include "text/jinja/syntax.h"

namespace cola::jinja {

/// Reads a template. Throws Error, with the place, for what is no Jinja and for statements, filters and tests
/// that this interpreter does not have; nesting deeper than 100 is refused.
[[nodiscard]] Syntax parse(std::string_view source);

}  // namespace cola::jinja
