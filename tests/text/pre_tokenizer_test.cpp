#include "text/pre_tokenizer.h"

#include <gtest/gtest.h>

#include "core/error.h"
#include "text/byte_level.h"

namespace cola {
namespace {

using Words = std::vector<std::string>;
constexpr auto regular = Regex::Syntax::pattern;

Words split(std::string_view pattern, SplitBehavior behavior, const std::string& text, bool invert = false) {
  std::vector<PreTokenizer::Step> steps;
  steps.emplace_back(PreTokenizer::Split{
      .pattern = Regex(pattern, regular, "test"), .behavior = behavior, .invert = invert});
  return PreTokenizer(std::move(steps))(text, true);
}

Words metaspace(PrependScheme prepend, const std::string& text, bool first, bool cut = true) {
  std::vector<PreTokenizer::Step> steps;
  steps.emplace_back(PreTokenizer::Metaspace{.replacement = "_", .prepend = prepend, .split = cut});
  return PreTokenizer(std::move(steps))(text, first);
}

TEST(PreTokenizer, Gpt2Pattern) {
  const auto words = [](const std::string& text) {
    return split(gpt2_pattern, SplitBehavior::isolated, text);
  };
  EXPECT_EQ(words("Hello, my dog's 3rd cat!!"),
            (Words{"Hello", ",", " my", " dog", "'s", " 3", "rd", " cat", "!!"}));
  EXPECT_EQ(words("a  b\n\n c \n"), (Words{"a", " ", " b", "\n\n", " c", " \n"}));
  // Unicode classes: letters, numbers, no-break space.
  EXPECT_EQ(words("\u00C9t\u00E9 \u0664\u0665x\u00A0y"),
            (Words{"\u00C9t\u00E9", " \u0664\u0665", "x", "\u00A0", "y"}));
  EXPECT_EQ(words(""), Words{});
}

TEST(PreTokenizer, Llama3Pattern) {
  constexpr std::string_view llama3 =
      R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
  EXPECT_EQ(split(llama3, SplitBehavior::isolated, "I'LL pay $12345 \n\n  now.\n"),
            (Words{"I", "'LL", " pay", " $", "123", "45", " \n\n", " ", " now", ".\n"}));
}

TEST(PreTokenizer, SplitBehaviors) {
  const std::string text = "the-final--countdown";
  EXPECT_EQ(split("-", SplitBehavior::removed, text), (Words{"the", "final", "countdown"}));
  EXPECT_EQ(split("-", SplitBehavior::isolated, text), (Words{"the", "-", "final", "-", "-", "countdown"}));
  EXPECT_EQ(split("-", SplitBehavior::merged_with_previous, text),
            (Words{"the-", "final-", "-", "countdown"}));
  EXPECT_EQ(split("-", SplitBehavior::merged_with_next, text), (Words{"the", "-final", "-", "-countdown"}));
  EXPECT_EQ(split("-", SplitBehavior::contiguous, text), (Words{"the", "-", "final", "--", "countdown"}));
  EXPECT_EQ(split("[a-z]+", SplitBehavior::removed, text, /*invert=*/true),
            (Words{"the", "final", "countdown"}));
}

TEST(PreTokenizer, Metaspace) {
  EXPECT_EQ(metaspace(PrependScheme::always, "Hi  you", false), (Words{"_Hi", "_", "_you"}));
  EXPECT_EQ(metaspace(PrependScheme::first, "Hi you", true), (Words{"_Hi", "_you"}));
  EXPECT_EQ(metaspace(PrependScheme::first, "Hi you", false), (Words{"Hi", "_you"}));
  EXPECT_EQ(metaspace(PrependScheme::never, "Hi you", true), (Words{"Hi", "_you"}));
  EXPECT_EQ(metaspace(PrependScheme::always, " Hi", true), (Words{"_Hi"}));
  EXPECT_EQ(metaspace(PrependScheme::always, "Hi you", true, /*cut=*/false), (Words{"_Hi_you"}));
}

TEST(PreTokenizer, ByteLevelPrefixAndBytes) {
  std::vector<PreTokenizer::Step> steps;
  steps.emplace_back(PreTokenizer::ByteLevel{.add_prefix_space = true, .pattern = {}});
  const PreTokenizer byte_level(std::move(steps));
  EXPECT_EQ(byte_level("a\n", true), (Words{"\u0120a\u010A"}));
  EXPECT_EQ(byte_level(" a", true), (Words{"\u0120a"}));
}

TEST(ByteLevel, TableIsOneToOneAndGpt2s) {
  for (unsigned byte = 0; byte < 256; ++byte) EXPECT_EQ(byte_of_character(byte_characters()[byte]), byte);
  EXPECT_EQ(bytes_to_characters(std::string_view(" \n!\x00\xAD\xFF", 6)), "\u0120\u010A!\u0100\u0143\u00FF");
  EXPECT_FALSE(byte_of_character(U' '));
  EXPECT_FALSE(byte_of_character(0x144));
}

TEST(PreTokenizer, EmptyMatchesCut) {
  // tokenizers 0.23.3: these words
  EXPECT_EQ(split("", SplitBehavior::isolated, "ab\u00E9"), (Words{"a", "b", "\u00E9"}));
  EXPECT_EQ(split(R"(\b)", SplitBehavior::isolated, "ab cd"), (Words{"ab", " ", "cd"}));
  EXPECT_EQ(split("(?<=a)", SplitBehavior::contiguous, "aab"), (Words{"a", "a", "b"}));
  const std::string text = "\u00E9xx\u00E9y";
  EXPECT_EQ(split("x*", SplitBehavior::isolated, text), (Words{"\u00E9", "xx", "\u00E9", "y"}));
  EXPECT_EQ(split("x*", SplitBehavior::merged_with_previous, text), (Words{"\u00E9xx", "\u00E9", "y"}));
  EXPECT_EQ(split("x*", SplitBehavior::merged_with_next, text), (Words{"\u00E9", "xx\u00E9", "y"}));
  EXPECT_EQ(split("x*", SplitBehavior::contiguous, text), (Words{"\u00E9", "xx", "\u00E9", "y"}));
  EXPECT_EQ(split("x*", SplitBehavior::removed, text), (Words{"\u00E9", "\u00E9", "y"}));
  EXPECT_EQ(split("x*", SplitBehavior::removed, text, /*invert=*/true), (Words{"xx"}));
}

TEST(PreTokenizer, LineAnchorsCutAtEachLine) {
  EXPECT_EQ(split("$", SplitBehavior::isolated, "ba\nba\nb"), (Words{"ba", "\nba", "\nb"}));
  EXPECT_EQ(split("^", SplitBehavior::isolated, "a\nb"), (Words{"a\n", "b"}));
}

TEST(PreTokenizer, ManySplitsInARowTakeLinearTime) {
  std::vector<PreTokenizer::Step> steps;
  for (const char* pattern : {"a", "b", R"(\s)"}) {
    steps.emplace_back(PreTokenizer::Split{.pattern = Regex(pattern, regular, "test")});
  }
  std::string text;
  for (int i = 0; i < 100'000; ++i) text += "abc ";
  EXPECT_EQ(PreTokenizer(std::move(steps))(text, true).size(), 400'000U);
}

}  // namespace
}  // namespace cola
