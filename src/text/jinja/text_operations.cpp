#include "text/jinja/text_operations.h"

#include <unicode/locid.h>
#include <unicode/uchar.h>
#include <unicode/unistr.h>

#include <algorithm>

namespace cola::jinja {
namespace {

Text with_case(const Text& text, bool is_upper);

/// `changed`, with the origins where the parts of the text, changed by themselves, are.
Text with_origins_of_parts(const Text& text, std::string changed, bool is_upper) {
  Text result(std::move(changed));
  result.is_markup = text.is_markup;
  std::size_t at = 0, place = 0;
  const auto length = [&](std::size_t begin, std::size_t end) {
    return with_case(Text(text.bytes.substr(begin, end - begin)), is_upper).bytes.size();
  };
  for (const Origin& origin : text.origins) {
    const std::size_t begin = place + length(at, origin.begin);
    place = begin + length(origin.begin, origin.end);
    at = origin.end;
    const Origin moved = {std::min(begin, result.bytes.size()), std::min(place, result.bytes.size()),
                          origin.part};
    if (moved.begin < moved.end) result.origins.push_back(moved);
  }
  return result;
}

Text with_case(const Text& text, bool is_upper) {
  const bool is_ascii =
      std::ranges::all_of(text.bytes, [](char c) { return static_cast<unsigned char>(c) < 0x80; });
  std::string changed;
  if (is_ascii) {
    changed = text.bytes;
    for (char& c : changed) {
      if (is_upper ? c >= 'a' && c <= 'z' : c >= 'A' && c <= 'Z') c = static_cast<char>(c ^ 0x20);
    }
  } else {
    icu::UnicodeString letters = icu::UnicodeString::fromUTF8(text.bytes);
    is_upper ? letters.toUpper(icu::Locale::getRoot()) : letters.toLower(icu::Locale::getRoot());
    letters.toUTF8String(changed);
  }
  if (changed.size() == text.bytes.size() || text.origins.empty()) return text.changed_to(std::move(changed));
  return with_origins_of_parts(text, std::move(changed), is_upper);
}

/// The first code point by Python's title case.
Text with_large_first(const Text& text) {
  icu::UnicodeString letter = icu::UnicodeString::fromUTF8(text.bytes);
  letter.toTitle(nullptr, icu::Locale::getRoot());
  std::string changed;
  letter.toUTF8String(changed);
  return text.changed_to(std::move(changed));
}

void push(std::vector<Text>& parts, const Text& text, std::size_t begin, std::size_t end) {
  parts.push_back(text.slice(begin, end));
}

std::vector<Text> split_at_spaces(const Text& text, std::int64_t most, Side from) {
  std::vector<std::pair<std::size_t, std::size_t>> words;
  for (std::size_t at = 0; at < text.bytes.size();) {
    const std::size_t end = next_code_point(text.bytes, at);
    const bool space = is_space(code_point_at(text.bytes, at));
    if (!space && !words.empty() && words.back().second == at) {
      words.back().second = end;
    } else if (!space) {
      words.emplace_back(at, end);
    }
    at = end;
  }
  if (most >= 0 && std::ssize(words) > most) {  // what is not cut goes to the end, with its white space
    const auto keep = static_cast<std::size_t>(most);
    if (from == Side::left) {
      words[keep].second = text.bytes.size();
      words.resize(keep + 1);
    } else {
      words[words.size() - keep - 1].first = 0;
      words.erase(words.begin(), words.end() - static_cast<std::ptrdiff_t>(keep + 1));
    }
  }
  std::vector<Text> parts;
  for (const auto& [begin, end] : words) push(parts, text, begin, end);
  return parts;
}

}  // namespace

Text lower(const Text& text) { return with_case(text, false); }
Text upper(const Text& text) { return with_case(text, true); }

Text capitalized(const Text& text) {
  if (text.bytes.empty()) return text;
  const std::size_t first = next_code_point(text.bytes, 0);
  Text result = with_large_first(text.slice(0, first));
  const Text small = lower(text);  // of the whole: what a sigma becomes depends on what is before it
  result.append(small.slice(lower(text.slice(0, first)).bytes.size(), small.bytes.size()));
  return result;
}

Text titled(const Text& text) {
  const Text small = lower(text);
  Text result;
  result.is_markup = text.is_markup;
  bool in_word = false;
  std::size_t small_at = 0;
  for (std::size_t at = 0; at < text.bytes.size();) {
    const std::size_t end = next_code_point(text.bytes, at);
    const auto c = static_cast<UChar32>(code_point_at(text.bytes, at));
    const bool is_letter = u_hasBinaryProperty(c, UCHAR_CASED) != 0;
    const Text one = text.slice(at, end);
    const std::size_t small_end = small_at + lower(one).bytes.size();
    result.append(!is_letter ? one : in_word ? small.slice(small_at, small_end) : with_large_first(one));
    in_word = is_letter;
    at = end;
    small_at = small_end;
  }
  return result;
}

Text replaced(const Text& text, std::string_view old, const Text& with, std::int64_t count) {
  Text result;
  result.is_markup = text.is_markup;
  std::size_t begin = 0;
  std::size_t search = 0;
  while (count != 0) {
    // An empty one stands between all code points.
    const std::size_t found = old.empty() ? search : text.bytes.find(old, search);
    if (found == std::string::npos || found > text.bytes.size()) break;
    result.append(text.slice(begin, found));
    result.append(with);
    begin = found + old.size();
    search =
        old.empty() ? (found == text.bytes.size() ? found + 1 : next_code_point(text.bytes, found)) : begin;
    if (count > 0) --count;
  }
  result.append(text.slice(begin, text.bytes.size()));
  return result;
}

std::vector<Text> split(const Text& text, const std::optional<Text>& separator, std::int64_t most,
                        Side from) {
  if (!separator) return split_at_spaces(text, most, from);
  const std::string& by = separator->bytes;
  std::vector<std::size_t> cuts;
  if (from == Side::left) {
    for (std::size_t at = text.bytes.find(by);
         at != std::string::npos && (most < 0 || std::ssize(cuts) < most);
         at = text.bytes.find(by, at + by.size()))
      cuts.push_back(at);
  } else {
    for (std::size_t at = text.bytes.rfind(by);
         at != std::string::npos && (most < 0 || std::ssize(cuts) < most);
         at = at < by.size() ? std::string::npos : text.bytes.rfind(by, at - by.size()))
      cuts.push_back(at);
    std::ranges::reverse(cuts);
  }
  std::vector<Text> parts;
  std::size_t begin = 0;
  for (const std::size_t cut : cuts) {
    push(parts, text, begin, cut);
    begin = cut + by.size();
  }
  push(parts, text, begin, text.bytes.size());
  return parts;
}

std::vector<Text> lines_of(const Text& text, bool keep_ends) {
  const auto ends_line = [](char32_t c) {
    return (c >= 0x0A && c <= 0x0D) || (c >= 0x1C && c <= 0x1E) || c == 0x85 || c == 0x2028 || c == 0x2029;
  };
  std::vector<Text> lines;
  std::size_t begin = 0;
  for (std::size_t at = 0; at < text.bytes.size();) {
    std::size_t end = next_code_point(text.bytes, at);
    const char32_t c = code_point_at(text.bytes, at);
    if (ends_line(c)) {
      if (c == '\r' && end < text.bytes.size() && text.bytes[end] == '\n') ++end;
      push(lines, text, begin, keep_ends ? end : at);
      begin = end;
    }
    at = end;
  }
  if (begin < text.bytes.size()) push(lines, text, begin, text.bytes.size());
  return lines;
}

Text joined(const Text& separator, const std::vector<Text>& parts) {
  Text result;
  for (std::size_t i = 0; i < parts.size(); ++i) {
    if (i > 0) result.append(separator);
    result.append(parts[i]);
  }
  return result;
}

}  // namespace cola::jinja
