#include "chain/stall_detector.h"

#include <numeric>

namespace cola {

bool has_stalled(const StallRule& rule, const std::vector<double>& losses) {
  const std::int64_t window = rule.window();
  if (std::ssize(losses) < rule.min_link_steps || std::ssize(losses) < 2 * window) return false;
  const double last = std::accumulate(losses.end() - window, losses.end(), 0.0);
  const double before = std::accumulate(losses.end() - 2 * window, losses.end() - window, 0.0);
  return last >= (1.0 - rule.threshold) * before;
}

}  // namespace cola
