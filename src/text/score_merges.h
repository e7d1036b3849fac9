#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_set>
#include <vector>

#include "text/bpe.h"

namespace cola {

struct ScoredToken {
  std::string_view text;
  float score = 0.0F;  ///< not NaN
};

/// The merges of a vocabulary whose tokens have scores, as sentencepiece's BPE makes them, for Bpe.
struct ScoreMerges {
  std::vector<BpeMerge> merges;
  std::vector<std::uint32_t> ranks;  ///< 0 for the highest score; the same for equal scores
};

/// The merges into each of `tokens` of any two of `texts`. Texts are valid UTF-8, not empty. Throws Error
/// beginning with `where` if they are more than `most`.
[[nodiscard]] ScoreMerges merges_by_score(std::vector<ScoredToken> tokens,
                                          const std::unordered_set<std::string_view>& texts, std::size_t most,
                                          const std::string& where);

}  // namespace cola
