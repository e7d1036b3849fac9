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
  EXPECT_THROW(make_with({{.content = "", .id = 5}}), Error);
  EXPECT_THROW(make_with({{.content = "<t>", .id = 5}, {.content = "<u>", .id = 5}}), Error);
  EXPECT_THROW(make_with({{.content = "<t>", .id = 5}, {.content = "<t>", .id = 6}}), Error);
}

}  // namespace
}  // namespace cola
