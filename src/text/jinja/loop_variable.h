#pragma once
#include <cstddef>
#include <vector>

#include "text/jinja/value.h"

namespace cola::jinja {

/// What `loop` is in turn `index` through `items`.
[[nodiscard]] Value loop_variable(const std::vector<Value>& items, std::size_t index);

}  // namespace cola::jinja
