#include "data/dev_split.h"

#include <fmt/format.h>

#include "core/error.h"
#include "core/random.h"

namespace cola {

std::vector<bool> choose_dev(std::int64_t count, double fraction, std::uint64_t seed) {
  if (!(fraction > 0.0 && fraction < 1.0)) {
    throw UsageError(fmt::format("--dev-fraction {} is not between 0 and 1", fraction));
  }
  if (count < 2)
    throw Error(fmt::format("--dev-fraction needs at least 2 sequences, and there are {}", count));
  const auto wanted = static_cast<std::int64_t>(std::llround(fraction * static_cast<double>(count)));
  const std::int64_t dev_count = std::clamp<std::int64_t>(wanted, 1, count - 1);
  const std::vector<std::int64_t> order = random_permutation(count, RandomStream(seed, RandomPurpose::split));
  std::vector<bool> is_dev(static_cast<std::size_t>(count));
  for (std::int64_t i = 0; i < dev_count; ++i)
    is_dev[static_cast<std::size_t>(order[static_cast<std::size_t>(i)])] = true;
  return is_dev;
}

}  // namespace cola
