#pragma once
#include <span>
#include <string>
#include <vector>

#include "text/bpe.h"
#include "text/gguf_vocabulary.h"

namespace cola {

/// The score of each token, by id, by which merges_by_score gives the same merges in the same order: -1 for
/// the token of the first merge, falling. Throws Error beginning with `where` where no scores do: a token can
/// be made of two others and the list has no such merge, or its merges are not in one place of the list.
[[nodiscard]] std::vector<float> scores_of_merges(std::span<const std::string> texts,
                                                  std::span<const GgufTokenType> types,
                                                  std::span<const BpeMerge> merges, const std::string& where);

}  // namespace cola
