#pragma once
#include "text/jinja/value.h"

namespace cola::jinja {

/// What Python's repr() makes of a list or a dictionary and what is in it: ['a', 1, None]. Throws Error for
/// functions, texts marked safe and code points that Unicode has not assigned.
[[nodiscard]] Text python_notation(const Value& value);

}  // namespace cola::jinja
