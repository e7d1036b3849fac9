#include "text/added_tokens.h"

#include <gtest/gtest.h>

#include "core/error.h"
#include "text/normalizer.h"

namespace cola {
namespace {

/// Sections as "text" or "#id".
std::vector<std::string> split(const AddedTokens& tokens, std::string_view text) {
  std::vector<std::string> out;
  for (const TextSection& section : tokens.split(text)) {
    out.push_back(section.id ? std::to_string(*section.id).insert(0, 1, '#') : section.text);
  }
  return out;
}

AddedTokens make(std::vector<AddedToken> tokens, const Normalizer& normalizer = {}) {
  return {std::move(tokens), Vocabulary(), normalizer, "test"};
}

using Sections = std::vector<std::string>;

TEST(AddedTokens, LongestOfTheLeftmost) {
  const AddedTokens tokens = make({{.content = "<s", .id = 1}, {.content = "<s>", .id = 2}});
  EXPECT_EQ(split(tokens, "a<s>b<sc<s>"), (Sections{"a", "#2", "b", "#1", "c", "#2"}));
  EXPECT_EQ(split(tokens, ""), Sections{});
  EXPECT_TRUE(tokens.split("a<s>").front().first);
  EXPECT_FALSE(tokens.split("<s>a").back().first);
}

TEST(AddedTokens, StripsWhiteSpace) {
  const AddedTokens tokens =
      make({{.content = "<l>", .id = 1, .lstrip = true}, {.content = "<r>", .id = 2, .rstrip = true}});
  EXPECT_EQ(split(tokens, "a \u2003<l> b <r> \nc"), (Sections{"a", "#1", " b ", "#2", "c"}));
  EXPECT_EQ(split(tokens, "<r> <l>"), (Sections{"#2", "#1"}));
}

TEST(AddedTokens, SingleWord) {
  const AddedTokens tokens = make({{.content = "cat", .id = 1, .single_word = true}});
  EXPECT_EQ(split(tokens, "cats cat, \u00E9cat"), (Sections{"cats ", "#1", ", \u00E9cat"}));
}

TEST(AddedTokens, NormalizedOnesAreSoughtInNormalizedText) {
  const Normalizer normalizer({Normalizer::Prepend{"_"}, Normalizer::Replace{.from = " ", .to = "_"}});
  const AddedTokens tokens =
      make({{.content = "<n>", .id = 1, .normalized = true}, {.content = "<r>", .id = 2}}, normalizer);
  EXPECT_EQ(split(tokens, "<n>a <n>b<n>"), (Sections{"#1", "a", "#1", "b<n>"}));
  EXPECT_EQ(split(tokens, "a<r>b c"), (Sections{"_a", "#2", "_b_c"}));
}

TEST(AddedTokens, VocabularysIdWinsAndConflictsAreRefused) {
  Vocabulary vocabulary;
  vocabulary.add("<s>", 1, "test");
  const auto make_with = [&](std::vector<AddedToken> tokens) {
    return AddedTokens(std::move(tokens), vocabulary, Normalizer(), "test");
  };
  EXPECT_EQ(make_with({{.content = "<s>", .id = 7}}).id_of("<s>"), 1);
  EXPECT_THROW(make_with({{.content = "<t>", .id = 1}}), Error);
  EXPECT_THROW(make_with({{.content = "<t>", .id = 5}, {.content = "<u>", .id = 5}}), Error);
  EXPECT_THROW(make_with({{.content = "<t>", .id = 5}, {.content = "<t>", .id = 6}}), Error);
}

// The right values below are those of tokenizers 0.23.3.

TEST(AddedTokens, AreNumberedInOrderWhateverTheFileSays) {
  Vocabulary vocabulary;
  for (const auto& [token, id] : {std::pair("a", 0), std::pair("b", 1), std::pair("ab", 7)}) {
    vocabulary.add(token, id, "test");
  }
  const auto ids = [&](std::vector<AddedToken> tokens) {
    number_in_order(tokens, vocabulary, "test");
    std::vector<std::int32_t> numbers;
    for (const AddedToken& token : tokens) numbers.push_back(token.id);
    return numbers;
  };
  using Ids = std::vector<std::int32_t>;
  EXPECT_EQ(ids({{.content = "<x>", .id = 300}}), Ids{3});
  EXPECT_EQ(ids({{.content = "<z>", .id = 5}, {.content = "<y>", .id = 4}, {.content = "<x>", .id = 3}}),
            (Ids{3, 4, 5}));
  EXPECT_EQ(ids({{.content = "<x>", .id = 3}, {.content = "<x>", .id = 4}, {.content = "<y>", .id = 3}}),
            (Ids{3, 3, 4}));
  EXPECT_EQ(ids({{.content = "ab", .id = 3}, {.content = "", .id = 4}, {.content = "<y>", .id = 0}}),
            (Ids{7, 4, 3}));
}

TEST(AddedTokens, TheLaterOfTheSameContentCounts) {
  const AddedTokens tokens = make({{.content = "<x>", .id = 1, .special = true},
                                   {.content = "", .id = 9},
                                   {.content = "<x>", .id = 1, .lstrip = true}});
  EXPECT_EQ(split(tokens, "a <x>b"), (Sections{"a", "#1", "b"}));
  EXPECT_TRUE(tokens.is_special(1));
}

TEST(AddedTokens, TheSameOnceNormalizedIsRefused) {
  const Normalizer normalizer({Normalizer::Replace{.from = " ", .to = "_"}});
  const AddedToken spaced{.content = "a b", .id = 1, .normalized = true};
  EXPECT_THROW(make({spaced, {.content = "a_b", .id = 2, .normalized = true}}, normalizer), Error);
  EXPECT_EQ(split(make({spaced, {.content = "a_b", .id = 2}}, normalizer), "a b a_b"),
            (Sections{"#1", "_", "#2"}));
}

TEST(AddedTokens, TokensInTheSpaceThatATokenTakes) {
  const AddedToken taker{.content = "<x>", .id = 1, .rstrip = true};
  const AddedTokens spaces = make({taker, {.content = " ", .id = 2}, {.content = "  ", .id = 3}});
  EXPECT_EQ(split(spaces, "<x>    a"), (Sections{"#1", "#3", "#3", "a"}));
  const AddedTokens two = make({taker, {.content = "  ", .id = 3}});
  EXPECT_EQ(split(two, "<x>   a"), (Sections{"#1", "#3", " a"}));
  const AddedTokens letter = make({taker, {.content = " b", .id = 3, .lstrip = true}});
  EXPECT_EQ(split(letter, "<x>   b"), (Sections{"#1", "#3"}));
  const AddedTokens eager = make({taker, {.content = " ", .id = 2, .lstrip = true, .rstrip = true}});
  EXPECT_EQ(split(eager, "<x>  a "), (Sections{"#1", "a", "#2"}));
  // There tokenizers ends in a panic.
  const AddedTokens broken = make({taker, {.content = "  ", .id = 3, .lstrip = true}});
  EXPECT_THROW((void)broken.split("<x>   a"), Error);
}

TEST(AddedTokens, SingleWordsEndAtWhatRustsRegexCallsNoWord) {
  const AddedTokens tokens = make({{.content = "x", .id = 1, .single_word = true}});
  for (const std::string word : {"_", "\u0663", "\u0301", "\u2167", "\u200D", "\U00031350", "\u203F"}) {
    EXPECT_EQ(split(tokens, word + "x"), (Sections{word + "x"})) << word;
  }
  for (const std::string other : {"-", "\u00B2", "\u00BD", "\u180E", "\U0001FAE9", "\u2460"}) {
    EXPECT_EQ(split(tokens, other + "x"), (Sections{other, "#1"})) << other;
  }
}

TEST(AddedTokens, TooManyBytesAreRefused) {
  EXPECT_THROW(make({{.content = std::string(5 << 20, 'x'), .id = 1}}), Error);
}

}  // namespace
}  // namespace cola
