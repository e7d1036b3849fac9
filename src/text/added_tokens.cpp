#include "text/added_tokens.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>

#include "core/error.h"
#include "text/utf8.h"

namespace cola {

namespace {

/// Of all tokens' strings: some 60 bytes of memory are needed for each.
constexpr std::size_t bytes_limit = std::size_t{4} << 20;

/// Unicode's White_Space property.
bool is_white_space(char32_t c) {
  return (c >= 0x09 && c <= 0x0D) || c == 0x20 || c == 0x85 || c == 0xA0 || c == 0x1680 ||
         (c >= 0x2000 && c <= 0x200A) || c == 0x2028 || c == 0x2029 || c == 0x202F || c == 0x205F ||
         c == 0x3000;
}

/// \w of the Rust package regex, by which tokenizers tells what touches a word.
constexpr std::string_view word_pattern = R"([\p{Alphabetic}\p{M}\p{Nd}\p{Pc}\x{200C}\x{200D}])";

std::size_t skip_space_left(std::string_view text, std::size_t begin, std::size_t limit) {
  while (begin > limit) {
    const std::size_t previous = last_code_point(text.substr(0, begin));
    if (previous < limit || !is_white_space(utf8_step(text, previous).code_point)) break;
    begin = previous;
  }
  return begin;
}

std::size_t skip_space_right(std::string_view text, std::size_t end) {
  while (end < text.size()) {
    const Utf8Step step = utf8_step(text, end);
    if (!is_white_space(step.code_point)) break;
    end += step.length;
  }
  return end;
}

}  // namespace

void number_in_order(std::vector<AddedToken>& tokens, const Vocabulary& vocabulary,
                     const std::string& where) {
  std::unordered_map<std::string, std::int32_t> ids;
  auto next = static_cast<std::int64_t>(vocabulary.tokens().size());
  for (AddedToken& token : tokens) {
    if (token.content.empty()) continue;
    const auto [entry, is_new] = ids.try_emplace(token.content);
    if (is_new) {
      const std::optional<std::int32_t> own = vocabulary.find(token.content);
      entry->second = own ? *own : checked_token_id(next++, token.content, where);
    }
    token.id = entry->second;
  }
}

AddedTokens::AddedTokens(std::vector<AddedToken> tokens, const Vocabulary& vocabulary, Normalize normalize,
                         const std::string& where)
    : normalize_(std::move(normalize)), word_character_(word_pattern, Regex::Syntax::pattern, where) {
  std::unordered_map<std::string, std::size_t> known;
  for (AddedToken& token : tokens) {
    if (token.content.empty()) continue;  // never found in a text
    token.id = vocabulary.find(token.content).value_or(token.id);
    const std::string* other = vocabulary.token(token.id);
    if (other == nullptr && by_id_.contains(token.id)) other = &tokens_[by_id_.at(token.id)].content;
    if (other != nullptr && *other != token.content) {
      throw Error(
          fmt::format("{}: id {} belongs to both {:?} and {:?}", where, token.id, *other, token.content));
    }
    const auto [entry, is_new] = known.try_emplace(token.content, tokens_.size());
    if (is_new) {
      by_id_[token.id] = tokens_.size();
      size_ = std::max<std::int64_t>(size_, std::int64_t{token.id} + 1);
      tokens_.push_back(std::move(token));
      continue;
    }
    AddedToken& earlier = tokens_[entry->second];
    if (earlier.id != token.id) {
      throw Error(
          fmt::format("{}: token {:?} has both id {} and {}", where, token.content, earlier.id, token.id));
    }
    token.special = token.special || earlier.special;
    earlier = std::move(token);
  }
  std::size_t bytes = 0;
  for (std::size_t i = 0; i < tokens_.size(); ++i) {
    const AddedToken& token = tokens_[i];
    const std::string text = token.normalized ? normalize_(token.content) : token.content;
    bytes += text.size();
    if (bytes > bytes_limit) throw Error(fmt::format("{}: more than {} bytes of tokens", where, bytes_limit));
    const std::size_t same = (token.normalized ? normalized_ : raw_).add(text, i);
    if (same == i) continue;
    // tokenizers takes one or the other, by chance.
    throw Error(fmt::format("{}: tokens {:?} and {:?} are both {:?} once normalised", where,
                            tokens_[same].content, token.content, text));
  }
}

std::vector<TextSection> AddedTokens::split(std::string_view text) const {
  std::vector<TextSection> raw;
  cut(raw_, text, raw);
  std::vector<TextSection> sections;
  for (TextSection& section : raw) {
    if (section.id) {
      sections.push_back(std::move(section));
    } else {
      cut(normalized_, normalize_(std::move(section.text)), sections);
    }
  }
  for (TextSection& section : sections) section.first = false;
  if (!sections.empty()) sections.front().first = true;
  return sections;
}

void AddedTokens::cut(const TokenTrie& patterns, std::string_view text,
                      std::vector<TextSection>& sections) const {
  std::size_t start = 0;  // of the text not yet given out
  const auto give_text = [&](std::size_t end) {
    if (end > start) sections.push_back({.text = std::string(text.substr(start, end - start))});
  };
  for (std::size_t position = 0; !patterns.empty() && position < text.size();) {
    const std::optional<TokenTrie::Match> match = patterns.longest(text.substr(position));
    if (!match) {
      ++position;
      continue;
    }
    const AddedToken& token = tokens_[match->number];
    const std::size_t begin = position;
    const std::size_t end = position + match->length;
    position = end;
    if (token.single_word && touches_word(text, begin, end)) continue;
    // White space that a token takes with it may hold tokens too: the text goes on behind the last one.
    const std::size_t from = token.lstrip ? std::max(start, skip_space_left(text, begin, start)) : begin;
    const std::size_t to = token.rstrip ? skip_space_right(text, end) : end;
    if (to < from) {  // tokenizers fails, too
      throw Error(fmt::format("added token {:?} lies in white space that the token before it takes with it",
                              token.content));
    }
    give_text(from);
    if (to > from) sections.push_back({.text = {}, .id = token.id});
    start = to;
  }
  give_text(text.size());
}

bool AddedTokens::touches_word(std::string_view text, std::size_t begin, std::size_t end) const {
  const auto is_word = [&](std::size_t position) {
    return !word_character_.find_all(text.substr(position, utf8_step(text, position).length)).empty();
  };
  return (begin > 0 && is_word(last_code_point(text.substr(0, begin)))) ||
         (end < text.size() && is_word(end));
}

const AddedToken* AddedTokens::find(std::int32_t id) const {
  const auto entry = by_id_.find(id);
  return entry == by_id_.end() ? nullptr : &tokens_[entry->second];
}

std::optional<std::int32_t> AddedTokens::id_of(std::string_view content) const {
  const auto entry = std::ranges::find(tokens_, content, &AddedToken::content);
  return entry == tokens_.end() ? std::nullopt : std::optional(entry->id);
}

bool AddedTokens::is_special(std::int32_t id) const {
  const AddedToken* token = find(id);
  return token != nullptr && token->special;
}

}  // namespace cola
