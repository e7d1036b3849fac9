// Reading tokenizer.json without a tree of its large containers: the same as with one.
#include "text/tokenizer_file.h"

#include "text/fixtures.h"

namespace cola::test {
namespace {

using Tokens = std::vector<std::pair<std::string, std::int32_t>>;

Tokens tokens_of(const TokenizerFile& file) {
  Tokens tokens;
  for (const auto& [text, id] : file.vocabulary.tokens()) tokens.emplace_back(text, id);
  return tokens;
}

std::vector<std::string> merges_of(const TokenizerFile& file) {
  std::vector<std::string> merges;
  for (const auto& [left, right] : file.merges)
    merges.push_back(std::string(left).append(" + ").append(right));
  return merges;
}

std::string error_of(std::string_view text) {
  const Folder folder;
  folder.write("tokenizer.json", text);
  try {
    const TokenizerFile file(folder / "tokenizer.json");
  } catch (const Error& error) {
    return std::string(error.what()).substr((folder / "tokenizer.json").string().size());
  }
  return "";
}

constexpr std::string_view spaced =
    "{ \"version\" : [1, {\"model\": \"]\\\"\"}, -2.5e3, true],\n"
    "\t\"model\":{\"x\":null, \"vocab\" : { \"a\":0,\r\n \"\\u00e9\\\"\\\\\" : 12 , \"\u2581\":  3},\n"
    "  \"merges\" :[ \"a \u2581\" , [ \"a\",\"\\ud83d\\ude00 \" ],[\"\",\"]\"]] , \"y\":{\"merges\":[1]}\n},"
    " \"merges\" : [ 5 ] } \n";

TEST(TokenizerFile, ContainersAreTakenOut) {
  const Folder folder;
  // The parser skips a byte-order mark, the faster way does not: the second text is read by the parser.
  for (const std::string mark : {"", "\xEF\xBB\xBF"}) {
    folder.write("tokenizer.json", mark + std::string(spaced));
    const TokenizerFile file(folder / "tokenizer.json");
    Tokens tokens = tokens_of(file);
    std::ranges::sort(tokens, {}, &Tokens::value_type::second);
    EXPECT_EQ(tokens, (Tokens{{"a", 0}, {"\u2581", 3}, {"\u00e9\"\\", 12}}));
    EXPECT_EQ(merges_of(file), (std::vector<std::string>{"a + \u2581", "a + \U0001F600 ", " + ]"}));
    EXPECT_EQ(file.json["version"].dump(), R"([1,{"model":"]\""},-2500.0,true])");
    EXPECT_EQ(file.json["merges"].dump(), "[5]");
    EXPECT_EQ(file.json["model"]["y"].dump(), R"({"merges":[1]})");
    EXPECT_EQ(file.json["model"]["vocab"].empty(), mark.empty());
  }
}

TEST(TokenizerFile, MalformedTextsAreRefusedAsTheParserDoes) {
  const std::string text(spaced);
  for (std::size_t length = 0; length + 3 < text.size(); ++length) {
    const std::string part = text.substr(0, length);
    std::string expected;
    try {
      (void)parse_json_with_unique_keys(part, "");
    } catch (const Error& error) {
      expected = error.what();
    }
    EXPECT_EQ(error_of(part), expected) << length;
  }
  const std::vector<std::pair<std::string, std::string>> places{
      {R"({"model":{"vocab":{"a":)", "}}}"}, {R"({"model":{"merges":[)", "]}}"}, {R"({"model":{"x":)", "}}"}};
  for (const std::string wrong : {"01", "-01", "1.", "+1", "-", "1 2", "\"\\x y\"", "\"a \xFF\"",
                                  "\"a \x01\"", "\"a \\ud800\"", "[\"a\",\"\xC0\x80\"]", "[1,]", "}"}) {
    for (const auto& [before, after] : places) {
      EXPECT_NE(error_of(before + wrong + after).find(": not valid JSON: "), std::string::npos)
          << before << wrong;
    }
  }
  for (const std::string whole : {"{\"model\":{\"vocab\":{\"\xFF\":1}}}", R"({"model":{"vocab":{"a":1,}}})",
                                  R"({"model":{"vocab":{"a" 1}}})", R"({"model":{"vocab":{"a":1}}} x)"})
    EXPECT_NE(error_of(whole).find(": not valid JSON: "), std::string::npos) << whole;
}

TEST(TokenizerFile, ElementsOfOtherKindsAreNamed) {
  const auto with_id = [](const std::string& id) {
    return error_of(R"({"model": {"vocab": {"b": 1, "a": )" + id + "}}}");
  };
  for (const char* id : {"1.5", "1e3", "\"1\"", "null", "[1]"})
    EXPECT_EQ(with_id(id), R"(: model: vocab: the id of "a" is not an integer)");
  EXPECT_EQ(with_id("1"), R"(: model: vocab: id 1 belongs to both "b" and "a")");
  EXPECT_EQ(with_id("-0"), "");
  EXPECT_NE(with_id("9223372036854775807").find("ids are 0 to"), std::string::npos);
  EXPECT_NE(with_id("-9223372036854775808").find("ids are 0 to"), std::string::npos);
  EXPECT_NE(with_id("123456789012345678901").find("not an integer"), std::string::npos);
  for (const char* merge :
       {"\"ab\"", "\"a b c\"", "5", "[]", R"(["a"])", R"(["a", "b", "c"])", R"(["a", 1])"}) {
    EXPECT_EQ(error_of(R"({"model": {"merges": ["a b", )" + std::string(merge) + "]}}"),
              R"(: model: merges: a merge is neither "a b" nor ["a", "b"])");
  }
}

TEST(TokenizerFile, KeysThatOccurTwiceAreRefused) {
  EXPECT_EQ(error_of(R"({"model": {"merges": [], "merges": []}})"), ": 'merges' occurs twice");
  EXPECT_EQ(error_of(R"({"model": {}, "model": {"vocab": {"a": 1}}})"), ": 'model' occurs twice");
  EXPECT_EQ(error_of(R"({"model": {"vocab": {"a": 1, "a": 2}}})"),
            R"(: model: vocab: token "a" has both id 1 and 2)");
}

}  // namespace
}  // namespace cola::test
