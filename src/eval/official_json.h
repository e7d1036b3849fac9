#pragma once
#include <map>
#include <optional>
#include <string>

#include "io/json.h"

namespace cola {

/// A result's official scores by name, null for those that cannot be told; null where there are none.
[[nodiscard]] Json official_json(const std::map<std::string, std::optional<double>>& scores);

}  // namespace cola
