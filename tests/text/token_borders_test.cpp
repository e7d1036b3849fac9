#include "text/token_borders.h"

#include <gtest/gtest.h>

#include "text/fixtures.h"

namespace cola::test {
namespace {

/// "he|ll(o)": the texts of the tokens with `|` between those before and behind each border, in parentheses
/// the token that a border falls into.
std::string shown(const Tokenizer& tokenizer, const std::string& before, const std::string& behind) {
  const std::string text = before + behind;
  const Ids ids = tokenizer.encode(text);
  const std::size_t borders[] = {before.size()};
  const TokenBorder border = find_borders(tokenizer, text, ids, borders).front();
  std::string line;
  for (std::size_t i = 0; i < ids.size(); ++i) {
    const std::string bytes = tokenizer.text_of(ids[i]).bytes;
    if (i == border.token) line += "|";
    line += i == border.token && border.merged ? "(" + bytes + ")" : "[" + bytes + "]";
  }
  return border.token == ids.size() ? line + "|" : line;
}

class ByteLevelBorders : public testing::Test {
 protected:
  ByteLevelBorders() { write_opt_files(folder_); }
  std::string shown(const std::string& before, const std::string& behind) {
    return test::shown(*open_tokenizer(folder_.path()), before, behind);
  }
  Folder folder_;
};

TEST_F(ByteLevelBorders, BetweenTokens) {
  EXPECT_EQ(shown("hello", " wo"), "[hello]|[ wo]");
  EXPECT_EQ(shown("", "hello"), "|[hello]");
  EXPECT_EQ(shown("hello", ""), "[hello]|");
  EXPECT_EQ(shown("", ""), "|");
  EXPECT_EQ(shown("</s>", "hello"), "[</s>]|[hello]");
}

TEST_F(ByteLevelBorders, InsideAToken) {
  EXPECT_EQ(shown("he", "llo"), "|(hello)");
  EXPECT_EQ(shown("hello ", "wo"), "[hello]|( wo)");
  EXPECT_EQ(shown("a</", "s>b"), "[a]|(</s>)[b]");
}

// The prompt alone ends in one token of three spaces' word, the whole in " " and " wo": the first of these
// holds nothing of what follows, though the prompt's own tokens differ from there on.
TEST_F(ByteLevelBorders, EarlierTokensThatDifferAreNotBehindTheBorder) {
  EXPECT_EQ(shown("hello   ", "wo"), "[hello][ ][ ]|( wo)");
}

TEST_F(ByteLevelBorders, CharactersOfSeveralTokens) {
  EXPECT_EQ(shown("\u00E9", "\u00E9"), "[\xC3][\xA9]|[\xC3][\xA9]");
}

TEST(Borders, SentencepiecesLeadingSpaceBelongsToWhatFollows) {
  const Folder folder;
  folder.write("tokenizer.json", small_llama_json());
  const auto tokenizer = open_tokenizer(folder.path());
  EXPECT_EQ(shown(*tokenizer, "", "ab"), "|[ ab]");
  EXPECT_EQ(shown(*tokenizer, "", "\n"), "|[ ][\n]");
  EXPECT_EQ(shown(*tokenizer, "ab", "\n"), "[ ab]|[\n]");
  EXPECT_EQ(shown(*tokenizer, "<s>", "\n"), "[<s>]|[ ][\n]");
  EXPECT_EQ(shown(*tokenizer, "a ", "ab"), "[ a]|( ab)");
  EXPECT_EQ(shown(*tokenizer, " ", "ab"), "[ ]|( ab)");
  EXPECT_EQ(shown(*tokenizer, "a", "b"), "|( ab)");
  EXPECT_EQ(shown(*tokenizer, "a\u00E9", "\u00E9"), "[ a][\xC3][\xA9]|[\xC3][\xA9]");
}

TEST(Borders, AddedTokensTakeWhiteSpaceWithThem) {
  Folder folder;
  Json json = small_byte_level_json();
  json["added_tokens"][3]["lstrip"] = true;
  json["added_tokens"][3]["rstrip"] = true;
  folder.write("tokenizer.json", json);
  const auto tokenizer = open_tokenizer(folder.path());
  EXPECT_EQ(shown(*tokenizer, "a  <|other|>  ", "b"), "[a][<|other|>]|[b]");
  EXPECT_EQ(shown(*tokenizer, "a <|other|> ", " b"), "[a]|(<|other|>)[b]");
  EXPECT_EQ(shown(*tokenizer, "a ", " <|other|> b"), "[a]|(<|other|>)[b]");
}

/// Without byte fallback, characters that the vocabulary lacks are one <unk>.
TEST(Borders, AmongUnknownCharacters) {
  const Folder folder;
  Json json = small_llama_json(/*bytes=*/false);
  json["model"]["byte_fallback"] = false;
  folder.write("tokenizer.json", json);
  const auto tokenizer = open_tokenizer(folder.path());
  EXPECT_EQ(shown(*tokenizer, "a\u2603", "b"), "[ a][<unk>]|[b]");
  EXPECT_EQ(shown(*tokenizer, "a\u2603", "\u2603 b"), "[ a]|(<unk>)[ ][b]");
  EXPECT_EQ(shown(*tokenizer, "\u2603</s>\u2603", "ab"), "[ ][<unk>][</s>][ ][<unk>]|[ab]");
  EXPECT_EQ(shown(*tokenizer, "\u2603</s>a", "b"), "[ ][<unk>][</s>]|( ab)");
}

TEST(Borders, SeveralInOneText) {
  const Folder folder;
  write_opt_files(folder);
  const auto tokenizer = open_tokenizer(folder.path());
  const std::string text = "hello wo</s>hello";
  const std::size_t borders[] = {0, 0, 2, 5, 8, 10, 12, 17};
  std::vector<std::size_t> tokens;
  std::vector<bool> merged;
  for (const TokenBorder& border : find_borders(*tokenizer, text, tokenizer->encode(text), borders)) {
    tokens.push_back(border.token);
    merged.push_back(border.merged);
  }
  EXPECT_EQ(tokens, (std::vector<std::size_t>{0, 0, 0, 1, 2, 2, 3, 4}));
  EXPECT_EQ(merged, (std::vector<bool>{false, false, true, false, false, true, false, false}));
}

}  // namespace
}  // namespace cola::test
