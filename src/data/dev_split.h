#pragma once
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <utility>
#include <vector>

namespace cola {

/// Which of `count` items a random `fraction` is by `seed`: at least one, at most all but one. Throws
/// UsageError for another fraction, Error for fewer than two.
[[nodiscard]] std::vector<bool> choose_dev(std::int64_t count, double fraction, std::uint64_t seed);

/// Moves them out of `items`, of which `files` says how many are of each file.
template <class Item>
[[nodiscard]] std::vector<Item> take_dev(std::vector<Item>& items, std::vector<std::int64_t>& files,
                                         double fraction, std::uint64_t seed) {
  const std::vector<bool> is_dev = choose_dev(std::ssize(items), fraction, seed);
  std::vector<Item> dev;
  std::vector<Item> remaining;
  std::size_t i = 0;
  for (std::int64_t& file : files) {
    const std::size_t end = i + static_cast<std::size_t>(file);
    for (; i < end; ++i) {
      if (is_dev[i]) --file;
      (is_dev[i] ? dev : remaining).push_back(std::move(items[i]));
    }
  }
  items = std::move(remaining);
  return dev;
}

}  // namespace cola
