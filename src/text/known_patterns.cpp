#include "text/known_patterns.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "text/byte_level.h"
#include "text/unicode_16.h"
#include "text/utf8.h"

namespace cola {

namespace {

constexpr unsigned letter = 1;
constexpr unsigned number = 2;
constexpr unsigned mark = 4;
constexpr unsigned punctuation = 8;
constexpr unsigned symbol = 16;
constexpr unsigned space = 32;
constexpr unsigned line_break = 64;  // \r and \n, which are spaces too

constexpr std::size_t code_points = 0x110000;

/// The classes of each code point, as the library's patterns see them.
std::vector<std::uint8_t> make_classes() {
  std::vector<std::uint8_t> classes(code_points);
  OnigEncodingType* encoding = unicode_16_utf8();
  for (const auto& [name, flag] :
       {std::pair(std::string("L"), letter), std::pair(std::string("N"), number),
        std::pair(std::string("M"), mark), std::pair(std::string("P"), punctuation),
        std::pair(std::string("S"), symbol), std::pair(std::string("Space"), space)}) {
    std::string text = name;
    auto* begin = reinterpret_cast<OnigUChar*>(text.data());
    const int ctype = encoding->property_name_to_ctype(encoding, begin, begin + text.size());
    OnigCodePoint single_byte_end = 0;
    const OnigCodePoint* ranges = nullptr;
    encoding->get_ctype_code_range(static_cast<OnigCtype>(ctype), &single_byte_end, &ranges);
    for (OnigCodePoint i = 0; i < ranges[0]; ++i) {
      for (OnigCodePoint c = ranges[1 + 2 * i]; c <= ranges[2 + 2 * i] && c < code_points; ++c)
        classes[c] |= flag;
    }
  }
  classes['\r'] |= line_break;
  classes['\n'] |= line_break;
  return classes;
}

struct Character {
  char32_t code_point = 0;
  std::size_t end = 0;
  unsigned classes = 0;  ///< 0 at the end of the text
  bool exists = false;

  [[nodiscard]] bool is(unsigned any) const { return (classes & any) != 0; }
  /// It is a character, of none of these classes.
  [[nodiscard]] bool is_none(unsigned any) const { return exists && (classes & any) == 0; }
};

Character at(std::string_view text, std::size_t position) {
  static const std::vector<std::uint8_t> classes = make_classes();
  if (position >= text.size()) return {.end = position};
  const auto lead = static_cast<unsigned char>(text[position]);
  if (lead < 0x80) {
    return {.code_point = lead, .end = position + 1, .classes = classes[lead], .exists = true};
  }
  const Utf8Step step = utf8_step(text, position);
  return {.code_point = step.code_point,
          .end = position + step.length,
          .classes = classes[step.code_point],
          .exists = true};
}

/// Past the characters from `position` on that have any of the classes.
std::size_t run(std::string_view text, std::size_t position, unsigned any) {
  for (Character c = at(text, position); c.is(any); c = at(text, position)) position = c.end;
  return position;
}

/// Past the characters from `position` on that have none of the classes.
std::size_t run_of_none(std::string_view text, std::size_t position, unsigned any) {
  for (Character c = at(text, position); c.is_none(any); c = at(text, position)) position = c.end;
  return position;
}

/// \s+(?!\S)|\s+, behind \s*[\r\n]+ if `lines`.
std::size_t white_space(std::string_view text, std::size_t position, bool lines) {
  std::size_t end = position;
  std::size_t last = position;      // where the run's last character begins
  std::size_t line_end = position;  // behind its last line break
  for (Character c = at(text, end); c.is(space); c = at(text, end)) {
    last = end;
    end = c.end;
    if (c.is(line_break)) line_end = end;
  }
  if (lines && line_end > position) return line_end;
  return end < text.size() && last > position ? last : end;
}

/// The letters of 's, 't, 're, 've, 'm, 'll and 'd: small ones, those of ASCII, or any: U+017F is an s, too.
enum class Letters : std::uint8_t { small, ascii, any };

/// Behind 's, 't, 're, 've, 'm, 'll or 'd; `position` is behind the apostrophe. Its own value where there is
/// none.
std::size_t contraction(std::string_view text, std::size_t position, Letters letters) {
  const auto small = [&](const Character& c) -> char32_t {
    if (letters != Letters::small && c.code_point >= 'A' && c.code_point <= 'Z')
      return c.code_point - 'A' + 'a';
    return letters == Letters::any && c.code_point == 0x17F ? U's' : c.code_point;
  };
  const Character first = at(text, position);
  const char32_t a = small(first);
  if (a == 's' || a == 't' || a == 'm' || a == 'd') return first.end;
  const Character second = at(text, first.end);
  const char32_t b = small(second);
  const bool two = ((a == 'r' || a == 'v') && b == 'e') || (a == 'l' && b == 'l');
  return two ? second.end : position;
}

/// 's|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+
std::size_t gpt2(std::string_view text, std::size_t position) {
  const Character first = at(text, position);
  if (first.code_point == '\'') {
    const std::size_t end = contraction(text, first.end, Letters::small);
    if (end != first.end) return end;
  }
  const bool spaced = first.code_point == ' ';
  const std::size_t start = spaced ? first.end : position;
  const Character c = spaced ? at(text, start) : first;
  if (c.is(letter)) return run(text, c.end, letter);
  if (c.is(number)) return run(text, c.end, number);
  if (c.is_none(space | letter | number)) return run_of_none(text, c.end, space | letter | number);
  return white_space(text, position, /*lines=*/false);
}

std::size_t numbers(std::string_view text, std::size_t position, int at_most) {
  for (int i = 0; i < at_most; ++i) {
    const Character c = at(text, position);
    if (!c.is(number)) break;
    position = c.end;
  }
  return position;
}

/// Llama 3's and, with one digit at a time, Qwen's; llama.cpp has '[sS] and so on at the beginning:
/// (?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|
/// \s+(?!\S)|\s+
template <int digits, Letters letters>
std::size_t llama3(std::string_view text, std::size_t position) {
  const Character first = at(text, position);
  if (first.code_point == '\'') {
    const std::size_t end = contraction(text, first.end, letters);
    if (end != first.end) return end;
  }
  if (first.is(letter)) return run(text, first.end, letter);
  if (first.is(number)) return numbers(text, position, digits);
  const Character second = at(text, first.end);
  if (second.is(letter) && !first.is(line_break)) return run(text, second.end, letter);
  const Character& c = first.code_point == ' ' ? second : first;
  if (c.is_none(space | letter | number)) {
    return run(text, run_of_none(text, c.end, space | letter | number), line_break);
  }
  return white_space(text, position, /*lines=*/true);
}

std::size_t ascii_letters(std::string_view text, std::size_t position) {
  const auto is_letter = [](char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); };
  while (position < text.size() && is_letter(text[position])) ++position;
  return position;
}

/// [!"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+|
/// ?[\p{P}\p{S}]+[\r\n]*|
/// \s*[\r\n]+|\s+(?!\S)|\s+
std::size_t deepseek(std::string_view text, std::size_t position) {
  const Character first = at(text, position);
  if (first.code_point < 0x80 && first.is(punctuation | symbol)) {
    const std::size_t end = ascii_letters(text, first.end);
    if (end != first.end) return end;
  }
  const Character second = at(text, first.end);
  if (first.is_none(line_break | letter | punctuation | symbol) && second.is(letter | mark)) {
    return run(text, second.end, letter | mark);
  }
  if (first.is(letter | mark)) return run(text, first.end, letter | mark);
  const Character& c = first.code_point == ' ' ? second : first;
  if (c.is(punctuation | symbol)) return run(text, run(text, c.end, punctuation | symbol), line_break);
  return white_space(text, position, /*lines=*/true);
}

/// [一-龥぀-ゟ゠-ヿ]+
std::size_t deepseek_cjk(std::string_view text, std::size_t position) {
  const auto is_member = [](char32_t c) {
    return (c >= 0x4E00 && c <= 0x9FA5) || (c >= 0x3040 && c <= 0x30FF);
  };
  for (Character c = at(text, position); c.exists && is_member(c.code_point); c = at(text, position)) {
    position = c.end;
  }
  return position;
}

template <int digits>
std::size_t number_group(std::string_view text, std::size_t position) {
  return numbers(text, position, digits);
}

std::size_t digit(std::string_view text, std::size_t position) {
  const Character c = at(text, position);
  const bool newer = (c.code_point >= 0x11DE0 && c.code_point <= 0x11DE9) ||
                     (c.code_point >= 0x16FF4 && c.code_point <= 0x16FF6);
  return c.is(number) || newer ? c.end : position;
}

constexpr std::array<KnownPattern, 10> known_patterns{{
    {gpt2_pattern, gpt2, false},
    {R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)",
     llama3<3, Letters::any>, false},
    {R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)",
     llama3<1, Letters::any>, false},
    {R"((?:'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD])|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)",
     llama3<3, Letters::ascii>, false},
    {R"((?:'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD])|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)",
     llama3<1, Letters::ascii>, false},
    {"[!\"#$%&'()*+,\\-./:;<=>?@\\[\\\\\\]^_`{|}~][A-Za-z]+|[^\r\n\\p{L}\\p{P}\\p{S}]?[\\p{L}\\p{M}]+| "
     "?[\\p{P}\\p{S}]+[\r\n]*|\\s*[\r\n]+|\\s+(?!\\S)|\\s+",
     deepseek, false},
    {"[\u4E00-\u9FA5\u3040-\u309F\u30A0-\u30FF]+", deepseek_cjk, true},
    {R"(\p{N}{1,3})", number_group<3>, true},
    {R"(\p{N})", number_group<1>, true},
    {digits_pattern, digit, true},
}};

}  // namespace

const KnownPattern* known_pattern(std::string_view pattern) {
  const auto* const known = std::ranges::find(known_patterns, pattern, &KnownPattern::pattern);
  return known == known_patterns.end() ? nullptr : known;
}

}  // namespace cola
