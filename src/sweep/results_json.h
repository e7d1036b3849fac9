#pragma once
#include "io/json.h"
#include "sweep/results.h"

namespace cola {

/// What results.json holds (schema: docs/formats.md).
[[nodiscard]] Json results_json(const SweepResults& results);

}  // namespace cola
