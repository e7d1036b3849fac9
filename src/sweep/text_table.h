#pragma once
#include <string>
#include <vector>

namespace cola {

/// Cells as text, the first row a header; shorter rows are filled up.
struct TextTable {
  std::string caption;
  std::string alignment;  ///< a letter a column: l or r
  std::vector<std::vector<std::string>> rows;
  std::vector<std::string> notes;  ///< below it

  [[nodiscard]] bool empty() const { return rows.size() < 2; }
};

[[nodiscard]] std::string aligned_text(const TextTable& table);
[[nodiscard]] std::string markdown_text(const TextTable& table);
/// A table environment, for the package booktabs.
[[nodiscard]] std::string latex_text(const TextTable& table);

}  // namespace cola
