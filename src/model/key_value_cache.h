#pragma once
#include <cstdint>
#include <span>
#include <vector>

#include "backend/attention.h"
#include "core/matrix.h"

namespace cola {

/// Keys and values of one attention layer for a sequence being generated. With a window it is a ring of the
/// last `window` positions: position p lies in row p mod window.
class KeyValueCache {
 public:
  /// For a sequence of up to `capacity` positions, each of `width` = kv_heads * head_dim elements, of which a
  /// query sees the last `window` (0: all).
  KeyValueCache(Memory& memory, DType dtype, std::int64_t capacity, std::int64_t width, std::int64_t window);

  /// Rows that such a cache holds.
  [[nodiscard]] static std::int64_t rows(std::int64_t capacity, std::int64_t window);

  [[nodiscard]] std::int64_t length() const { return length_; }  ///< positions so far

  void clear() { length_ = 0; }  ///< it keeps its memory

  /// Rows of scratch memory that append() of `count` rows takes.
  [[nodiscard]] std::int64_t scratch_rows(std::int64_t count) const;

  /// Appends keys and values [n, width], in the cache's dtype, and returns those that the new rows see: views
  /// of the cache, of what is appended, or of scratch [scratch_rows(n), width].
  ///
  /// They are the cache itself while nothing in it has been overwritten; a full ring, in its own order, for
  /// one new row, which sees all of it; for several, of which later ones may overwrite what earlier ones see,
  /// the last positions, copied to scratch, with the new ones behind them. So n may be any number, more than
  /// the window too.
  [[nodiscard]] ops::CachedSequence append(ops::Context& context, const ops::CachedSequence& added,
                                           MatrixView scratch_keys, MatrixView scratch_values);

 private:
  [[nodiscard]] std::int64_t past() const;  ///< positions so far that the next row sees, of a ring
  template <class Body>
  void each_piece(std::int64_t begin, std::int64_t end, const Body& body) const;

  Matrix keys_, values_;  ///< [rows, width]
  bool ring_;             ///< it may have to be longer than its rows
  std::int64_t length_ = 0;
};

/// Appends rows offsets[s] .. offsets[s + 1] of k and v [T, width] to caches[s], for each s, and returns what
/// ops::attention_cached is given for them: valid until the next call with this context, while k and v are as
/// they are.
[[nodiscard]] std::vector<ops::CachedSequence> append(ops::Context& context,
                                                      std::span<const std::int32_t> offsets,
                                                      ConstMatrixView k, ConstMatrixView v,
                                                      std::span<KeyValueCache* const> caches);

}  // namespace cola
