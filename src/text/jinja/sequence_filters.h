#pragma once
#include <string_view>

#include "text/jinja/builtins.h"

namespace cola::jinja {

/// The filters of lists and dictionaries; null where there is none of that name.
[[nodiscard]] Filter find_sequence_filter(std::string_view name);

}  // namespace cola::jinja
