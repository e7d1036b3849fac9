#include <gtest/gtest.h>

#include <random>

#include "text/fixtures.h"
#include "text/utf8.h"

namespace cola::test {
namespace {

TEST(ByteLevelTokenizer, EncodesByMerges) {
  const Folder folder;
  write_opt_files(folder);
  const auto tokenizer = open_tokenizer(folder.path());
  EXPECT_EQ(tokenizer->vocabulary_size(), 267);
  // "hello" is one token; " wo" is one; "rld" is not merged.
  EXPECT_EQ(tokenizer->encode("hello world"), (Ids{263, 265, byte_id('r'), byte_id('l'), byte_id('d')}));
  EXPECT_EQ(tokenizer->piece(265), "\u0120wo");
  EXPECT_EQ(tokenizer->encode(""), Ids{});
  EXPECT_EQ(tokenizer->decode({}), "");
}

TEST(ByteLevelTokenizer, SpecialTokensInText) {
  const Folder folder;
  write_opt_files(folder);
  const auto tokenizer = open_tokenizer(folder.path());
  // OPT's configuration names </s> and <pad> only.
  const Ids ids{2, byte_id('a'), 1, byte_id('<'), byte_id('s'), byte_id('>')};
  EXPECT_EQ(tokenizer->encode("</s>a<pad><s>"), ids);
  EXPECT_EQ(tokenizer->decode(ids), "a<s>");
  EXPECT_EQ(tokenizer->decode(ids, /*skip_special=*/false), "</s>a<pad><s>");
}

TEST(ByteLevelTokenizer, DecodesBrokenUtf8AndUnknownIds) {
  const Folder folder;
  write_opt_files(folder);
  const auto tokenizer = open_tokenizer(folder.path());
  EXPECT_EQ(tokenizer->decode(Ids{byte_id('\xE2'), byte_id('\x82'), byte_id('a'), 9999, -1}), "\uFFFDa");
  EXPECT_EQ(tokenizer->decode(Ids{byte_id('\xE2'), byte_id('\x82'), byte_id('\xAC')}), "\u20AC");
  EXPECT_THROW((void)tokenizer->piece(9999), Error);
  EXPECT_THROW((void)tokenizer->piece(-1), Error);
}

TEST(ByteLevelTokenizer, RefusesTextThatIsNotUtf8) {
  const Folder folder;
  write_opt_files(folder);
  const auto tokenizer = open_tokenizer(folder.path());
  EXPECT_THROW((void)tokenizer->encode("a\xFF"), Error);
}

TEST(ByteLevelTokenizer, RoundTripsAnyText) {
  const Folder folder;
  write_opt_files(folder);
  const Folder other;
  other.write("tokenizer.json", small_byte_level_json());
  std::mt19937 random(11);
  for (const auto* path : {&folder.path(), &other.path()}) {
    const auto tokenizer = open_tokenizer(*path);
    for (int trial = 0; trial < 300; ++trial) {
      std::string text;
      for (std::size_t i = 0, length = random() % 60; i < length; ++i) {
        // Mostly ASCII (spaces, merges' letters), the rest from all of Unicode but surrogates.
        char32_t c = random() % 3 == 0 ? random() % 0x110000
                                       : std::u32string_view(U" helowr\n\t'sd1.\0", 16)[random() % 16];
        if (c >= 0xD800 && c <= 0xDFFF) c = 0xFFFD;
        append_utf8(text, c);
      }
      EXPECT_EQ(tokenizer->decode(tokenizer->encode(text)), text);
    }
  }
}

TEST(ByteLevelTokenizer, LongWordsAndLongRunsOfSpace) {
  const Folder folder;
  write_opt_files(folder);
  const auto tokenizer = open_tokenizer(folder.path());
  for (const char filler : {'l', ' ', '\n'}) {
    const std::string text(1 << 20, filler);
    EXPECT_EQ(tokenizer->decode(tokenizer->encode(text)), text);
  }
}

TEST(ByteLevelTokenizer, PrefixSpaceFromTheConfiguration) {
  const Folder folder;
  write_opt_files(folder);
  folder.write("tokenizer_config.json",
               Json{{"tokenizer_class", "GPT2Tokenizer"}, {"add_prefix_space", true}});
  EXPECT_EQ(open_tokenizer(folder.path())->encode("wo"), Ids{265});
}

TEST(ByteLevelTokenizer, Llama3StyleJson) {
  const Folder folder;
  Json json = small_byte_level_json();
  json["pre_tokenizer"] = {{"type", "Sequence"},
                           {"pretokenizers",
                            {{{"type", "Split"},
                              {"pattern", {{"Regex", "\\p{N}{1,3}| ?\\p{L}+"}}},
                              {"behavior", "Isolated"},
                              {"invert", false}},
                             {{"type", "ByteLevel"}, {"add_prefix_space", false}, {"use_regex", false}}}}};
  json["post_processor"] = {
      {"type", "Sequence"},
      {"processors",
       {{{"type", "ByteLevel"}},
        {{"type", "TemplateProcessing"},
         {"single", {{{"SpecialToken", {{"id", "<|begin_of_text|>"}}}}, {{"Sequence", {{"id", "A"}}}}}}}}}};
  json["model"]["ignore_merges"] = true;
  folder.write("tokenizer.json", json);
  const auto tokenizer = open_tokenizer(folder.path());
  EXPECT_EQ(tokenizer->encode("<|begin_of_text|>hello<|eot_id|>"), (Ids{0, 263, 2}));
  EXPECT_EQ(tokenizer->special().bos, 0);
  EXPECT_EQ(tokenizer->special().eos, 1);
  EXPECT_TRUE(tokenizer->special().add_bos);
}

TEST(ByteLevelTokenizer, DigitsAreSplit) {
  const Folder folder;
  Json json = small_byte_level_json();
  Json vocabulary = json["model"]["vocab"];
  vocabulary["12"] = 300;
  json["model"]["vocab"] = vocabulary;
  json["model"]["merges"].push_back("1 2");
  const auto encode = [&](const Json& digits) {
    json["pre_tokenizer"] = {
        {"type", "Sequence"},
        {"pretokenizers", {digits, {{"type", "ByteLevel"}, {"add_prefix_space", false}}}}};
    folder.write("tokenizer.json", json);
    return open_tokenizer(folder.path())->encode("12");
  };
  EXPECT_EQ(encode({{"type", "Digits"}, {"individual_digits", true}}), (Ids{byte_id('1'), byte_id('2')}));
  EXPECT_EQ(encode({{"type", "Digits"}, {"individual_digits", false}}), Ids{300});
}

/// The ids of a folder's one text.
Ids encoded_case(const std::string& folder) {
  const std::filesystem::path path = test_files() / "cases" / folder;
  std::ifstream in(path / "data.jsonl");
  std::string line;
  std::getline(in, line);
  return open_tokenizer(path / "tokenizer")->encode(Json::parse(line).at("text").get<std::string>());
}

TEST(ByteLevelTokenizer, PatternsAreOnigurumas) {
  EXPECT_EQ(encoded_case("class_inside_a_class"), (Ids{87, 257, 64, 87, 65, 87, 261}));
  EXPECT_EQ(encoded_case("end_of_each_line"), (Ids{65, 64, 198, 65, 64, 198, 65}));
}

TEST(ByteLevelTokenizer, AnAddedTokensIdFollowsTheVocabulary) {
  EXPECT_EQ(encoded_case("added_token_with_a_gap"), (Ids{64, 258, 65}));
}

}  // namespace
}  // namespace cola::test
