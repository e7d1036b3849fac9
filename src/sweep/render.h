#pragma once
#include <string>

#include "sweep/results.h"

namespace cola {

// The tables of a sweep (sweep/result_tables.h), one after another, then what else a reader must know.
[[nodiscard]] std::string results_text(const SweepResults& results);
[[nodiscard]] std::string results_markdown(const SweepResults& results);
[[nodiscard]] std::string results_latex(const SweepResults& results);

/// Writes results.txt, .md, .tex, .csv and .json, tests.csv, rates.csv, trials.csv and timing.json, each as
/// one step.
void write_results(const SweepResults& results, const SweepPlan& plan, const SweepTrials& trials,
                   const SweepFolder& folder);

}  // namespace cola
