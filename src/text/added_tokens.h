#pragma once
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "text/regex.h"
#include "text/token_trie.h"
#include "text/vocabulary.h"

namespace cola {

/// A token that is cut out of the text before the model sees it (Hugging Face's AddedToken).
struct AddedToken {
  std::string content;
  std::int32_t id = 0;
  bool special = false;      ///< left out by decode(skip_special)
  bool single_word = false;  ///< only where no word character touches it
  bool lstrip = false;       ///< takes the white space to its left with it
  bool rstrip = false;
  bool normalized = false;  ///< looked for in the normalised text
};

/// Gives the tokens their ids as tokenizers does, which ignores those in its file: the vocabulary's where it
/// has the token, else the next one, counted from the number of the vocabulary's tokens. Throws Error
/// beginning with `where` for an id above largest_token_id.
void number_in_order(std::vector<AddedToken>& tokens, const Vocabulary& vocabulary, const std::string& where);

/// A stretch of text, or one added token.
struct TextSection {
  std::string text;                               ///< empty for a token
  std::optional<std::int32_t> id = std::nullopt;  ///< set for a token
  bool first = false;                             ///< nothing comes before it
};

/// The added tokens of a tokenizer: finds them in a text, knows their strings.
class AddedTokens {
 public:
  using Normalize = std::function<std::string(std::string)>;

  /// A token that the vocabulary has keeps the vocabulary's id; of two with the same content the later one
  /// counts, and it is special if either is. Throws Error beginning with `where` for ids that conflict among
  /// them or with `vocabulary`, and for different tokens that are the same once normalised.
  AddedTokens(std::vector<AddedToken> tokens, const Vocabulary& vocabulary, Normalize normalize,
              const std::string& where);

  /// Cuts `text` at the tokens that are not `normalized`, normalises the rest section by section, and cuts
  /// that at the others: leftmost first, then longest. The texts returned are normalised. `text` must be
  /// valid UTF-8.
  [[nodiscard]] std::vector<TextSection> split(std::string_view text) const;

  [[nodiscard]] const AddedToken* find(std::int32_t id) const;
  [[nodiscard]] std::optional<std::int32_t> id_of(std::string_view content) const;
  [[nodiscard]] bool is_special(std::int32_t id) const;
  [[nodiscard]] std::int64_t size() const {
    return size_;
  }  ///< one more than the largest id, 0 where there is none

 private:
  void cut(const TokenTrie& patterns, std::string_view text, std::vector<TextSection>& sections) const;
  [[nodiscard]] bool touches_word(std::string_view text, std::size_t begin, std::size_t end) const;

  std::vector<AddedToken> tokens_;
  std::unordered_map<std::int32_t, std::size_t> by_id_;
  TokenTrie raw_;  // of numbers of tokens_
  TokenTrie normalized_;
  Normalize normalize_;
  Regex word_character_;
  std::int64_t size_ = 0;
};

}  // namespace cola
