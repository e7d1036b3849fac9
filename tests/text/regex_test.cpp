#include "text/regex.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>

#include "core/error.h"
#include "text/byte_level.h"
#include "text/known_patterns.h"
#include "text/utf8.h"

namespace cola {
namespace {

Regex pattern_of(std::string_view pattern) { return {pattern, Regex::Syntax::pattern, "test"}; }

/// What matches, from left to right.
std::vector<std::string> matches(std::string_view pattern, std::string_view text) {
  std::vector<std::string> found;
  for (const Regex::Match& match : pattern_of(pattern).find_all(text)) {
    found.emplace_back(text.substr(match.begin, match.end - match.begin));
  }
  return found;
}

using Matches = std::vector<std::string>;

std::string utf8(char32_t code_point) {
  std::string text;
  append_utf8(text, code_point);
  return text;
}

/// All code points but surrogates.
const std::string& every_code_point() {
  static const std::string text = [] {
    std::string all;
    for (char32_t c = 0; c < 0x110000; ++c) {
      if (c < 0xD800 || c > 0xDFFF) append_utf8(all, c);
    }
    return all;
  }();
  return text;
}

TEST(Regex, SyntaxIsOnigurumas) {
  EXPECT_EQ(matches("[[a-c]x]+", "abxd"), Matches{"abx"});
  EXPECT_EQ(matches("[a-z&&[^bc]]+", "abcd"), (Matches{"a", "d"}));
  EXPECT_EQ(matches(R"(\h+)", "xyabc9"), Matches{"abc9"});
  EXPECT_EQ(matches(".$", "ab\ncd"), (Matches{"b", "d"}));
  EXPECT_EQ(matches("^.", "ab\ncd"), (Matches{"a", "c"}));
  EXPECT_EQ(matches(R"((.)\1)", "aabbc"), (Matches{"aa", "bb"}));
  EXPECT_EQ(matches("(?<!a)b", "abcb"), Matches{"b"});
  EXPECT_EQ(matches("[[:^alpha:]]+", "a1-b"), Matches{"1-"});
  EXPECT_EQ(matches("a++b", "aab"), Matches{"aab"});
  EXPECT_EQ(matches("(?~ab)", "xxabyy"), (Matches{"xx", "byy"}));
}

TEST(Regex, ALiteralHasNoSyntax) {
  const Regex literal("a.[", Regex::Syntax::literal, "test");
  EXPECT_EQ(literal.find_all("abc[a.[").size(), 1U);
}

TEST(Regex, EmptyMatchesStandWhereNoMatchEnds) {
  const std::vector<Regex::Match> found = pattern_of("x*").find_all("\u00E9xx\u00E9");
  ASSERT_EQ(found.size(), 3U);
  EXPECT_EQ(found[0].begin, 0U);
  EXPECT_EQ(found[0].end, 0U);
  EXPECT_EQ(found[1].begin, 2U);
  EXPECT_EQ(found[1].end, 4U);
  EXPECT_EQ(found[2].begin, 6U);
}

TEST(Regex, ClassesAreUnicode16s) {
  const std::pair<const char*, std::size_t> counts[] = {
      {R"(\p{L})", 141028},       {R"(\p{Lu})", 1858},
      {R"(\p{Ll})", 2258},        {R"(\p{M})", 2501},
      {R"(\p{Mn})", 2020},        {R"(\p{Mc})", 468},
      {R"(\p{N})", 1911},         {R"(\p{Nd})", 760},
      {R"(\p{P})", 855},          {R"(\p{S})", 8514},
      {R"(\p{So})", 7376},        {R"(\p{Z})", 19},
      {R"(\p{Cf})", 170},         {R"(\p{Alphabetic})", 142759},
      {R"(\p{Lowercase})", 2569}, {R"(\p{Uppercase})", 1978},
      {R"(\p{Han})", 99030},      {R"(\w)", 144671},
      {"[[:punct:]]", 9369},      {R"(\s)", 25},
      {R"(\p{Emoji})", 1431}};
  for (const auto& [pattern, count] : counts) {
    std::size_t characters = 0;
    for (const std::string& run : matches(std::string(pattern) + "+", every_code_point())) {
      for (const char byte : run) characters += (static_cast<unsigned char>(byte) & 0xC0U) != 0x80U ? 1 : 0;
    }
    EXPECT_EQ(characters, count) << pattern;
  }
  for (const char32_t letter : {0x31350, 0x2EBF0, 0x10D50, 0x1E4D0}) {
    EXPECT_EQ(matches(R"(\p{L})", utf8(letter)).size(), 1U) << std::uint32_t{letter};
  }
  EXPECT_EQ(matches(R"(\s)", "\u180E").size(), 0U);
}

TEST(Regex, CaseOfLettersIsUnicode16s) {
  EXPECT_EQ(matches(R"((?i:\x{10D50}))", "\U00010D70\U00010D50").size(), 2U);
  EXPECT_EQ(matches(R"((?i:[\x{264}]))", "\uA7CB\u0264").size(), 2U);
  EXPECT_EQ(matches("(?i:s)", "sS\u017F").size(), 3U);
}

TEST(Regex, RefusesWhatItCannotMatchExactly) {
  for (const char* pattern :
       {"(", R"(\X)", R"(\y)", R"([a]\R)", "(?I)a", "(?Ii:a)", R"(\p{Dash})", R"(\p{Nothing})"}) {
    EXPECT_THROW(pattern_of(pattern), Error) << pattern;
  }
  EXPECT_NO_THROW(pattern_of(R"(\\X(?i-m:a)(?:I)(?<I>b))"));
  EXPECT_THROW(pattern_of(std::string(1 << 20, 'a')), Error);
  try {
    (void)pattern_of(std::string(20'000, '('));
    FAIL() << "compiled";
  } catch (const Error& error) {
    EXPECT_LT(std::string_view(error.what()).size(), 400U);
  }
}

TEST(Regex, EndlessMatchingEndsInAnError) {
  const Regex hostile = pattern_of("^(a+)+$");
  EXPECT_THROW((void)hostile.find_all(std::string(100, 'a') + "c"), Error);
}

TEST(Regex, LongTextsAreMatched) {
  EXPECT_EQ(pattern_of(gpt2_pattern).find_all(std::string(1 << 20, ' ') + "a").size(), 2U);
  EXPECT_EQ(pattern_of(R"(\s+(?!\S)|\S+)").find_all(std::string(1 << 20, ' ') + "a").size(), 2U);
  EXPECT_EQ(pattern_of("b").find_all(std::string(1 << 22, 'a') + "b").size(), 1U);
}

/// Patterns that are matched by hand.
constexpr std::string_view by_hand[] = {
    gpt2_pattern,
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)",
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)",
    R"((?:'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD])|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)",
    R"((?:'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD])|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)",
    "[!\"#$%&'()*+,\\-./:;<=>?@\\[\\\\\\]^_`{|}~][A-Za-z]+|[^\r\n\\p{L}\\p{P}\\p{S}]?[\\p{L}\\p{M}]+| "
    "?[\\p{P}\\p{S}]+[\r\n]*|\\s*[\r\n]+|\\s+(?!\\S)|\\s+",
    "[\u4E00-\u9FA5\u3040-\u309F\u30A0-\u30FF]+",
    R"(\p{N}{1,3})",
    R"(\p{N})",
    digits_pattern};

void expect_same_matches(std::string_view pattern, const Regex& hand, const Regex& library,
                         const std::string& text) {
  const std::vector<Regex::Match> ours = hand.find_all(text);
  const std::vector<Regex::Match> theirs = library.find_all(text);
  ASSERT_TRUE(std::ranges::equal(
      ours, theirs,
      [](const Regex::Match& a, const Regex::Match& b) { return a.begin == b.begin && a.end == b.end; }))
      << pattern << " on \"" << text << '"';
}

/// The library itself: a group keeps the pattern from being known.
Regex by_library(std::string_view pattern) { return pattern_of("(?:" + std::string(pattern) + ")"); }

TEST(KnownPatterns, MatchAsTheLibraryDoesOnRandomTexts) {
  const std::vector<std::u32string> kinds{U"abXYsStTmdrRevlL",
                                          U" \t\n\r\u00A0\u3000\u0085\u180E",
                                          U"0129\u00B2\u0663\u2167",
                                          U".,!-'$+\u00AB\u2014",
                                          U"\u0301\u0902\u20DD\u200D",
                                          U"\u00E9\u017F\u4E2D\u3042\u30AB\uD55C",
                                          U"\U00031350\U0001FAE9\U0001F600\U00010D40",
                                          U"'  \n"};
  std::mt19937 random(7);
  for (const std::string_view pattern : by_hand) {
    const Regex hand = pattern_of(pattern);
    const Regex library = by_library(pattern);
    ASSERT_NE(known_pattern(pattern), nullptr) << pattern;
    for (int trial = 0; trial < 4000; ++trial) {
      std::string text;
      for (std::size_t i = 0, length = random() % 30; i < length; ++i) {
        const std::u32string& kind = kinds[random() % kinds.size()];
        append_utf8(text, kind[random() % kind.size()]);
      }
      expect_same_matches(pattern, hand, library, text);
    }
  }
}

TEST(KnownPatterns, MatchAsTheLibraryDoesOnEveryCodePoint) {
  // Each code point behind and before a letter, a number, a mark, a space, an apostrophe and a full stop.
  for (const std::string_view pattern : by_hand) {
    const Regex hand = pattern_of(pattern);
    const Regex library = by_library(pattern);
    std::string text;
    for (char32_t c = 0; c < 0x110000; ++c) {
      if (c >= 0xD800 && c <= 0xDFFF) continue;
      if (c >= 0x33480 && c % 64 != 0) continue;  // hardly anything is assigned there
      const std::string character = utf8(c);
      for (const char* before : {"a", "1", " ", "'", "\u0301", "."}) text += before + character;
      text += "a\n";
      if (text.size() > 100'000) {
        expect_same_matches(pattern, hand, library, text);
        text.clear();
      }
    }
    expect_same_matches(pattern, hand, library, text);
  }
}

}  // namespace
}  // namespace cola
