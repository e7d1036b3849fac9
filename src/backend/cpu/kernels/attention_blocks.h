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

constexpr std::int64_t query_block = 32;
constexpr std::int64_t key_block = 64;

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

/// Queries first, first + 1, ... of one sequence against one block of packed keys.
struct KeyBlock {
  std::int64_t keys;        ///< in the block that any of the queries sees
  std::int64_t first_sees;  ///< of these, how many the first query sees; each later query sees one more
};

/// The keys that the queries of one sequence see: all of `shared`, then their own up to themselves.
struct KeySequence {
  std::int64_t shared;  ///< keys of the sequence that is continued; 0 for a sequence that continues none
  std::int64_t before;  ///< own keys before the first query
  [[nodiscard, gnu::always_inline]] constexpr std::int64_t own_begin() const {
    return round_up(shared, key_block);
  }
  /// End of the blocks that queries [first, first + count) look at, as rows of scratch memory.
  [[nodiscard, gnu::always_inline]] constexpr std::int64_t end(std::int64_t first, std::int64_t count) const {
    return own_begin() + before + first + count;
  }
  [[nodiscard, gnu::always_inline]] constexpr KeyBlock block(std::int64_t packed, std::int64_t first,
                                                             std::int64_t count) const {
    if (packed < own_begin()) {
      const std::int64_t keys = shared - packed < key_block ? shared - packed : key_block;
      return {keys, keys};
    }
    const std::int64_t left = end(first, count) - packed;
    return {left < key_block ? left : key_block, left - count + 1};
  }
};

}  // namespace cola::kernels
