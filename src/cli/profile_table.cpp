#include "cli/profile_table.h"

#include <fmt/format.h>

namespace cola {
namespace {

/// "12.3", or "-" where nothing was counted.
std::string rate(double amount, double seconds) {
  constexpr double giga = 1e9;
  return amount > 0.0 && seconds > 0.0 ? fmt::format("{:.1f}", amount / seconds / giga) : "-";
}

}  // namespace

std::string profile_table(std::span<const OpProfile> profile) {
  double total = 0.0;
  for (const OpProfile& row : profile) total += row.seconds;
  std::string text = fmt::format("{:<32}{:>9}{:>11}{:>9}{:>11}{:>9}\n", "op", "calls", "seconds", "share",
                                 "GFLOP/s", "GB/s");
  for (const OpProfile& row : profile) {
    text += fmt::format("{:<32}{:>9}{:>11.4f}{:>8.1f}%{:>11}{:>9}\n", row.op, row.calls, row.seconds,
                        total > 0.0 ? 100.0 * row.seconds / total : 0.0, rate(row.flops, row.seconds),
                        rate(row.bytes, row.seconds));
  }
  return text;
}

Json profile_json(std::span<const OpProfile> profile) {
  Json rows = Json::array();
  for (const OpProfile& row : profile) {
    rows.push_back({{"op", row.op},
                    {"calls", row.calls},
                    {"seconds", row.seconds},
                    {"flops", row.flops},
                    {"bytes", row.bytes}});
  }
  return rows;
}

}  // namespace cola
