// Tokenizers from a GGUF file into a Hugging Face folder and from a folder into keys.
#include <gtest/gtest.h>

#include "io/gguf/gguf_file.h"
#include "text/chat/built_in_templates.h"
#include "text/chat/files.h"
#include "text/chat_templates.h"
#include "text/gguf_fixtures.h"
#include "text/gguf_tokenizer_keys.h"
#include "text/gguf_vocabulary.h"
#include "text/huggingface_tokenizer.h"

namespace cola::test {
namespace {

const std::vector<std::string>& texts() {
  static const std::vector<std::string> all{"hello world",
                                            " hello  world ",
                                            "it's 12345 o'clock, he'LL\r\n\n go",
                                            "<tool>hello<|end_of_text|> a<s>ab</s>\nab",
                                            "ab aab  aaab\t\u00E9e\u0301 \u4F60\u597D \uFF11\uFF12",
                                            "CamelCase XMLHttp \u00C0\u00C9a a\u00C0 path/to/x.y !!! ",
                                            ""};
  return all;
}

void expect_same(const Tokenizer& a, const Tokenizer& b, const std::string& what) {
  for (const std::string& text : texts()) {
    const Ids ids = a.encode(text);
    EXPECT_EQ(b.encode(text), ids) << what << ": " << text;
    EXPECT_EQ(b.decode(ids, true), a.decode(ids, true)) << what << ": " << text;
    EXPECT_EQ(b.decode(ids, false), a.decode(ids, false)) << what << ": " << text;
  }
  EXPECT_EQ(b.special().bos, a.special().bos) << what;
  EXPECT_EQ(b.special().eos, a.special().eos) << what;
  EXPECT_EQ(b.special().add_bos, a.special().add_bos) << what;
  EXPECT_EQ(b.vocabulary_size(), a.vocabulary_size()) << what;
}

void write_folder(const std::filesystem::path& gguf, const std::filesystem::path& folder) {
  write_huggingface_tokenizer(GgufFile(gguf).keys(), folder);
}

/// Writes the folder's tokenizer as keys of a file. Returns the notes.
std::vector<std::string> write_keys(const std::filesystem::path& folder, std::int64_t vocab_size,
                                    const std::filesystem::path& file) {
  GgufMetadata metadata;
  std::vector<std::string> notes;
  add_tokenizer_keys(folder, vocab_size, metadata, notes);
  write_gguf(file, metadata);
  return notes;
}

std::string keys_error(const Folder& folder, std::int64_t vocab_size = 1000) {
  try {
    (void)write_keys(folder.path(), vocab_size, folder.path() / "x.gguf");
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

/// Through a folder and back to keys: the same vocabulary.
void expect_round_trip(const std::filesystem::path& gguf, const std::string& what) {
  const Folder folder;
  write_folder(gguf, folder.path());
  const auto tokenizer = open_tokenizer(gguf);
  expect_same(*tokenizer, *open_tokenizer(folder.path()), what);
  const auto back = folder.path() / "back.gguf";
  EXPECT_EQ(write_keys(folder.path(), tokenizer->vocabulary_size(), back), std::vector<std::string>{})
      << what;
  expect_same(*tokenizer, *open_tokenizer(back), what);
  const GgufFile first_file(gguf);
  const GgufFile second_file(back);
  const GgufVocabulary first = read_gguf_vocabulary(first_file.keys());
  const GgufVocabulary second = read_gguf_vocabulary(second_file.keys());
  EXPECT_EQ(first.model, second.model);
  EXPECT_TRUE(std::ranges::equal(first.merges, second.merges)) << what;
  EXPECT_EQ(first.ends, second.ends) << what;
  ASSERT_EQ(first.tokens.size(), second.tokens.size()) << what;
  for (std::size_t i = 0; i < first.tokens.size(); ++i) {
    EXPECT_EQ(first.tokens[i].text, second.tokens[i].text) << what;
    EXPECT_EQ(first.tokens[i].is_special(), second.tokens[i].is_special()) << what << first.tokens[i].text;
    EXPECT_EQ(first.tokens[i].is_added(), second.tokens[i].is_added()) << what << first.tokens[i].text;
  }
}

TEST(GgufTokenizerKeys, ByteLevelGoesThroughAFolder) {
  for (const char* pre : {"gpt-2", "smollm", "llama-bpe", "dbrx", "qwen2", "qwen35", "tekken", "gpt-4o",
                          "deepseek-v3", "falcon", "default"}) {
    const Folder folder;
    GgufTokens tokens = small_gguf_byte_level(pre);
    tokens.tokens[3] = "<|im_end|>";
    write_gguf(folder.path() / "a.gguf", tokens);
    expect_round_trip(folder.path() / "a.gguf", pre);
  }
}

TEST(GgufTokenizerKeys, SentencepieceGoesThroughAFolder) {
  for (const bool prefix : {true, false}) {
    const Folder folder;
    GgufTokens tokens = small_gguf_sentencepiece();
    tokens.flags["add_space_prefix"] = prefix;
    write_gguf(folder.path() / "a.gguf", tokens);
    expect_round_trip(folder.path() / "a.gguf", prefix ? "with prefix" : "without prefix");
  }
}

TEST(GgufTokenizerKeys, TheFolderHasTemplateAndEnds) {
  const Folder folder;
  GgufTokens tokens = small_gguf_byte_level("gpt-2");
  tokens.tokens[2] = "<|im_start|>";
  tokens.tokens[3] = "<|im_end|>";
  tokens.texts["tokenizer.chat_template"] = *built_in_chat_template("chatml", /*bos=*/false, /*eos=*/false);
  write_gguf(folder.path() / "a.gguf", tokens);
  write_folder(folder.path() / "a.gguf", folder.path());
  EXPECT_EQ(read_chat_templates(folder.path()).templates.at(0).jinja,
            tokens.texts["tokenizer.chat_template"]);
  EXPECT_EQ(end_tokens_of(folder.path()), (std::set<std::int32_t>{1, 3}));
  (void)write_keys(folder.path(), 270, folder.path() / "b.gguf");
  EXPECT_EQ(read_chat_templates(folder.path() / "b.gguf").templates.at(0).jinja,
            tokens.texts["tokenizer.chat_template"]);
  EXPECT_EQ(open_tokenizer(folder.path() / "b.gguf")->piece(269), "[PAD269]");
  EXPECT_EQ(end_tokens_of(folder.path() / "b.gguf"), (std::set<std::int32_t>{1, 3}));
}

TEST(GgufTokenizerKeys, NamedTemplatesAreKept) {
  const Folder folder;
  folder.write("tokenizer.json", small_byte_level_json());
  folder.write("tokenizer_config.json",
               Json{{"chat_template",
                     {{{"name", "default"}, {"template", "a"}}, {{"name", "tools"}, {"template", "b"}}}}});
  (void)write_keys(folder.path(), 267, folder.path() / "a.gguf");
  const GgufFile file(folder.path() / "a.gguf");
  EXPECT_EQ(file.keys().at<std::string_view>("tokenizer.chat_template"), "a");
  EXPECT_EQ(file.keys().at<std::string_view>("tokenizer.chat_template.tools"), "b");
  ASSERT_NE(file.keys().strings("tokenizer.chat_templates"), nullptr);
  EXPECT_EQ(file.keys().strings("tokenizer.chat_templates")->front(), "tools");
  const Folder back;
  write_folder(folder.path() / "a.gguf", back.path());
  EXPECT_EQ(read_chat_templates(back.path()).find("default")->jinja, "a");
  EXPECT_EQ(read_chat_templates(back.path()).find("tools")->jinja, "b");
  write_tokenizer_files(folder.path() / "copy", back.path());
  EXPECT_EQ(read_chat_templates(folder.path() / "copy").find("tools")->jinja, "b");
}

TEST(GgufTokenizerKeys, AnEndOfUnknownTextIsNamed) {
  const Folder folder;
  folder.write("tokenizer.json", small_byte_level_json());
  folder.write("generation_config.json", Json{{"eos_token_id", {1, 3}}});
  (void)write_keys(folder.path(), 267, folder.path() / "a.gguf");
  EXPECT_EQ(end_tokens_of(folder.path() / "a.gguf"), (std::set<std::int32_t>{1, 2, 3}));  // 2: <|eot_id|>
}

TEST(GgufTokenizerKeys, FoldersOfAllKindsKeepTheirIds) {
  const Folder byte_level;
  byte_level.write("tokenizer.json", small_byte_level_json());
  const Folder opt;
  write_opt_files(opt);
  const Folder llama;
  Json json = small_llama_json();
  json["model"]["merges"] = {"a b", "\u2581 ab", "\u2581a b", "\u2581 a"};
  llama.write("tokenizer.json", json);
  for (const Folder* folder : {&byte_level, &opt, &llama}) {
    const auto tokenizer = open_tokenizer(folder->path());
    const auto file = folder->path() / "a.gguf";
    EXPECT_EQ(write_keys(folder->path(), tokenizer->vocabulary_size(), file), std::vector<std::string>{});
    expect_same(*tokenizer, *open_tokenizer(file), folder->path().string());
  }
  EXPECT_EQ(open_tokenizer(llama.path() / "a.gguf")->encode("ab"), (Ids{304}));
}

TEST(GgufTokenizerKeys, WhatNoKeySaysIsRefusedOrNoted) {
  const Folder folder;
  const auto error = [&](Json json) {
    folder.write("tokenizer.json", json);
    return keys_error(folder);
  };
  const auto expect_named = [&](const Json& json, const std::string& cause) {
    const std::string message = error(json);
    EXPECT_NE(message.find(cause), std::string::npos) << "\"" << message << "\" for " << cause;
    EXPECT_NE(message.find("tokenizer.json"), std::string::npos) << message;
  };
  Json json = small_byte_level_json();
  EXPECT_EQ(error(json), "");
  json["pre_tokenizer"]["add_prefix_space"] = true;
  expect_named(json, "add_prefix_space");
  json = small_byte_level_json();
  json["normalizer"] = {{"type", "NFKC"}};
  expect_named(json, "NFKC");
  json = small_byte_level_json();
  json["model"]["ignore_merges"] = true;
  expect_named(json, "ignore_merges");
  json = small_byte_level_json();
  json["pre_tokenizer"] = {
      {"type", "Sequence"},
      {"pretokenizers",
       {{{"type", "Split"}, {"pattern", {{"Regex", "[a-c]+"}}}, {"behavior", "Isolated"}},
        {{"type", "ByteLevel"}, {"add_prefix_space", false}, {"use_regex", false}}}}};
  expect_named(json, "the pre_tokenizer");
  expect_named(small_llama_json(), "can be made in 2 ways");
  json = small_llama_json();
  json["model"]["merges"] = {"\u2581 ab", "a b", "\u2581a b", "\u2581 a"};
  expect_named(json, "not in one place");
  folder.write("tokenizer.json", small_byte_level_json());
  EXPECT_NE(keys_error(folder, 266).find("267 tokens"), std::string::npos);

  json = small_byte_level_json();
  json["normalizer"] = {{"type", "NFC"}};
  json["added_tokens"][3]["lstrip"] = true;
  folder.write("tokenizer.json", json);
  const auto notes = write_keys(folder.path(), 267, folder.path() / "a.gguf");
  ASSERT_EQ(notes.size(), 2U);
  EXPECT_NE(notes[0].find("NFC"), std::string::npos);
  EXPECT_NE(notes[1].find("<|other|>"), std::string::npos);
}

TEST(GgufTokenizerKeys, FixturesGoThroughAFolder) {
  const auto data = test_data();
  if (!data || !std::filesystem::exists(*data / "gguf")) GTEST_SKIP() << "COLA_TEST_DATA has no folder gguf";
  for (const auto& entry : std::filesystem::directory_iterator(*data / "gguf" / "tokens")) {
    if (entry.path().extension() == ".gguf") expect_round_trip(entry.path(), entry.path().filename());
  }
  for (const char* model : {"llama", "gemma3"})
    expect_round_trip(*data / "gguf" / "models" / model / "model-f32.gguf", model);
}

class PublishedKeys : public testing::TestWithParam<std::pair<const char*, const char*>> {};

/// Published tokenizers as keys give what the `tokenizers` package gives.
TEST_P(PublishedKeys, KeepTheIds) {
  const auto [name, pre] = GetParam();
  const auto data = test_data();
  if (!data) GTEST_SKIP() << "COLA_TEST_DATA is not set";
  const auto source = *data / "tokenizers" / name;
  if (!std::filesystem::exists(source / "golden.json")) GTEST_SKIP() << source << " has no golden.json";
  const Folder folder;
  const auto file = folder.path() / "a.gguf";
  (void)write_keys(source, open_tokenizer(source)->vocabulary_size() + 5, file);
  EXPECT_EQ(GgufFile(file).keys().get<std::string_view>("tokenizer.ggml.pre", ""), pre);
  const auto tokenizer = open_tokenizer(file);
  const Json golden = Json::parse(std::ifstream(source / "golden.json"));
  int composed = 0;  // texts that the tokenizer's NFC changes
  for (const Json& record : golden.at("cases")) {
    const auto text = record.at("text").get<std::string>();
    if (record.contains("decoded") && std::string(name) == "qwen3") {
      ++composed;
      continue;
    }
    EXPECT_EQ(tokenizer->encode(text), record.at("ids").get<Ids>()) << record.at("what") << text;
  }
  EXPECT_LT(composed, 20);
}

INSTANTIATE_TEST_SUITE_P(Published, PublishedKeys,
                         testing::Values(std::pair("qwen3", "qwen2"), std::pair("gemma3", "default"),
                                         std::pair("llama3_1", "llama-bpe"),
                                         std::pair("deepseek_v3", "deepseek-v3")),
                         [](const auto& name) { return std::string(name.param.first); });

}  // namespace
}  // namespace cola::test
