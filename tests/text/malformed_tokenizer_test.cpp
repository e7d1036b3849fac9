#include <gtest/gtest.h>

#include <random>

#include <functional>
#include <iterator>

#include "text/fixtures.h"

namespace cola::test {
namespace {

/// Opens small_llama_json() after `change`; the error must name the file and contain `cause`.
void expect_refused(const std::function<void(Json&)>& change, const std::string& cause) {
  const Folder folder;
  Json json = small_llama_json();
  change(json);
  folder.write("tokenizer.json", json);
  const std::string message = open_error(folder);
  EXPECT_NE(message.find("tokenizer.json"), std::string::npos) << "\"" << message << "\" for " << cause;
  EXPECT_NE(message.find(cause), std::string::npos) << message;
}

TEST(MalformedTokenizer, UnsupportedTypesAreNamed) {
  expect_refused([](Json& json) { json["model"]["type"] = "Unigram"; }, "Unigram");
  expect_refused([](Json& json) { json["model"]["type"] = "WordPiece"; }, "WordPiece");
  expect_refused([](Json& json) { json["normalizer"] = {{"type", "Lowercase"}}; }, "Lowercase");
  expect_refused([](Json& json) { json["pre_tokenizer"] = {{"type", "BertPreTokenizer"}}; },
                 "BertPreTokenizer");
  expect_refused([](Json& json) { json["decoder"] = {{"type", "CTC"}}; }, "CTC");
  expect_refused([](Json& json) { json["post_processor"] = {{"type", "BertProcessing"}}; }, "BertProcessing");
  expect_refused([](Json& json) { json["model"]["dropout"] = 0.1; }, "dropout");
  expect_refused([](Json& json) { json["model"]["end_of_word_suffix"] = "</w>"; }, "end_of_word_suffix");
}

TEST(MalformedTokenizer, PatternsThatCannotBeMatchedExactlyAreNamed) {
  for (const std::string pattern : {R"(\X)", R"(a\R)", R"(\y)", "(?I)a", R"(\p{Dash})", R"(\p{Word})"}) {
    expect_refused(
        [&](Json& json) {
          json["pre_tokenizer"] = {
              {"type", "Split"}, {"pattern", {{"Regex", pattern}}}, {"behavior", "Isolated"}};
        },
        pattern.substr(pattern.find_first_of("\\(p") + 1, 2));
  }
}

TEST(MalformedTokenizer, AGoodTokenizerModelBesideItIsNamed) {
  const std::filesystem::path folder =
      test_files() / "cases" / "unread_model_beside_tokenizer_model" / "tokenizer";
  try {
    (void)open_tokenizer(folder);
    FAIL() << "opened";
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("Unigram"), std::string::npos) << error.what();
    EXPECT_NE(std::string(error.what()).find("tokenizer.model"), std::string::npos) << error.what();
  }
  const Folder alone;
  std::filesystem::copy(folder / "tokenizer.model", alone.path() / "tokenizer.model");
  EXPECT_EQ(open_tokenizer(alone.path())->encode("a a"), (Ids{261, 261}));
}

TEST(MalformedTokenizer, MissingAndMistypedMembers) {
  expect_refused([](Json& json) { json.erase("model"); }, "model");
  expect_refused([](Json& json) { json["model"].erase("vocab"); }, "vocab");
  expect_refused([](Json& json) { json["model"].erase("merges"); }, "merges");
  expect_refused([](Json& json) { json["model"]["vocab"] = Json::array(); }, "vocab");
  expect_refused([](Json& json) { json["model"]["vocab"] = Json::object(); }, "vocab");
  expect_refused([](Json& json) { json["model"]["vocab"]["x"] = "one"; }, "integer");
  expect_refused([](Json& json) { json["model"]["merges"] = {"a b c"}; }, "merge");
  expect_refused([](Json& json) { json["model"]["merges"] = {5}; }, "merge");
  expect_refused([](Json& json) { json["added_tokens"] = 3; }, "added_tokens");
  expect_refused([](Json& json) { json["added_tokens"][0].erase("content"); }, "content");
  expect_refused([](Json& json) { json["pre_tokenizer"] = {{"type", "Split"}}; }, "pattern");
  expect_refused([](Json& json) { json["pre_tokenizer"] = {{"type", "Sequence"}, {"pretokenizers", 3}}; },
                 "pretokenizers");
  expect_refused(
      [](Json& json) {
        json["pre_tokenizer"] = {{"type", "Split"}, {"pattern", {{"Regex", "("}}}, {"behavior", "Isolated"}};
      },
      "pattern");
  expect_refused(
      [](Json& json) {
        json["normalizer"] = {{"type", "Replace"}, {"pattern", {{"String", ""}}}, {"content", "x"}};
      },
      "Replace");
  expect_refused([](Json& json) { json["decoder"] = {{"type", "Strip"}, {"content", " "}, {"start", -1}}; },
                 "Strip");
}

TEST(MalformedTokenizer, BadIds) {
  expect_refused([](Json& json) { json["model"]["vocab"]["x"] = -1; }, "-1");
  expect_refused([](Json& json) { json["model"]["vocab"]["x"] = 10'000'001; }, "10000001");
  expect_refused([](Json& json) { json["model"]["vocab"]["x"] = 301; }, "301");
  expect_refused([](Json& json) { json["model"]["vocab"]["x"] = 18446744073709551615ULL; }, "\"x\"");
  expect_refused([](Json& json) { json["added_tokens"].push_back(added_token(-5, "<x>")); }, "-5");
  // Its next id, 266, is taken.
  expect_refused(
      [](Json& json) {
        json["model"]["vocab"]["x"] = 267;
        json["added_tokens"].push_back(added_token(266, "<x>"));
      },
      "<x>");
}

TEST(MalformedTokenizer, MergesOfUnknownTokens) {
  expect_refused([](Json& json) { json["model"]["merges"].push_back("a nowhere"); }, "nowhere");
}

TEST(MalformedTokenizer, NotJson) {
  const Folder folder;
  for (const std::string& text : {std::string(), std::string("{"), std::string("[]"),
                                  std::string("{\"model\": \"\xFF\"}"), std::string(100'000, '[')}) {
    folder.write("tokenizer.json", text);
    EXPECT_NE(open_error(folder).find("tokenizer.json"), std::string::npos) << text.substr(0, 20);
  }
}

TEST(MalformedTokenizer, VocabularyAndMergesFiles) {
  const Folder folder;
  write_opt_files(folder);
  folder.write("merges.txt", "#version: 0.2\nh e\nl\n");
  EXPECT_NE(open_error(folder).find("merges.txt:3"), std::string::npos) << open_error(folder);
  folder.write("merges.txt", "h nowhere\n");
  EXPECT_NE(open_error(folder).find("merges.txt"), std::string::npos);
  folder.write("merges.txt", "h \xFF\n");
  EXPECT_NE(open_error(folder).find("merges.txt"), std::string::npos);
  folder.write("merges.txt", small_merges_text());
  folder.write("vocab.json", Json::array());
  EXPECT_NE(open_error(folder).find("vocab.json"), std::string::npos);
  folder.write("vocab.json", Json{{"a", 1.5}});
  EXPECT_NE(open_error(folder).find("vocab.json"), std::string::npos);
}

TEST(MalformedTokenizer, Configuration) {
  const Folder folder;
  write_opt_files(folder);
  for (const Json& config :
       {Json::array(), Json{{"add_bos_token", "yes"}}, Json{{"added_tokens_decoder", {{"x", 1}}}},
        Json{{"added_tokens_decoder", {{"-3", {{"content", "<x>"}}}}}}}) {
    folder.write("tokenizer_config.json", config);
    EXPECT_NE(open_error(folder).find("tokenizer_config.json"), std::string::npos) << config;
  }
}

/// Opens and uses a tokenizer whose file has been damaged; only Errors may come out.
void survive(const Folder& folder) {
  try {
    const auto tokenizer = open_tokenizer(folder.path());
    (void)tokenizer->decode(tokenizer->encode("<s> ab hello \u20AC 12\n"), false);
  } catch (const Error&) {
    return;
  }
}

/// Damages a few bytes of `text`, or cuts it off.
std::string damaged(std::string text, std::mt19937& random) {
  for (int i = 0; i < 3; ++i) text[random() % text.size()] = static_cast<char>(random());
  if (random() % 4 == 0) text.resize(random() % text.size());
  return text;
}

TEST(MalformedTokenizer, DamagedJsonNeverCrashes) {
  std::mt19937 random(5);
  for (const Json& json : {small_llama_json(), small_byte_level_json()}) {
    const Folder folder;
    const std::string text = json.dump();
    for (int trial = 0; trial < 300; ++trial) {
      folder.write("tokenizer.json", damaged(text, random));
      survive(folder);
    }
  }
}

TEST(MalformedTokenizer, JsonWithExchangedMembersNeverCrashes) {
  std::mt19937 random(6);
  const Folder folder;
  for (const Json& json : {small_llama_json(), small_byte_level_json()}) {
    const Json flat = json.flatten();
    std::vector<std::string> keys;
    for (const auto& [key, value] : flat.items()) {
      if (!key.starts_with("/model/vocab")) keys.push_back(key);
    }
    for (int trial = 0; trial < 300; ++trial) {
      Json changed = json;
      // Another member's value, a number or null in the place of a member.
      const Json values{flat.at(keys[random() % keys.size()]), -1, nullptr, Json::object(), Json::array()};
      changed[Json::json_pointer(keys[random() % keys.size()])] = values[random() % values.size()];
      folder.write("tokenizer.json", changed);
      survive(folder);
    }
  }
}

TEST(MalformedTokenizer, DamagedSentencepieceModelNeverCrashes) {
  const auto data = test_data();
  if (!data) GTEST_SKIP() << "COLA_TEST_DATA is not set";
  std::ifstream in(*data / "models" / "stories260K" / "tokenizer.model", std::ios::binary);
  const std::string model((std::istreambuf_iterator<char>(in)), std::istreambuf_iterator<char>());
  ASSERT_FALSE(model.empty());
  std::mt19937 random(8);
  const Folder folder;
  for (int trial = 0; trial < 500; ++trial) {
    folder.write("tokenizer.model", damaged(model, random));
    survive(folder);
  }
}

TEST(OpenTokenizer, PrecedenceAndFiles) {
  const Folder folder;
  EXPECT_FALSE(has_tokenizer(folder.path()));
  EXPECT_NE(open_error(folder).find("no tokenizer"), std::string::npos);
  folder.write("vocab.json", small_byte_level_vocabulary({"<s>", "<pad>", "</s>", "<unk>"}));
  EXPECT_FALSE(has_tokenizer(folder.path()));
  folder.write("merges.txt", small_merges_text());
  EXPECT_TRUE(has_tokenizer(folder.path()));
  folder.write("tokenizer.json", small_llama_json());
  folder.write("generation_config.json", Json::object());
  folder.write("model.safetensors", std::string_view("x"));
  EXPECT_EQ(open_tokenizer(folder.path())->vocabulary_size(), 307);
  EXPECT_EQ(tokenizer_files(folder.path()).size(), 4U);
}

}  // namespace
}  // namespace cola::test
