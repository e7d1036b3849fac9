#pragma once
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "text/tokenizer.h"

namespace cola {

/// A position in a text, seen from the text's tokens.
struct TokenBorder {
  std::size_t token = 0;  ///< the first one that holds text from the position on, or stands behind it
  bool merged = false;    ///< it holds text from before the position, too
};

/// Where the positions `borders` (bytes, ascending, at characters' beginnings) of `text` fall among `ids`,
/// the tokens that `tokenizer` makes of it. A token without text of its own, as sentencepiece's leading
/// space, belongs to what follows it. Linear in the text and the borders, except where tokens do not spell
/// the text (a normalizer changed it, or it has unknown characters): there the text before a border is
/// tokenised again, back to the last added token.
[[nodiscard]] std::vector<TokenBorder> find_borders(const Tokenizer& tokenizer, std::string_view text,
                                                    std::span<const std::int32_t> ids,
                                                    std::span<const std::size_t> borders);

}  // namespace cola
