#pragma once
#include <vector>

#include "backend/profile.h"
#include "cola/train.h"

namespace cola {

/// The profile's ops, the most seconds first, and what is left of `seconds` as the op "(outside)".
[[nodiscard]] std::vector<OpProfile> op_profile(const ops::Profile& profile, double seconds);

}  // namespace cola
