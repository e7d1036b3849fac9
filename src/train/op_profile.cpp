#include "train/op_profile.h"

#include <algorithm>
#include <functional>

namespace cola {

std::vector<OpProfile> op_profile(const ops::Profile& profile, double seconds) {
  std::vector<OpProfile> rows;
  for (const auto& [op, cost] : profile.costs()) {
    rows.push_back({op, static_cast<std::int64_t>(cost.calls), cost.seconds, static_cast<double>(cost.flops),
                    static_cast<double>(cost.bytes)});
    seconds -= cost.seconds;
  }
  rows.push_back({"(outside)", 0, std::max(0.0, seconds), 0.0, 0.0});
  std::ranges::stable_sort(rows, std::ranges::greater{}, &OpProfile::seconds);
  return rows;
}

}  // namespace cola
