#pragma once
#include <string>

#include "sweep/results.h"

namespace cola {

// Comma-separated files with a header (RFC 4180); scores in [0, 1], numbers in full precision, empty where
// there is none. Columns: docs/formats.md.
[[nodiscard]] std::string results_csv(const SweepResults& results);  ///< a line a row
[[nodiscard]] std::string tests_csv(const SweepResults& results);    ///< a line a paired test
[[nodiscard]] std::string rates_csv(const SweepResults& results);    ///< a line a try of a row
[[nodiscard]] std::string trials_csv(const SweepPlan& plan, const SweepTrials& trials);  ///< a line a trial

}  // namespace cola
