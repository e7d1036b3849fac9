#pragma once
#include <cstdint>
#include <vector>

namespace cola {

/// Sequences of different lengths end to end, without padding: T tokens, S sequences, L rows that carry loss.
struct RaggedBatch {
  std::vector<std::int32_t> ids;         ///< [T]
  std::vector<std::int32_t> positions;   ///< [T], within each sequence, its prefix counted
  std::vector<std::int32_t> offsets{0};  ///< [S+1]: sequence s is rows offsets[s] .. offsets[s+1]
  /// [S], or empty where no sequence has one: the sequence before s whose keys and values it continues, or
  /// -1. A prefix has no prefix itself.
  std::vector<std::int32_t> prefixes;
  std::vector<std::int32_t> loss_rows;  ///< [L], not decreasing: rows whose next token is predicted
  std::vector<std::int32_t> targets;    ///< [L]: the token to predict at loss_rows[i]
  std::vector<std::uint64_t>
      token_keys;  ///< [T]: (sequence number in the step << 32) + position, for dropout

  /// Tokens of the longest sequence, its prefix and a last token that is not computed counted; 0: all are
  /// computed.
  std::int64_t longest = 0;

  [[nodiscard]] std::int64_t tokens() const { return static_cast<std::int64_t>(ids.size()); }
  [[nodiscard]] std::int64_t sequences() const { return static_cast<std::int64_t>(offsets.size()) - 1; }
  [[nodiscard]] std::int64_t loss_tokens() const { return static_cast<std::int64_t>(targets.size()); }
};

/// The batch and a last sequence, of token 0 and without loss, that makes it `rows` tokens: at least its own.
/// No other sequence sees it, so it changes no gradient.
[[nodiscard]] RaggedBatch padded_to(RaggedBatch batch, std::int64_t rows);

}  // namespace cola
