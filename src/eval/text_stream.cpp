#include "eval/text_stream.h"

#include <algorithm>
#include <string_view>

namespace cola {
namespace {

constexpr std::size_t context_tokens = 6;  // enough that the first new token is not taken for a text's first
constexpr std::string_view replacement_character = "\xEF\xBF\xBD";

bool continues_character(char byte) { return (static_cast<unsigned char>(byte) & 0xC0U) == 0x80U; }

}  // namespace

TextStream::TextStream(const Tokenizer& tokenizer, std::span<const std::int32_t> context)
    : tokenizer_(tokenizer) {
  const auto kept = context.last(std::min(context.size(), context_tokens));
  window_.assign(kept.begin(), kept.end());
  given_ = window_.size();
}

std::string TextStream::add(std::int32_t id) {
  window_.push_back(id);
  return take(false);
}

std::string TextStream::finish() { return take(true); }

std::string TextStream::take(bool at_end) {
  if (given_ == window_.size()) return {};
  const std::string before = tokenizer_.decode(std::span(window_).first(given_));
  std::string text = tokenizer_.decode(window_);
  if (!at_end && text.ends_with(replacement_character)) return {};
  // A byte that makes the bytes before it invalid changes the text already given: go on at the next whole
  // character.
  std::size_t begin = std::min(before.size(), text.size());
  while (begin < text.size() && continues_character(text[begin])) ++begin;
  text.erase(0, begin);
  if (!text.empty()) {
    window_.erase(window_.begin(), window_.begin() + static_cast<std::ptrdiff_t>(given_));
    given_ = window_.size();
  }
  return text;
}

}  // namespace cola
