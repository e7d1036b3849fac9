#include "sweep/text_table.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <string_view>
#include <utility>

namespace cola {
namespace {

/// A character is what is not a UTF-8 continuation byte.
std::size_t width(const std::string& text) {
  return static_cast<std::size_t>(std::ranges::count_if(
      text, [](char letter) { return (static_cast<unsigned char>(letter) & 0xC0U) != 0x80U; }));
}

std::string cell(const TextTable& table, std::size_t row, std::size_t column) {
  return column < table.rows[row].size() ? table.rows[row][column] : std::string();
}

std::string replace_all(std::string text, std::string_view from, std::string_view to) {
  for (std::size_t at = text.find(from); at != std::string::npos; at = text.find(from, at + to.size()))
    text.replace(at, from.size(), to);
  return text;
}

std::string latex_escaped(const std::string& text) {
  std::string escaped;
  for (const char letter : text) {
    if (letter == '\\') {
      escaped += "\\textbackslash{}";
    } else if (letter == '^' || letter == '~') {
      escaped += fmt::format("\\{}{{}}", letter);
    } else if (letter == '<' || letter == '>') {
      escaped += fmt::format("${}$", letter);
    } else {
      if (std::string_view("&%$#_{}").find(letter) != std::string_view::npos) escaped += '\\';
      escaped += letter;
    }
  }
  constexpr std::array<std::pair<std::string_view, std::string_view>, 3> signs{
      {{"±", "$\\pm$"}, {"†", "$^\\dagger$"}, {"‡", "$^\\ddagger$"}}};
  for (const auto& [sign, command] : signs) escaped = replace_all(std::move(escaped), sign, command);
  return escaped;
}

}  // namespace

std::string aligned_text(const TextTable& table) {
  const std::size_t columns = table.alignment.size();
  std::vector<std::size_t> widths(columns);
  for (const auto& row : table.rows) {
    for (std::size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], width(row[i]));
  }
  std::string text = table.caption + "\n\n";
  for (const auto& row : table.rows) {
    std::string line;
    for (std::size_t i = 0; i < row.size(); ++i)
      line += fmt::format("{}{:{}}", row[i], "", widths[i] - width(row[i]) + 2);
    line.erase(line.find_last_not_of(' ') + 1);
    text += fmt::format("{}\n", line);
  }
  for (const std::string& note : table.notes) text += note + "\n";
  return text;
}

std::string markdown_text(const TextTable& table) {
  std::string text = table.caption + "\n\n";
  for (std::size_t i = 0; i < table.rows.size(); ++i) {
    std::vector<std::string> cells, rules;
    for (std::size_t j = 0; j < table.alignment.size(); ++j) {
      cells.push_back(replace_all(cell(table, i, j), "|", "\\|"));
      rules.emplace_back(table.alignment[j] == 'r' ? "---:|" : "---|");
    }
    text += fmt::format("| {} |\n", fmt::join(cells, " | "));
    if (i == 0) text += fmt::format("|{}\n", fmt::join(rules, ""));
  }
  for (const std::string& note : table.notes) text += "\n" + note + "\n";
  return text;
}

std::string latex_text(const TextTable& table) {
  std::string text = fmt::format(
      "\\begin{{table}}\n\\centering\\footnotesize\\setlength{{\\tabcolsep}}{{3pt}}\n\\caption{{{}}}\n"
      "\\begin{{tabular}}{{{}}}\n\\toprule\n",
      latex_escaped(table.caption), table.alignment);
  for (std::size_t i = 0; i < table.rows.size(); ++i) {
    for (std::size_t j = 0; j < table.alignment.size(); ++j) {
      if (j > 0) text += " & ";
      text += latex_escaped(cell(table, i, j));
    }
    text += i == 0 ? " \\\\\n\\midrule\n" : " \\\\\n";
  }
  text += "\\bottomrule\n\\end{tabular}\n";
  for (const std::string& note : table.notes) text += fmt::format("\n\\smallskip {}\n", latex_escaped(note));
  return text + "\\end{table}\n";
}

}  // namespace cola
