#include "text/token_borders.h"

#include <algorithm>
#include <string>

#include "text/normalizer.h"
#include "text/utf8.h"

namespace cola {
namespace {

constexpr std::size_t unknown = static_cast<std::size_t>(-1);
constexpr std::string_view white_space = " \t\n\r\f\v";

std::size_t after_white_space(std::string_view text, std::size_t position) {
  return std::min(text.find_first_not_of(white_space, position), text.size());
}

/// An added token is found as it is written, or in text that was normalised before, with "▁" for spaces.
struct AddedText {
  explicit AddedText(std::string bytes)
      : written(std::move(bytes)), spaced(replace_all(written, "\u2581", " ")) {}

  /// Its length where it stands at `position`, 0 where it does not.
  [[nodiscard]] std::size_t length_at(std::string_view text, std::size_t position) const {
    if (text.substr(position).starts_with(written)) return written.size();
    return text.substr(position).starts_with(spaced) ? spaced.size() : 0;
  }
  [[nodiscard]] std::size_t find(std::string_view text, std::size_t position) const {
    return std::min(text.find(written, position), text.find(spaced, position));
  }

  std::string written, spaced;
};

/// The end of each token in the text, by spelling it out with the tokens' own texts, one section (the text
/// between two added tokens) at a time. Unknown within a section that its tokens do not spell.
class Alignment {
 public:
  Alignment(const Tokenizer& tokenizer, std::string_view text, std::span<const std::int32_t> ids)
      : tokenizer_(tokenizer), text_(text), ids_(ids), ends_(ids.size(), unknown) {
    while (next_ < ids_.size()) {
      const TokenText token = tokenizer_.text_of(ids_[next_]);
      if (token.added) {
        if (!pass_added(AddedText(token.bytes))) return;
      } else if (!pass_section()) {
        return;
      }
    }
    // White space that an added token took with it.
    if (!ids_.empty() && ends_.back() != unknown && after_white_space(text_, position_) == text_.size())
      ends_.back() = text_.size();
  }

  [[nodiscard]] std::vector<std::size_t> take() { return std::move(ends_); }

 private:
  bool pass_added(const AddedText& added) {
    std::size_t begin = position_;
    std::size_t length = added.length_at(text_, begin);
    if (length == 0) {  // it may have taken white space with it
      begin = after_white_space(text_, begin);
      length = added.length_at(text_, begin);
    }
    if (length == 0) return false;
    position_ = begin + length;
    ends_[next_++] = position_;
    return true;
  }

  /// The tokens up to the next added one.
  bool pass_section() {
    const std::size_t first = next_;
    std::size_t last = first;
    while (last < ids_.size() && !tokenizer_.text_of(ids_[last]).added) ++last;
    next_ = last;
    if (place_section(first, last, position_) ||
        place_section(first, last, after_white_space(text_, position_)))
      return true;
    std::fill(ends_.begin() + static_cast<std::ptrdiff_t>(first),
              ends_.begin() + static_cast<std::ptrdiff_t>(last), unknown);
    // Where the text has "\u2581" and spaces, what is found may be another stretch than the token's.
    if (last == ids_.size() || text_.find("\u2581") != std::string_view::npos) return false;
    const std::size_t found = AddedText(tokenizer_.text_of(ids_[last]).bytes).find(text_, position_);
    if (found == std::string_view::npos) return false;
    ends_[last - 1] = position_ = found;
    return true;
  }

  /// Whether the tokens [first, last) stand at `begin`, with or without a space put before them.
  bool place_section(std::size_t first, std::size_t last, std::size_t begin) {
    for (const bool space_put_before : {false, true}) {
      const std::size_t end = spell(first, last, begin, space_put_before);
      if (end == unknown || !may_end_at(end, last)) continue;
      if (first > 0) ends_[first - 1] = begin;
      position_ = end;
      return true;
    }
    return false;
  }

  /// Where the tokens [first, last) end if they begin at `position`; unknown if they do not stand there.
  std::size_t spell(std::size_t first, std::size_t last, std::size_t position, bool space_put_before) {
    for (std::size_t i = first; i < last; ++i) {
      const TokenText token = tokenizer_.text_of(ids_[i]);
      std::string_view bytes = token.bytes;
      if (i == first && space_put_before) {
        if (!bytes.starts_with(' ')) return unknown;
        bytes.remove_prefix(1);
      }
      if (!text_.substr(position).starts_with(bytes)) return unknown;
      position += bytes.size();
      ends_[i] = position;
    }
    return position;
  }

  [[nodiscard]] bool may_end_at(std::size_t position, std::size_t next) const {
    if (next == ids_.size()) return position == text_.size();
    const AddedText added(tokenizer_.text_of(ids_[next]).bytes);
    return added.length_at(text_, position) > 0 ||
           added.length_at(text_, after_white_space(text_, position)) > 0;
  }

  const Tokenizer& tokenizer_;
  std::string_view text_;
  std::span<const std::int32_t> ids_;
  std::vector<std::size_t> ends_;
  std::size_t next_ = 0;      // token
  std::size_t position_ = 0;  // its beginning in the text
};

/// Finds a border among tokens that do not spell their text, by the tokens of the text before it.
class RetokenisedBorder {
 public:
  /// `ids`: the tokens that `text` begins with.
  RetokenisedBorder(const Tokenizer& tokenizer, std::string_view text, std::span<const std::int32_t> ids)
      : tokenizer_(tokenizer), text_(text), ids_(ids) {}

  [[nodiscard]] TokenBorder at(std::size_t border) const {
    const std::vector<std::int32_t> before = tokenizer_.encode(text_.substr(0, border));
    const auto common = std::ranges::mismatch(before, ids_).in1 - before.begin();
    auto token = static_cast<std::size_t>(common);
    std::string rest;  // of the text before the border, in tokens that the whole does not have
    for (std::size_t i = token; i < before.size(); ++i) rest += tokenizer_.text_of(before[i]).bytes;
    while (token < ids_.size() && !rest.empty()) {
      const std::string bytes = tokenizer_.text_of(ids_[token]).bytes;
      if (!rest.starts_with(bytes)) break;
      rest.erase(0, bytes.size());
      ++token;
    }
    if (!rest.empty()) return {token, token < ids_.size()};
    if (token == before.size() && last_takes_more(before, border)) return {token - 1, true};
    return {token, false};
  }

 private:
  /// Whether the last token, of unknown text, is that of the next character, too.
  [[nodiscard]] bool last_takes_more(const std::vector<std::int32_t>& before, std::size_t border) const {
    if (before.empty() || border >= text_.size()) return false;
    if (text_.substr(0, border).ends_with(tokenizer_.text_of(before.back()).bytes)) return false;
    const std::size_t next = border + utf8_step(text_, border).length;
    return tokenizer_.encode(text_.substr(0, next)) == before;
  }

  const Tokenizer& tokenizer_;
  std::string_view text_;
  std::span<const std::int32_t> ids_;
};

}  // namespace

std::vector<TokenBorder> find_borders(const Tokenizer& tokenizer, std::string_view text,
                                      std::span<const std::int32_t> ids,
                                      std::span<const std::size_t> borders) {
  const std::vector<std::size_t> ends = Alignment(tokenizer, text, ids).take();
  const auto begin_of = [&](std::size_t token) { return token == 0 ? std::size_t{0} : ends[token - 1]; };
  std::vector<TokenBorder> found;
  std::size_t token = 0;  // the next one of known beginning
  for (const std::size_t border : borders) {
    std::size_t known = token;  // the next one of known end
    while (token < ids.size() && begin_of(token) < border) {
      known = token;
      while (known < ids.size() && ends[known] == unknown) ++known;
      if (known == ids.size() || ends[known] > border) break;
      token = known + 1;
    }
    if (token == ids.size() || begin_of(token) >= border) {
      found.push_back({token, false});
    } else if (known == token) {
      found.push_back({token, true});
    } else {
      // Among tokens of unknown places. An added token before them, where text is cut, does not change them.
      const bool cut = token > 0 && tokenizer.text_of(ids[token - 1]).added;
      const std::size_t first = cut ? token - 1 : 0;
      const std::size_t begin = begin_of(first);
      TokenBorder local =
          RetokenisedBorder(tokenizer, text.substr(begin), ids.subspan(first)).at(border - begin);
      local.token = std::max(first + local.token, token);
      found.push_back(local);
    }
  }
  return found;
}

}  // namespace cola
