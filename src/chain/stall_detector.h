#pragma once
#include <cstdint>
#include <vector>

namespace cola {

/// When a live link is to be tied, for --knots auto.
struct StallRule {
  std::int64_t min_link_steps = 2;  ///< of every link, the last one included
  std::int64_t max_links = 4;
  double threshold = 0.01;

  /// Steps of one window: half of min_link_steps.
  [[nodiscard]] std::int64_t window() const { return min_link_steps / 2; }
};

/// Whether a link has stalled: the mean training loss of its last window() steps is not below (1 - threshold)
/// times the mean of the window() steps before. `losses` are those of the live link, oldest first.
[[nodiscard]] bool has_stalled(const StallRule& rule, const std::vector<double>& losses);

}  // namespace cola
