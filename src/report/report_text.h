#pragma once
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace cola {

/// Text as the content of an HTML element or a quoted attribute: & < > " ' escaped, invalid UTF-8 and control
/// characters but tab and line feed replaced by U+FFFD.
[[nodiscard]] std::string html_escaped(std::string_view text);

/// Whether the metric is a share in [0, 1], shown in percent: accuracy and F1.
[[nodiscard]] bool is_share(std::string_view metric);

/// A table's cell; numbers are set flush right.
struct Cell {
  std::string text;  ///< not yet escaped
  bool number = true;
  bool key = false;  ///< its column stays in sight where the table scrolls
};
[[nodiscard]] Cell key_cell(std::string text);
[[nodiscard]] Cell text_cell(std::string text);

/// An HTML table in a container of its own that scrolls sideways.
[[nodiscard]] std::string html_table(const std::vector<std::string>& header,
                                     const std::vector<std::vector<Cell>>& rows);

}  // namespace cola
