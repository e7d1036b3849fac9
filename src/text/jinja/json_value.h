#pragma once
#include <cstdint>
#include <string_view>

#include "text/jinja/value.h"

namespace cola::jinja {

/// The value that JSON text stands for, keys in their order. Throws Error for malformed JSON and nesting
/// deeper than 100.
[[nodiscard]] Value value_of_json(std::string_view json);

/// The same value, all of whose texts come from that part of the input.
[[nodiscard]] Value with_origin(const Value& value, std::int32_t part);

}  // namespace cola::jinja
