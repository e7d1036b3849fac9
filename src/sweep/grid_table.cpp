#include "sweep/grid_table.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <numeric>

#include "sweep/render.h"

namespace cola {
namespace {

std::string percent(double score) { return fmt::format("{:.2f}", 100.0 * score); }

std::string mean_and_spread(double mean, std::optional<double> spread) {
  return spread ? fmt::format("{} ± {}", percent(mean), percent(*spread)) : percent(mean);
}

std::int64_t sum(const std::vector<std::int64_t>& values) {
  return std::accumulate(values.begin(), values.end(), std::int64_t{0});
}

/// Labels of the rows, each once, in the order of the results.
std::vector<std::string> labels_of(const SweepResults& results) {
  std::vector<std::string> labels;
  for (const ResultRow& row : results.rows) {
    const std::string label = row_label(row);
    if (std::ranges::find(labels, label) == labels.end()) labels.push_back(label);
  }
  return labels;
}

const ResultRow* find_row(const SweepResults& results, const std::string& label, const std::string& task) {
  const auto row = std::ranges::find_if(results.rows, [&](const ResultRow& candidate) {
    return candidate.task == task && row_label(candidate) == label;
  });
  return row == results.rows.end() ? nullptr : &*row;
}

/// A character is what is not a UTF-8 continuation byte.
std::size_t width(const std::string& text) {
  return static_cast<std::size_t>(std::ranges::count_if(
      text, [](char letter) { return (static_cast<unsigned char>(letter) & 0xC0U) != 0x80U; }));
}

/// With a star at the edge of the grid.
std::string rate_cell(const ResultRow& row) {
  if (!row.learning_rate) return "-";
  return rate_text(*row.learning_rate) + (row.at_grid_edge ? "*" : "");
}

std::string flops_text(double flops) { return flops > 0.0 ? fmt::format("{:.2e}", flops) : "-"; }

/// "3", or "2-4" where seeds differ.
std::string range_text(const std::vector<std::int64_t>& values) {
  if (values.empty()) return "-";
  const auto [low, high] = std::ranges::minmax(values);
  return low == high ? std::to_string(low) : fmt::format("{}-{}", low, high);
}

std::string latex_escaped(const std::string& text) {
  std::string escaped;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char letter = text[i];
    if (text.compare(i, 2, "±") == 0) {
      escaped += "$\\pm$";
      ++i;
    } else if (letter == '\\') {
      escaped += "\\textbackslash{}";
    } else if (letter == '^' || letter == '~') {
      escaped += fmt::format("\\{}{{}}", letter);
    } else {
      if (std::string_view("&%$#_{}").find(letter) != std::string_view::npos) escaped += '\\';
      escaped += letter;
    }
  }
  return escaped;
}

std::size_t columns_of(const TextTable& table) {
  std::size_t columns = 0;
  for (const auto& row : table.rows) columns = std::max(columns, row.size());
  return columns;
}

}  // namespace

TextTable paper_table(const SweepResults& results) {
  TextTable table;
  table.rows.push_back({"Method"});
  for (const std::string& task : results.tasks) table.rows.back().push_back(task);
  for (const std::string& label : labels_of(results)) {
    std::vector<std::string> scores{label};
    std::vector<std::string> gains{fmt::format("  gain over {}", results.gain_over)};
    bool has_gain = false;
    for (const std::string& task : results.tasks) {
      const ResultRow* row = find_row(results, label, task);
      scores.push_back(row != nullptr ? mean_and_spread(row->mean, row->spread) : "-");
      has_gain = has_gain || (row != nullptr && row->relative_gain);
      gains.push_back(
          row != nullptr && row->relative_gain ? fmt::format("{:+.2f}%", 100.0 * *row->relative_gain) : "-");
    }
    table.rows.push_back(std::move(scores));
    if (has_gain) table.rows.push_back(std::move(gains));
  }
  return table;
}

TextTable detail_table(const SweepResults& results) {
  TextTable table;
  table.rows.push_back({"Task", "Method", "Rate", "Metric", "Seeds", "Mean", "Correct", "95% interval", "Dev",
                        "Links", "Tested", "hf_flos", "saved", "real_flops"});
  for (const ResultRow& row : results.rows) {
    double dev = 0.0;
    for (const double score : row.dev_scores) dev += score / static_cast<double>(row.dev_scores.size());
    table.rows.push_back(
        {row.task, row_label(row), rate_cell(row), row.metric, std::to_string(row.scores.size()),
         percent(row.mean),
         row.correct.empty() ? "-" : fmt::format("{} of {}", sum(row.correct), sum(row.total)),
         fmt::format("{} to {}", percent(row.interval_low), percent(row.interval_high)),
         row.dev_scores.empty() ? "-" : percent(dev), range_text(row.links), range_text(row.tested_links),
         flops_text(row.hf_flos), flops_text(row.hf_flos_saved), flops_text(row.real_flops)});
  }
  return table;
}

TextTable official_table(const SweepResults& results) {
  TextTable table;
  table.rows.push_back({"Task", "Method", "Official metric", "Mean"});
  for (const ResultRow& row : results.rows) {
    for (const auto& [name, scores] : row.official) {
      table.rows.push_back({row.task, row_label(row), name,
                            scores.empty() ? "-" : mean_and_spread(mean_of(scores), spread_of(scores))});
    }
  }
  return table;
}

TextTable test_table(const SweepResults& results) {
  TextTable table;
  table.rows.push_back({"Task", "A", "B", "Test", "A better", "B better", "p"});
  for (const ResultTest& test : results.tests) {
    table.rows.push_back({test.task, row_label(results.rows[test.a]), row_label(results.rows[test.b]),
                          test.test, std::to_string(test.a_better), std::to_string(test.b_better),
                          fmt::format("{:.4f}", test.p)});
  }
  return table;
}

std::string aligned_text(const TextTable& table) {
  std::vector<std::size_t> widths(columns_of(table));
  for (const auto& row : table.rows) {
    for (std::size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], width(row[i]));
  }
  std::string text;
  for (const auto& row : table.rows) {
    std::string line;
    for (std::size_t i = 0; i < row.size(); ++i)
      line += fmt::format("{}{:{}}", row[i], "", widths[i] - width(row[i]) + 2);
    line.erase(line.find_last_not_of(' ') + 1);
    text += fmt::format("{}\n", line);
  }
  return text;
}

std::string markdown_text(const TextTable& table) {
  const std::size_t columns = columns_of(table);
  std::string text;
  for (std::size_t i = 0; i < table.rows.size(); ++i) {
    auto cells = table.rows[i];
    cells.resize(columns);
    text += fmt::format("| {} |\n", fmt::join(cells, " | "));
    if (i == 0) text += fmt::format("|{}\n", fmt::join(std::vector<std::string>(columns, "---|"), ""));
  }
  return text;
}

std::string latex_text(const TextTable& table) {
  std::string text = fmt::format("\\begin{{tabular}}{{{}}}\n\\hline\n", std::string(columns_of(table), 'l'));
  for (std::size_t i = 0; i < table.rows.size(); ++i) {
    for (std::size_t j = 0; j < columns_of(table); ++j) {
      if (j > 0) text += " & ";
      if (j < table.rows[i].size()) text += latex_escaped(table.rows[i][j]);
    }
    text += i == 0 ? " \\\\\n\\hline\n" : " \\\\\n";
  }
  return text + "\\hline\n\\end{tabular}\n";
}

}  // namespace cola
