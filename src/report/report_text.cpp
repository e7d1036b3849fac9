#include "report/report_text.h"

#include "text/utf8.h"

namespace cola {

std::string html_escaped(std::string_view text) {
  std::string escaped;
  for (const char c : replace_invalid_utf8(text)) {
    switch (c) {
      case '&':
        escaped += "&amp;";
        break;
      case '<':
        escaped += "&lt;";
        break;
      case '>':
        escaped += "&gt;";
        break;
      case '"':
        escaped += "&quot;";
        break;
      case '\'':
        escaped += "&#39;";
        break;
      case '\t':
      case '\n':
        escaped += c;
        break;
      default:
        if (static_cast<unsigned char>(c) < 0x20 || c == 0x7F) {
          escaped += "\uFFFD";
        } else {
          escaped += c;
        }
    }
  }
  return escaped;
}

bool is_share(std::string_view metric) { return metric == "accuracy" || metric == "f1"; }

Cell text_cell(std::string text) { return {std::move(text), false}; }

Cell key_cell(std::string text) { return {std::move(text), false, true}; }

namespace {

std::string open_tag(const std::string& name, const Cell& cell) {
  if (cell.number) return "<" + name + ">";
  return "<" + name + (cell.key ? " class=\"text key\">" : " class=\"text\">");
}

}  // namespace

std::string html_table(const std::vector<std::string>& header, const std::vector<std::vector<Cell>>& rows) {
  std::string html = "<div class=\"scroll\" tabindex=\"0\"><table>\n<thead><tr>";
  for (std::size_t i = 0; i < header.size(); ++i) {
    const Cell column = !rows.empty() && i < rows.front().size() ? rows.front()[i] : text_cell("");
    html += open_tag("th", column) + html_escaped(header[i]) + "</th>";
  }
  html += "</tr></thead>\n<tbody>\n";
  for (const auto& row : rows) {
    html += "<tr>";
    for (const Cell& cell : row) html += open_tag("td", cell) + html_escaped(cell.text) + "</td>";
    html += "</tr>\n";
  }
  return html + "</tbody>\n</table></div>\n";
}

}  // namespace cola
