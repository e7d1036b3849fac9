#pragma once
#include <span>
#include <string>

#include "cola/train.h"
#include "io/json.h"

namespace cola {

/// A line an op: calls, seconds, share of all seconds, FLOP/s of its products and bytes/s of its operands.
[[nodiscard]] std::string profile_table(std::span<const OpProfile> profile);
[[nodiscard]] Json profile_json(std::span<const OpProfile> profile);

}  // namespace cola
