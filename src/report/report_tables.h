#pragma once
#include <span>
#include <string>

#include "report/report_data.h"

namespace cola {

// Each is a heading with an HTML table.
[[nodiscard]] std::string runs_table(std::span<const RunReport> runs);
/// Methods down, tasks across, mean and spread over the seeds: the paper's layout.
[[nodiscard]] std::string overview_table(const SweepReport& sweep);
[[nodiscard]] std::string scores_table(const SweepReport& sweep);
/// Empty if the paper's metric is the official one for all its tasks.
[[nodiscard]] std::string official_table(const SweepReport& sweep);
/// Empty if the sweep has no tests.
[[nodiscard]] std::string tests_table(const SweepReport& sweep);

}  // namespace cola
