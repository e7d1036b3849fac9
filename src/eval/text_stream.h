#pragma once
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "text/tokenizer.h"

namespace cola {

/// Turns tokens into text as they come. A token's text can depend on those around it (a space that only the
/// first one loses, a character spread over several tokens), so each is decoded together with those before
/// it, and text that may still be half of a character is held back.
class TextStream {
 public:
  /// `context`: tokens before the first new one; their text is not given again. The tokenizer outlives the
  /// stream.
  TextStream(const Tokenizer& tokenizer, std::span<const std::int32_t> context);

  /// The text that is certain after one more token: whole UTF-8 characters, often empty.
  [[nodiscard]] std::string add(std::int32_t id);
  /// What was held back, at the end.
  [[nodiscard]] std::string finish();

 private:
  [[nodiscard]] std::string take(bool at_end);

  const Tokenizer& tokenizer_;
  std::vector<std::int32_t> window_;  ///< the last given tokens, then those held back
  std::size_t given_ = 0;             ///< tokens of the window whose text was given
};

}  // namespace cola
