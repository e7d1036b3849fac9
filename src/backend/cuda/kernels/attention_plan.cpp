#include "backend/cuda/kernels/attention_plan.h"

#include <algorithm>
#include <cstddef>

namespace cola::cuda {
namespace {

/// Appends a range to those of the tile that is being made; it grows the last one where it goes on from it.
void add_range(std::vector<RowRange>& ranges, std::int32_t first_range, RowRange range) {
  if (range.begin == range.end) return;
  if (std::ssize(ranges) > first_range && ranges.back().end == range.begin &&
      ranges.back().gap == range.gap) {
    ranges.back().end = range.end;
  } else {
    ranges.push_back(range);
  }
}

/// Tiles of rows begin .. end; add_ranges(row, count) appends the ranges of one.
template <class AddRanges>
void add_tiles(AttentionTiles& result, RowRange rows, const AddRanges& add_ranges) {
  for (std::int32_t row = rows.begin; row < rows.end; row += tile_rows) {
    AttentionTile tile;
    tile.row = row;
    tile.count = std::min(tile_rows, rows.end - row);
    tile.first_range = static_cast<std::int32_t>(result.ranges.size());
    add_ranges(tile);
    tile.end_range = static_cast<std::int32_t>(result.ranges.size());
    result.tiles.push_back(tile);
  }
}

/// A block takes one tile: those that take longest start first.
void sort_by_work(AttentionTiles& result) {
  const auto work = [&](const AttentionTile& tile) {
    std::int64_t rows = 0;
    for (std::int32_t i = tile.first_range; i < tile.end_range; ++i) {
      const RowRange& range = result.ranges[static_cast<std::size_t>(i)];
      rows += range.end - range.begin;
    }
    return rows;
  };
  std::ranges::stable_sort(result.tiles, std::ranges::greater{}, work);
}

std::int32_t prefix_of(std::span<const std::int32_t> prefixes, std::size_t sequence) {
  return prefixes.empty() ? -1 : prefixes[sequence];
}

RowRange rows_of(std::span<const std::int32_t> offsets, std::size_t sequence) {
  return {offsets[sequence], offsets[sequence + 1]};
}

/// Where the window of the query at `position` begins.
std::int32_t window_begin(std::int32_t position, std::int32_t window) {
  return window > 0 ? std::max(0, position + 1 - window) : 0;
}

/// How many of the `count` queries at positions first, first + 1, ... see the key at `position`.
std::int32_t queries_that_see(std::int32_t position, std::int32_t first, std::int32_t count,
                              std::int32_t window) {
  return window > 0 ? std::clamp(position + window - first, 0, count) : count;
}

}  // namespace

AttentionTiles query_tiles(std::span<const std::int32_t> offsets, std::span<const std::int32_t> prefixes,
                           std::int32_t window) {
  AttentionTiles result;
  for (std::size_t s = 0; s + 1 < offsets.size(); ++s) {
    const RowRange rows = rows_of(offsets, s);
    const std::int32_t prefix = prefix_of(prefixes, s);
    const RowRange shared = prefix < 0 ? RowRange{} : rows_of(offsets, static_cast<std::size_t>(prefix));
    const std::int32_t before = shared.end - shared.begin;
    add_tiles(result, rows, [&](AttentionTile& tile) {
      const std::int32_t first = window_begin(before + tile.row - rows.begin, window);
      add_range(
          result.ranges, tile.first_range,
          {shared.begin + std::min(first, before), shared.end, window > 0 ? rows.begin - shared.end : 0});
      add_range(result.ranges, tile.first_range,
                {rows.begin + std::max(0, first - before), tile.row + tile.count});
    });
  }
  sort_by_work(result);
  return result;
}

AttentionTiles key_tiles(std::span<const std::int32_t> offsets, std::span<const std::int32_t> prefixes,
                         std::int32_t window) {
  std::vector<std::vector<RowRange>> continuations(offsets.empty() ? 0 : offsets.size() - 1);
  for (std::size_t s = 0; s + 1 < offsets.size(); ++s) {
    const std::int32_t prefix = prefix_of(prefixes, s);
    if (prefix >= 0) continuations[static_cast<std::size_t>(prefix)].push_back(rows_of(offsets, s));
  }
  AttentionTiles result;
  for (std::size_t s = 0; s + 1 < offsets.size(); ++s) {
    const RowRange rows = rows_of(offsets, s);
    add_tiles(result, rows, [&](const AttentionTile& tile) {
      const std::int32_t last = tile.row + tile.count - 1 - rows.begin;  // its position, but for a prefix's
      const std::int32_t length = rows.end - rows.begin;
      const std::int32_t own = queries_that_see(last, tile.row - rows.begin, rows.end - tile.row, window);
      add_range(result.ranges, tile.first_range, {tile.row, tile.row + own});
      for (const auto& [begin, end, gap] : continuations[s]) {
        add_range(result.ranges, tile.first_range,
                  {begin, begin + queries_that_see(last, length, end - begin, window),
                   window > 0 ? begin - rows.end : 0});
      }
    });
  }
  sort_by_work(result);
  return result;
}

AttentionTiles cached_query_tiles(std::span<const std::int32_t> offsets,
                                  std::span<const std::int32_t> lengths, std::int32_t window) {
  AttentionTiles result;
  for (std::size_t s = 0; s + 1 < offsets.size(); ++s) {
    add_tiles(result, rows_of(offsets, s), [&](AttentionTile& tile) {
      tile.sequence = static_cast<std::int32_t>(s);
      tile.key_shift = lengths[s] - offsets[s + 1];
      add_range(result.ranges, tile.first_range,
                {window_begin(tile.row + tile.key_shift, window), tile.row + tile.count + tile.key_shift});
    });
  }
  sort_by_work(result);
  return result;
}

}  // namespace cola::cuda
