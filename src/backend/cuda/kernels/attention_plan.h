#pragma once
#include <cstdint>
#include <span>
#include <vector>

// How attention over a ragged batch is divided among blocks (host code). See docs/decisions/0017.
namespace cola::cuda {

/// Rows of a matrix: begin <= row < end.
struct RowRange {
  std::int32_t begin, end;
  /// Of a tile's range, for its window: a query at row t and a key at row u are t + key_shift - u - gap
  /// positions apart, as a continuation may lie some rows behind its prefix. 0 without a window.
  std::int32_t gap = 0;

  bool operator==(const RowRange&) const = default;
};

/// At most `tile_rows` rows of one sequence, and the rows that they meet: for a tile of queries ranges of
/// keys, for a tile of keys ranges of queries. A query at row t sees the keys of its ranges at rows up to t +
/// key_shift.
struct AttentionTile {
  std::int32_t row = 0, count = 0;  ///< rows row .. row + count; a tile with count 0 is no work
  std::int32_t first_range = 0, end_range = 0;
  std::int32_t sequence = 0;   ///< whose cache holds the keys (attention over caches)
  std::int32_t key_shift = 0;  ///< 0 where queries and keys are rows of one batch
};
constexpr std::int32_t tile_rows = 64;

/// The tiles with the most work first; they and their ranges are what the kernels need on the device.
struct AttentionTiles {
  std::vector<AttentionTile> tiles;
  std::vector<RowRange> ranges;
};

/// Queries with the keys that they see: a prefix's rows, then the sequence's own up to the tile's last; with
/// a window, those that one of the tile's queries sees. offsets, prefixes and window as in
/// backend/attention.h.
[[nodiscard]] AttentionTiles query_tiles(std::span<const std::int32_t> offsets,
                                         std::span<const std::int32_t> prefixes, std::int32_t window);

/// Keys with the queries that see them: the sequence's own from the tile's first on, then, in the batch's
/// order, all rows of the sequences that continue it; with a window, those that see one of the tile's keys.
[[nodiscard]] AttentionTiles key_tiles(std::span<const std::int32_t> offsets,
                                       std::span<const std::int32_t> prefixes, std::int32_t window);

/// Queries over caches: rows offsets[s] .. offsets[s + 1] are the last of the lengths[s] rows of cache s, and
/// ranges are rows of that cache.
[[nodiscard]] AttentionTiles cached_query_tiles(std::span<const std::int32_t> offsets,
                                                std::span<const std::int32_t> lengths, std::int32_t window);

}  // namespace cola::cuda
