#include "text/bpe_tokenizer.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "core/error.h"
#include "text/byte_level.h"
#include "text/utf8.h"

namespace cola {

BpeTokenizer::BpeTokenizer(Bpe model, AddedTokens added, PreTokenizer pre_tokenizer, TokenDecoder decoder,
                           SpecialTokens special)
    : model_(std::move(model)),
      added_(std::move(added)),
      pre_tokenizer_(std::move(pre_tokenizer)),
      decoder_(std::move(decoder)),
      special_(std::move(special)) {}

std::vector<std::int32_t> BpeTokenizer::encode(std::string_view text) const {
  require_utf8(text, "text to tokenise");
  std::vector<std::int32_t> ids;
  for (TextSection& section : added_.split(text)) {
    if (section.id) {
      ids.push_back(*section.id);
      continue;
    }
    for (const std::string& word : pre_tokenizer_(std::move(section.text), section.first))
      model_.encode(word, ids);
  }
  return ids;
}

std::string BpeTokenizer::decode(std::span<const std::int32_t> ids, bool skip_special) const {
  std::vector<std::string> tokens;
  tokens.reserve(ids.size());
  for (const std::int32_t id : ids) {
    if (skip_special && added_.is_special(id)) continue;
    // A model's padded vocabulary has ids without a token: they are no text.
    if (const std::string* token = find_piece(id)) tokens.push_back(*token);
  }
  return decoder_(std::move(tokens));
}

std::string BpeTokenizer::piece(std::int32_t id) const {
  if (const std::string* token = find_piece(id)) return *token;
  throw Error(
      fmt::format("token id {} is not in the vocabulary, whose ids end at {}", id, vocabulary_size() - 1));
}

TokenText BpeTokenizer::text_of(std::int32_t id) const {
  const std::string token = piece(id);
  if (added_.find(id) != nullptr) return {.bytes = token, .added = true};
  if (!decoder_.has_byte_level()) return {.bytes = bytes_of_token(token)};
  TokenText text;
  append_token_bytes(text.bytes, token);
  return text;
}

std::int64_t BpeTokenizer::vocabulary_size() const {
  return std::max(model_.vocabulary().size(), added_.size());
}

const std::string* BpeTokenizer::find_piece(std::int32_t id) const {
  if (const AddedToken* token = added_.find(id)) return &token->content;
  return model_.vocabulary().token(id);
}

}  // namespace cola
