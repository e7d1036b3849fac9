#pragma once
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace cola {

/// Text as the content of an HTML element or a quoted attribute: & < > " ' escaped, invalid UTF-8 and control
/// characters but tab and line feed replaced by U+FFFD.
[[nodiscard]] std::string html_escaped(std::string_view text);

/// A name from a file, whole: invalid UTF-8 and control characters replaced by U+FFFD; of more than 1000
/// bytes what begins it, with a sign and the number of bytes.
[[nodiscard]] std::string shown_text(std::string_view text);

/// An estimate of how wide the text is in a sans-serif font, in units of the font's size; rather too much.
[[nodiscard]] double text_width(std::string_view text);

/// The text in lines no wider than `width` (as text_width says), broken after spaces and signs where it can
/// be and else within a word; nothing of it is left out but the spaces at breaks.
[[nodiscard]] std::vector<std::string> wrapped(std::string_view text, double width);

/// A probability of a test: "0.0123", "< 0.0001".
[[nodiscard]] std::string p_text(std::optional<double> p);

/// What stands in a table where there is nothing.
inline constexpr const char* nothing = "–";

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

/// A part of the page: its heading and content; all but `id` are HTML already.
[[nodiscard]] std::string html_section(std::string_view id, std::string_view heading,
                                       const std::string& content);

}  // namespace cola
