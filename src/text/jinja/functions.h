#pragma once
#include <ctime>
#include <vector>

#include "text/jinja/value.h"

namespace cola::jinja {

/// The functions that every template may call: namespace, range, dict, raise_exception, and strftime_now with
/// that time.
[[nodiscard]] std::vector<Callable> functions(const std::tm& now);

}  // namespace cola::jinja
