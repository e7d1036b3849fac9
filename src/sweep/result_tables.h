#pragma once
#include <string>
#include <vector>

#include "sweep/results.h"
#include "sweep/text_table.h"

namespace cola {

/// "cola ranks 8,6": what tables call a row.
[[nodiscard]] std::string row_label(const std::string& method, const SweepSetting& setting);
[[nodiscard]] std::string row_label(const ResultRow& row);

/// The tables of a sweep that are not empty, the paper's layout first (methods down, tasks across), then
/// scores in full, differences, tests, official metrics, scores against the rate, cost. Scores are in
/// percent. A function of the results alone: no wall-clock time is in them.
[[nodiscard]] std::vector<TextTable> result_tables(const SweepResults& results);

/// A line each: trials that diverged, failed, have not run, or that a reader must be warned of.
[[nodiscard]] std::vector<std::string> result_notes(const SweepResults& results);

}  // namespace cola
