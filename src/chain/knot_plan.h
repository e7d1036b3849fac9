#pragma once
#include <cstdint>
#include <string>
#include <vector>

namespace cola {

/// Knots as numbers of optimizer steps done, strictly increasing, each in (0, total_steps).
/// `knots` is the text of --knots: comma-separated steps ("120,240") or epochs ("3ep", "2ep,4ep"), also
/// mixed. Throws UsageError naming the entry that is malformed, out of range or not increasing.
[[nodiscard]] std::vector<std::int64_t> parse_knots(const std::string& knots, std::int64_t steps_per_epoch,
                                                    std::int64_t total_steps);

/// Knots of --links N: whole epochs if N <= epochs, else equal steps; earlier links take the remainder
/// (5 epochs in 2 links = 3+2, in 3 = 2+2+1). Epochs are used only if total_steps is whole epochs.
/// Throws UsageError if links < 1 or links > total_steps.
[[nodiscard]] std::vector<std::int64_t> even_knots(std::int64_t links, std::int64_t steps_per_epoch,
                                                   std::int64_t total_steps);

}  // namespace cola
