#pragma once
#include <cstdint>
#include <vector>

#include "data/example.h"

namespace cola {

/// One question with the answers to choose from. Candidate c is a whole sequence, prompt and answer, with
/// labels on the answer's tokens: its last ones, at least one.
struct Question {
  std::vector<Example> candidates;  ///< at least one
  std::int32_t gold = 0;            ///< the right one, trained towards
  std::int64_t merged_borders = 0;  ///< candidates whose answer begins inside a token, which is the answer's
};

}  // namespace cola
