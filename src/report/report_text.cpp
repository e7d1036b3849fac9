#include "report/report_text.h"

#include <fmt/format.h>

#include <algorithm>

#include "text/utf8.h"

namespace cola {
namespace {

constexpr std::size_t longest_name = 1000;

/// Of a character, as wide as in DejaVu Sans, which is wider than most.
double character_width(char32_t c) {
  if (c < 0x80) {
    const std::string_view narrow = " .,:;|!'ijltIfr()[]/\\-", wide = "mwMW@%+=<>~";
    const char letter = static_cast<char>(c);
    if (narrow.find(letter) != std::string_view::npos) return 0.4;
    if (wide.find(letter) != std::string_view::npos) return 0.97;
    return letter >= 'A' && letter <= 'Z' ? 0.75 : 0.63;
  }
  if (c >= 0x0300 && c <= 0x036F) return 0.0;                    // combining accents
  if (c >= 0x0530 && c < 0x1100) return c < 0x900 ? 0.65 : 0.9;  // Armenian to Georgian
  return c < 0x1100 ? 0.7 : 1.0;                                 // full width: Hangul, kana, Han, signs
}

bool may_break_after(char32_t c) {
  if (c >= 0x2E80) return true;  // Han, kana, Hangul: no spaces between words
  return c < 0x80 && std::string_view(" -_/,;:=").find(static_cast<char>(c)) != std::string_view::npos;
}

std::string without_outer_spaces(std::string_view text) {
  const std::size_t first = text.find_first_not_of(' ');
  if (first == std::string_view::npos) return {};
  return std::string(text.substr(first, text.find_last_not_of(' ') - first + 1));
}

}  // namespace

std::string shown_text(std::string_view text) {
  std::size_t end = std::min(text.size(), longest_name);
  while (end < text.size() && end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0U) == 0x80U) --end;
  std::string clean;
  for (const char c : replace_invalid_utf8(text.substr(0, end))) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7F) {
      clean += "\uFFFD";
    } else {
      clean += c;
    }
  }
  if (end < text.size()) clean += fmt::format("… ({} bytes)", text.size());
  return clean;
}

double text_width(std::string_view text) {
  double width = 0.0;
  for (std::size_t at = 0; at < text.size();) {
    const Utf8Step step = utf8_step(text, at);
    width += character_width(step.code_point);
    at += step.length;
  }
  return width;
}

std::vector<std::string> wrapped(std::string_view text, double width) {
  std::vector<std::string> lines;
  std::size_t start = 0, break_at = 0;  // break_at: where the next line may begin; start: nowhere yet
  double used = 0.0;
  for (std::size_t at = 0; at < text.size();) {
    const Utf8Step step = utf8_step(text, at);
    const double wide = character_width(step.code_point);
    if (used + wide > width && at > start && step.code_point != U' ') {
      const std::size_t end = break_at > start ? break_at : at;
      lines.push_back(without_outer_spaces(text.substr(start, end - start)));
      start = break_at = end;
      used = text_width(text.substr(start, at - start));
    }
    used += wide;
    at += step.length;
    if (may_break_after(step.code_point)) break_at = at;
  }
  lines.push_back(without_outer_spaces(text.substr(start)));
  return lines;
}

std::string p_text(std::optional<double> p) {
  if (!p) return nothing;
  return *p < 0.0001 ? "< 0.0001" : fmt::format("{:.4f}", *p);
}

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

std::string html_section(std::string_view id, std::string_view heading, const std::string& content) {
  return fmt::format("<section id=\"{}\">\n<h2>{}</h2>\n{}</section>\n", id, heading, content);
}

}  // namespace cola
