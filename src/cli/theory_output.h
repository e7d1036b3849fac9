#pragma once
#include <string>

#include "io/json.h"
#include "theory/theory_experiment.h"

namespace cola {

[[nodiscard]] Json theory_json(const theory::TheoryResult& result, std::uint64_t seed);
[[nodiscard]] std::string theory_text(const theory::TheoryResult& result);

}  // namespace cola
