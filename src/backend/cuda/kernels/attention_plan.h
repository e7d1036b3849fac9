#pragma once
#include <cstdint>
#include <span>
#include <vector>

// How attention over a ragged batch is divided among blocks (host code). See docs/decisions/0017.
namespace cola::cuda {

/// Rows of a matrix: begin <= row < end.
struct RowRange {
  std::int32_t begin, end;

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

/// Queries with the keys that they see: a prefix's rows, then the sequence's own up to the tile's last.
/// offsets and prefixes as in backend/attention.h.
[[nodiscard]] AttentionTiles query_tiles(std::span<const std::int32_t> offsets,
                                         std::span<const std::int32_t> prefixes);

/// Keys with the queries that see them: the sequence's own from the tile's first on, then, in the batch's
/// order, all rows of the sequences that continue it.
[[nodiscard]] AttentionTiles key_tiles(std::span<const std::int32_t> offsets,
                                       std::span<const std::int32_t> prefixes);

/// Queries over caches: rows offsets[s] .. offsets[s + 1] are the last of the lengths[s] rows of cache s, and
/// ranges are rows of that cache.
[[nodiscard]] AttentionTiles cached_query_tiles(std::span<const std::int32_t> offsets,
                                                std::span<const std::int32_t> lengths);

}  // namespace cola::cuda
