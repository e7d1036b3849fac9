#pragma once
#include <span>
#include <string>

#include "report/report_data.h"

namespace cola {

// Each is a heading with an HTML table. Those of a sweep but the first two are empty where they have no line.
[[nodiscard]] std::string runs_table(std::span<const RunReport> runs);
/// Methods down, tasks across, mean and spread over the seeds: the paper's layout.
[[nodiscard]] std::string overview_table(const SweepReport& sweep);
[[nodiscard]] std::string scores_table(const SweepReport& sweep);
[[nodiscard]] std::string differences_table(const SweepReport& sweep);
[[nodiscard]] std::string tests_table(const SweepReport& sweep);
/// What the data sets' own scripts give, where the paper's metric is another.
[[nodiscard]] std::string official_table(const SweepReport& sweep);
/// Of the rows that had several rates.
[[nodiscard]] std::string rates_table(const SweepReport& sweep);
/// Links of the chains and floating-point operations.
[[nodiscard]] std::string costs_table(const SweepReport& sweep);
/// Trials that diverged, failed or have not finished, and warnings; `most` of each are named.
[[nodiscard]] std::string trials_table(const SweepReport& sweep, std::size_t most = 100);

}  // namespace cola
