#include "backend/attention_pairs.h"

#include <algorithm>
#include <cstddef>

namespace cola::ops {

std::int64_t attention_pairs(std::int64_t queries, std::int64_t keys, std::int64_t window) {
  const auto of_first = [window](std::int64_t positions) {
    const std::int64_t growing = window > 0 ? std::min(positions, window) : positions;
    return growing * (growing + 1) / 2 + (positions - growing) * window;
  };
  return of_first(keys) - of_first(keys - queries);
}

std::int64_t attention_pairs(std::span<const std::int32_t> offsets, std::span<const std::int32_t> prefixes,
                             std::int64_t window) {
  const auto length_of = [&](std::size_t s) { return std::int64_t{offsets[s + 1]} - offsets[s]; };
  std::int64_t pairs = 0;
  for (std::size_t s = 0; s + 1 < offsets.size(); ++s) {
    const bool continues = !prefixes.empty() && prefixes[s] >= 0;
    const std::int64_t before = continues ? length_of(static_cast<std::size_t>(prefixes[s])) : 0;
    pairs += attention_pairs(length_of(s), before + length_of(s), window);
  }
  return pairs;
}

}  // namespace cola::ops
