#include "cli/demo_statistics.h"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace cola {
namespace {

/// Characters, not bytes, of UTF-8.
std::size_t width_of(const std::string& text) {
  return static_cast<std::size_t>(std::ranges::count_if(
      text, [](char byte) { return (static_cast<unsigned char>(byte) & 0xC0U) != 0x80U; }));
}

}  // namespace

MeanAndSpread mean_and_spread(const std::vector<double>& values) {
  const auto count = static_cast<double>(values.size());
  MeanAndSpread result;
  result.mean = std::accumulate(values.begin(), values.end(), 0.0) / count;
  if (values.size() < 2) return result;
  double squares = 0.0;
  for (const double value : values) squares += (value - result.mean) * (value - result.mean);
  result.spread = std::sqrt(squares / (count - 1.0));
  return result;
}

bool Difference::larger_than_spread() const { return std::abs(difference) > spread; }

Difference difference_of(const std::vector<double>& first, const std::vector<double>& second) {
  const MeanAndSpread a = mean_and_spread(first);
  const MeanAndSpread b = mean_and_spread(second);
  Difference result{a.mean - b.mean, std::max(a.spread, b.spread)};
  for (std::size_t i = 0; i < first.size(); ++i) {
    result.first_lower += first[i] < second[i] ? 1 : 0;
    result.first_higher += first[i] > second[i] ? 1 : 0;
  }
  return result;
}

std::string aligned_table(const std::vector<std::vector<std::string>>& rows) {
  std::vector<std::size_t> widths;
  for (const auto& row : rows) {
    widths.resize(std::max(widths.size(), row.size()));
    for (std::size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], width_of(row[i]));
  }
  std::string text;
  for (const auto& row : rows) {
    for (std::size_t i = 0; i < row.size(); ++i) {
      const std::string padding(widths[i] - width_of(row[i]), ' ');
      const bool last = i + 1 == row.size();
      if (i == 0) {
        text += row[i] + (last ? "" : padding);
      } else {
        text += "  " + padding + row[i];
      }
    }
    text += "\n";
  }
  return text;
}

}  // namespace cola
