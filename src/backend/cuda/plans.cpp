#include "backend/cuda/plans.h"

#include <algorithm>

namespace cola::ops::cuda {
namespace {

double pairs_of(std::span<const std::int32_t> offsets, std::span<const std::int32_t> prefixes) {
  double pairs = 0.0;
  for (std::size_t s = 0; s + 1 < offsets.size(); ++s) {
    const auto length = static_cast<double>(offsets[s + 1] - offsets[s]);
    pairs += 0.5 * length * (length + 1.0);
    if (prefixes.empty() || prefixes[s] < 0) continue;
    const auto prefix = static_cast<std::size_t>(prefixes[s]);
    pairs += length * static_cast<double>(offsets[prefix + 1] - offsets[prefix]);
  }
  return pairs;
}

}  // namespace

const AttentionPlan& BatchPlans::attention(std::span<const std::int32_t> offsets,
                                           std::span<const std::int32_t> prefixes) {
  if (std::ranges::equal(offsets, offsets_) && std::ranges::equal(prefixes, prefixes_)) return attention_;
  attention_ = {cola::cuda::query_tiles(offsets, prefixes), cola::cuda::key_tiles(offsets, prefixes),
                pairs_of(offsets, prefixes)};
  // Batches of as many tokens differ in tiles: a few without work make most of them alike (Replays).
  constexpr std::size_t bucket = 16;
  for (cola::cuda::AttentionTiles* tiles : {&attention_.queries, &attention_.keys})
    tiles->tiles.resize((tiles->tiles.size() + bucket - 1) / bucket * bucket);
  offsets_.assign(offsets.begin(), offsets.end());
  prefixes_.assign(prefixes.begin(), prefixes.end());
  return attention_;
}

}  // namespace cola::ops::cuda
