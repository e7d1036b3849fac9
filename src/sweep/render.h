#pragma once
#include <string>

#include "io/json.h"
#include "sweep/results.h"

namespace cola {

/// "cola ranks 8,6": what tables call a row.
[[nodiscard]] std::string row_label(const ResultRow& row);

// The tables of a sweep, the paper's layout first: methods down, tasks across, mean and spread in percent,
// relative gains below. A function of the results alone (no wall-clock time is in them).
[[nodiscard]] std::string results_text(const SweepResults& results);
[[nodiscard]] std::string results_markdown(const SweepResults& results);
[[nodiscard]] std::string results_latex(const SweepResults& results);
[[nodiscard]] std::string results_csv(const SweepResults& results);  ///< a line a row
[[nodiscard]] Json results_json(const SweepResults& results);        ///< schema: docs/formats.md

/// Writes results.txt, .md, .tex, .csv, .json and timing.json, each as one step.
void write_results(const SweepResults& results, const SweepFolder& folder);

}  // namespace cola
