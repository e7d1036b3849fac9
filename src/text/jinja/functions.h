#pragma once
#include <ctime>
#include <optional>
#include <string_view>

#include "text/jinja/value.h"

namespace cola::jinja {

/// The functions that every template may call: namespace, range, dict, raise_exception, and strftime_now with
/// that time. Nothing for other names.
[[nodiscard]] std::optional<Value> function_named(std::string_view name, const std::tm& now);

}  // namespace cola::jinja
