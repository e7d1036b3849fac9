#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "text/bpe.h"
#include "text/vocabulary.h"

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

/// The merges into each of `tokens`, whose texts are valid UTF-8, of any two of the vocabulary's; `joins`, by
/// id, says which of these count. Throws Error beginning with `where` if they are more than `most`.
[[nodiscard]] ScoreMerges merges_by_score(std::vector<ScoredToken> tokens, const Vocabulary& vocabulary,
                                          const std::vector<bool>& joins, std::size_t most,
                                          const std::string& where);

}  // namespace cola
