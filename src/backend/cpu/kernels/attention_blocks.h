#pragma once
#include <cstdint>

#include "backend/cpu/kernels/rows.h"

// How attention's kernels cut a head into blocks, and where the blocks lie in their scratch memory: a
// sequence's keys from the first block on, those of a sequence that continues it from the next whole block.
namespace cola::kernels {

/// Rows [begin, end) of a work item's matrices.
struct RowRange {
  std::int64_t begin, end;
};

/// The sequences that continue the work item's: each attends to all keys of that one and then causally to its
/// own rows. Their rows are counted from the first row of the item's matrices, and lie behind its own.
struct Continuations {
  const RowRange* sequences;
  std::int64_t count;
};

/// What becomes of a query's products with keys. As ops::AttentionShape.
struct AttentionScores {
  float scale;
  std::int64_t window;
  float soft_cap;
};

constexpr std::int64_t query_block = 32;
constexpr std::int64_t key_block = 64;
constexpr std::int64_t cached_queries_at_once = 4;  ///< at most, of attention with a cache

[[gnu::always_inline]] constexpr std::int64_t round_up(std::int64_t value, std::int64_t multiple) {
  return (value + multiple - 1) / multiple * multiple;
}
/// Row length of a widened head slice: whole vectors for every instruction set, and whole cache lines.
[[gnu::always_inline]] constexpr std::int64_t padded(std::int64_t head_dim) { return round_up(head_dim, 16); }

/// Rows of scratch memory for the keys of one sequence and of the longest that continues it.
[[gnu::always_inline]] constexpr std::int64_t attention_packed_keys(std::int64_t keys,
                                                                    const Continuations& continuations) {
  std::int64_t longest = 0;
  for (std::int64_t i = 0; i < continuations.count; ++i) {
    const RowRange& rows = continuations.sequences[i];
    if (rows.end - rows.begin > longest) longest = rows.end - rows.begin;
  }
  return round_up(keys, key_block) + round_up(longest, key_block);
}

/// Queries first, first + 1, ... of one sequence against one block of packed keys: query first + i sees keys
/// first_begin + i .. first_end + i, as far as these are in 0 .. keys.
struct KeyBlock {
  std::int64_t keys;  ///< up to the last that any of the queries sees
  std::int64_t first_end;
  std::int64_t first_begin;

  /// Whether the block has keys before the window of one of `count` queries.
  [[nodiscard, gnu::always_inline]] constexpr bool is_cut(std::int64_t count) const {
    return first_begin + count > 1;
  }
  /// Whether the block is whole and each of `count` queries sees all of it.
  [[nodiscard, gnu::always_inline]] constexpr bool is_seen_whole(std::int64_t count) const {
    return keys == key_block && first_end >= keys && !is_cut(count);
  }
  /// Of the queries from the i-th on.
  [[nodiscard, gnu::always_inline]] constexpr KeyBlock from(std::int64_t i) const {
    return {keys, first_end + i, first_begin + i};
  }
};

/// The keys that the queries of one sequence see: all of `shared`, then their own up to themselves; of these
/// the last `window`.
struct KeySequence {
  std::int64_t shared;  ///< keys of the sequence that is continued; 0 for a sequence that continues none
  std::int64_t before;  ///< own keys before the first query
  std::int64_t window;  ///< 0: all
  [[nodiscard, gnu::always_inline]] constexpr std::int64_t own_begin() const {
    return round_up(shared, key_block);
  }
  /// Where the window of query `first` begins, as a position in the sequence; the window is not 0.
  [[nodiscard, gnu::always_inline]] constexpr std::int64_t window_begin(std::int64_t first) const {
    return shared + before + first + 1 - window;
  }
  /// The first block that queries first, first + 1, ... look at, as a row of scratch memory.
  [[nodiscard, gnu::always_inline]] constexpr std::int64_t begin(std::int64_t first) const {
    if (window == 0 || window_begin(first) <= 0) return 0;
    const std::int64_t key = window_begin(first);
    return (key < shared ? key : own_begin() + key - shared) / key_block * key_block;
  }
  /// End of the blocks that queries [first, first + count) look at, as rows of scratch memory.
  [[nodiscard, gnu::always_inline]] constexpr std::int64_t end(std::int64_t first, std::int64_t count) const {
    return own_begin() + before + first + count;
  }
  [[nodiscard, gnu::always_inline]] constexpr KeyBlock block(std::int64_t packed, std::int64_t first,
                                                             std::int64_t count) const {
    const std::int64_t position = packed < own_begin() ? packed : packed - own_begin() + shared;
    const std::int64_t first_begin = window == 0 ? -count : window_begin(first) - position;
    if (packed < own_begin()) {
      const std::int64_t keys = shared - packed < key_block ? shared - packed : key_block;
      return {keys, keys, first_begin};
    }
    const std::int64_t left = end(first, count) - packed;
    return {left < key_block ? left : key_block, left - count + 1, first_begin};
  }
};

}  // namespace cola::kernels
