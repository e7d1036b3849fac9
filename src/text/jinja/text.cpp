#include "text/jinja/text.h"

#include <algorithm>

namespace cola::jinja {

Text::Text(std::string text, std::int32_t part) : bytes(std::move(text)) {
  if (!bytes.empty()) origins.push_back({0, bytes.size(), part});
}

void Text::append(const Text& other) {
  const std::size_t offset = bytes.size();
  for (const Origin& origin : other.origins) {
    const Origin moved = {origin.begin + offset, origin.end + offset, origin.part};
    if (!origins.empty() && origins.back().end == moved.begin && origins.back().part == moved.part) {
      origins.back().end = moved.end;
    } else {
      origins.push_back(moved);
    }
  }
  bytes += other.bytes;
}

Text Text::slice(std::size_t begin, std::size_t end) const {
  Text part(bytes.substr(begin, end - begin));
  part.is_markup = is_markup;
  for (const Origin& origin : origins) {
    const std::size_t from = std::max(origin.begin, begin);
    const std::size_t to = std::min(origin.end, end);
    if (from < to) part.origins.push_back({from - begin, to - begin, origin.part});
  }
  return part;
}

Text Text::changed_to(std::string changed) const {
  Text text(std::move(changed));
  text.is_markup = is_markup;
  if (text.bytes.size() == bytes.size()) {
    text.origins = origins;
  } else if (!origins.empty() && !text.bytes.empty()) {
    text.origins.push_back({0, text.bytes.size(), origins.front().part});
  }
  return text;
}

std::size_t next_code_point(std::string_view text, std::size_t at) {
  const auto first = static_cast<unsigned char>(text[at]);
  const std::size_t length = first < 0xC0 ? 1 : first < 0xE0 ? 2 : first < 0xF0 ? 3 : first < 0xF8 ? 4 : 1;
  std::size_t end = at + 1;
  while (end < text.size() && end < at + length && (static_cast<unsigned char>(text[end]) & 0xC0U) == 0x80U)
    ++end;
  return end;
}

std::size_t code_point_count(std::string_view text) {
  std::size_t count = 0;
  for (std::size_t at = 0; at < text.size(); at = next_code_point(text, at)) ++count;
  return count;
}

std::size_t byte_of_code_point(std::string_view text, std::size_t index) {
  std::size_t at = 0;
  for (; index > 0 && at < text.size(); --index) at = next_code_point(text, at);
  return at;
}

char32_t code_point_at(std::string_view text, std::size_t at) {
  const std::size_t length = next_code_point(text, at) - at;
  const auto byte = [&](std::size_t i) {
    return static_cast<char32_t>(static_cast<unsigned char>(text[at + i]));
  };
  if (length == 1) return byte(0);
  char32_t c = byte(0) & (0xFFU >> (length + 1));
  for (std::size_t i = 1; i < length; ++i) c = c << 6U | (byte(i) & 0x3FU);
  return c;
}

bool is_space(char32_t c) {
  return (c >= 0x09 && c <= 0x0D) || (c >= 0x1C && c <= 0x20) || c == 0x85 || c == 0xA0 || c == 0x1680 ||
         (c >= 0x2000 && c <= 0x200A) || c == 0x2028 || c == 0x2029 || c == 0x202F || c == 0x205F ||
         c == 0x3000;
}

std::pair<std::size_t, std::size_t> stripped(std::string_view text, Side side,
                                             const std::string* characters) {
  const auto goes = [&](std::size_t at, std::size_t end) {
    if (characters == nullptr) return is_space(code_point_at(text, at));
    const std::string_view one = text.substr(at, end - at);
    for (std::size_t i = 0; i < characters->size(); i = next_code_point(*characters, i)) {
      if (std::string_view(*characters).substr(i, next_code_point(*characters, i) - i) == one) return true;
    }
    return false;
  };
  std::size_t begin = 0;
  std::size_t end = text.size();
  while (side != Side::right && begin < end) {
    const std::size_t next = next_code_point(text, begin);
    if (!goes(begin, next)) break;
    begin = next;
  }
  while (side != Side::left && begin < end) {
    std::size_t last = end - 1;
    while (last > begin && (static_cast<unsigned char>(text[last]) & 0xC0U) == 0x80U) --last;
    if (!goes(last, end)) break;
    end = last;
  }
  return {begin, end};
}

Text escaped_for_html(const Text& text) {
  Text escaped;
  std::size_t begin = 0;
  const auto entity_of = [](char c) -> std::string_view {
    switch (c) {
      case '&':
        return "&amp;";
      case '<':
        return "&lt;";
      case '>':
        return "&gt;";
      case '"':
        return "&#34;";
      case '\'':
        return "&#39;";
      default:
        return {};
    }
  };
  for (std::size_t at = 0; at < text.bytes.size(); ++at) {
    const std::string_view entity = entity_of(text.bytes[at]);
    if (entity.empty()) continue;
    escaped.append(text.slice(begin, at));
    escaped.append(text.slice(at, at + 1).changed_to(std::string(entity)));
    begin = at + 1;
  }
  escaped.append(text.slice(begin, text.bytes.size()));
  escaped.is_markup = true;
  return escaped;
}

}  // namespace cola::jinja
