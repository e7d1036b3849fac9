#include "backend/cuda/plans.h"

#include <algorithm>

#include "backend/attention_pairs.h"

namespace cola::ops::cuda {
namespace {

/// Positions of the longest sequence, its prefix counted.
std::int32_t longest_of(std::span<const std::int32_t> offsets, std::span<const std::int32_t> prefixes) {
  std::int32_t longest = 0;
  for (std::size_t s = 0; s + 1 < offsets.size(); ++s) {
    std::int32_t length = offsets[s + 1] - offsets[s];
    if (!prefixes.empty() && prefixes[s] >= 0) {
      const auto prefix = static_cast<std::size_t>(prefixes[s]);
      length += offsets[prefix + 1] - offsets[prefix];
    }
    longest = std::max(longest, length);
  }
  return longest;
}

}  // namespace

const AttentionPlan& BatchPlans::attention(std::span<const std::int32_t> offsets,
                                           std::span<const std::int32_t> prefixes, std::int64_t window) {
  if (!std::ranges::equal(offsets, offsets_) || !std::ranges::equal(prefixes, prefixes_)) {
    attention_.clear();
    offsets_.assign(offsets.begin(), offsets.end());
    prefixes_.assign(prefixes.begin(), prefixes.end());
  }
  const auto size = static_cast<std::int32_t>(window < longest_of(offsets, prefixes) ? window : 0);
  const auto [entry, is_new] = attention_.try_emplace(size);
  AttentionPlan& plan = entry->second;
  if (!is_new) return plan;
  plan = {cola::cuda::query_tiles(offsets, prefixes, size), cola::cuda::key_tiles(offsets, prefixes, size),
          size, attention_pairs(offsets, prefixes, size)};
  // Batches of as many tokens differ in tiles: a few without work make most of them alike (Replays).
  constexpr std::size_t bucket = 16;
  for (cola::cuda::AttentionTiles* tiles : {&plan.queries, &plan.keys})
    tiles->tiles.resize((tiles->tiles.size() + bucket - 1) / bucket * bucket);
  return plan;
}

}  // namespace cola::ops::cuda
