#pragma once
#include <string>
#include <vector>

#include "sweep/results.h"

namespace cola {

/// Cells as text, the first row a header; shorter rows are filled up.
struct TextTable {
  std::vector<std::vector<std::string>> rows;
};

/// Methods down, tasks across: "75.35 ± 1.20"; below a row of the method compared with others its gains.
[[nodiscard]] TextTable paper_table(const SweepResults& results);

/// A line a row: learning rate, counts, interval, cost.
[[nodiscard]] TextTable detail_table(const SweepResults& results);

/// A line an official metric of a row, where the paper's is another.
[[nodiscard]] TextTable official_table(const SweepResults& results);

/// A line a paired test.
[[nodiscard]] TextTable test_table(const SweepResults& results);

[[nodiscard]] std::string aligned_text(const TextTable& table);
[[nodiscard]] std::string markdown_text(const TextTable& table);
[[nodiscard]] std::string latex_text(const TextTable& table);

}  // namespace cola
