#include <gtest/gtest.h>

#include "text/fixtures.h"

namespace cola::test {
namespace {

// Ids of small_llama_json().
constexpr std::int32_t space = 300;
constexpr std::int32_t ab = 303;
constexpr std::int32_t space_ab = 304;

TEST(LlamaJson, EncodesWithPrefixAndByteFallback) {
  const Folder folder;
  folder.write("tokenizer.json", small_llama_json());
  const auto tokenizer = open_tokenizer(folder.path());
  EXPECT_EQ(tokenizer->encode("ab ab"), (Ids{space_ab, space_ab}));
  // \u20AC is E2 82 AC, and byte b has id b + 3.
  EXPECT_EQ(tokenizer->encode("ab\u20AC"
                              "b"),
            (Ids{space_ab, 0xE2 + 3, 0x82 + 3, 0xAC + 3, 302}));
  EXPECT_EQ(tokenizer->encode("<s>ab</s>"), (Ids{1, space_ab, 2}));
  EXPECT_EQ(tokenizer->encode(""), Ids{});
}

TEST(LlamaJson, Decodes) {
  const Folder folder;
  folder.write("tokenizer.json", small_llama_json());
  const auto tokenizer = open_tokenizer(folder.path());
  for (const char* text : {"ab ab", " ab", "  ab", "a\u20AC\n", ""}) {
    EXPECT_EQ(tokenizer->decode(tokenizer->encode(text)), text);
  }
  EXPECT_EQ(tokenizer->decode(Ids{1, space_ab, space_ab, 2}), "ab ab");
  EXPECT_EQ(tokenizer->decode(Ids{1, space_ab, 2}, false), "<s> ab</s>");
  // An unfinished character: one U+FFFD a byte.
  EXPECT_EQ(tokenizer->decode(Ids{ab, 0xE2 + 3, 0x82 + 3, ab}), "ab\uFFFD\uFFFDab");
}

TEST(LlamaJson, UnknownCharactersWithoutByteTokens) {
  const Folder folder;
  Json json = small_llama_json(/*bytes=*/false);
  folder.write("tokenizer.json", json);
  EXPECT_EQ(open_tokenizer(folder.path())
                ->encode("ab\u20AC\u20AC"
                         "b"),
            (Ids{space_ab, 0, 302}));
  json["model"]["fuse_unk"] = false;
  folder.write("tokenizer.json", json);
  EXPECT_EQ(open_tokenizer(folder.path())
                ->encode("ab\u20AC\u20AC"
                         "b"),
            (Ids{space_ab, 0, 0, 302}));
}

TEST(LlamaJson, MetaspaceFirst) {
  const Folder folder;
  Json json = small_llama_json();
  json["normalizer"] = nullptr;
  json["pre_tokenizer"] = {
      {"type", "Metaspace"}, {"replacement", "\u2581"}, {"prepend_scheme", "first"}, {"split", false}};
  json["decoder"] = {{"type", "Metaspace"}, {"replacement", "\u2581"}, {"prepend_scheme", "first"}};
  folder.write("tokenizer.json", json);
  const auto tokenizer = open_tokenizer(folder.path());
  EXPECT_EQ(tokenizer->encode("ab<s>ab ab"), (Ids{space_ab, 1, ab, space_ab}));
  EXPECT_EQ(tokenizer->encode("<s>ab"), (Ids{1, ab}));
  EXPECT_EQ(tokenizer->decode(Ids{space_ab, space, space_ab}), "ab  ab");
}

TEST(LlamaJson, WithoutADecoderTokensAreJoinedWithSpaces) {
  const Folder folder;
  Json json = small_llama_json();
  json.erase("decoder");
  folder.write("tokenizer.json", json);
  EXPECT_EQ(open_tokenizer(folder.path())->decode(Ids{ab, ab}), "ab ab");
}

/// Both tokenizers of stories260K on the first lines of a JSONL file.
void expect_same_ids(const Tokenizer& json, const Tokenizer& model, const std::filesystem::path& file,
                     int lines) {
  std::ifstream in(file);
  std::string line;
  for (int i = 0; i < lines && std::getline(in, line); ++i) {
    const Json record = Json::parse(line);
    for (const auto& [key, value] : record.items()) {
      const auto text = value.get<std::string>();
      const Ids ids = json.encode(text);
      ASSERT_EQ(ids, model.encode(text)) << text;
      EXPECT_EQ(json.decode(ids), text);
      EXPECT_EQ(model.decode(ids), text);
    }
  }
}

TEST(Sentencepiece, AgreesWithTokenizerJson) {
  const auto data = test_data();
  if (!data) GTEST_SKIP() << "COLA_TEST_DATA is not set";
  const auto source = *data / "models" / "stories260K";
  const Folder folder;
  std::filesystem::copy(source / "tokenizer.model", folder.path() / "tokenizer.model");
  const auto json = open_tokenizer(source);
  const auto model = open_tokenizer(folder.path());
  EXPECT_EQ(json->vocabulary_size(), model->vocabulary_size());
  for (const char* name : {"fairy_tales", "e2e"}) {
    expect_same_ids(*json, *model, *data / "text" / name / "train.jsonl", 300);
  }
  for (const std::string text :
       {"", " ", "  two", "a\tb\n\n", "<s>Once</s> upon<s>", "\U0001F999 \u00E9\u4E2D", "<0x41>"}) {
    EXPECT_EQ(json->encode(text), model->encode(text)) << text;
    EXPECT_EQ(json->decode(json->encode(text)), model->decode(model->encode(text))) << text;
  }
  EXPECT_EQ(model->special().bos, 1);
  EXPECT_EQ(model->special().eos, 2);
  EXPECT_FALSE(model->special().pad);
  EXPECT_TRUE(model->special().add_bos);
}

TEST(Sentencepiece, LegacyFalsePrefixesTheFirstSectionOnly) {
  const auto data = test_data();
  if (!data) GTEST_SKIP() << "COLA_TEST_DATA is not set";
  const Folder folder;
  std::filesystem::copy(*data / "models" / "stories260K" / "tokenizer.model",
                        folder.path() / "tokenizer.model");
  const auto legacy = open_tokenizer(folder.path());
  folder.write("tokenizer_config.json", Json{{"tokenizer_class", "LlamaTokenizer"}, {"legacy", false}});
  const auto current = open_tokenizer(folder.path());
  EXPECT_EQ(current->encode("the cat"), legacy->encode("the cat"));
  EXPECT_EQ(legacy->decode(legacy->encode("a<s>b"), false), "a<s> b");
  EXPECT_EQ(current->decode(current->encode("a<s>b"), false), "a<s>b");
}

TEST(Sentencepiece, RefusesWhatIsNotAModel) {
  const Folder folder;
  for (const std::string& text :
       {std::string(), std::string("hello"), std::string(1000, '\xFF'), std::string("\x0A\x00", 2)}) {
    folder.write("tokenizer.model", text);
    EXPECT_NE(open_error(folder).find("tokenizer.model"), std::string::npos) << text;
  }
}

TEST(Llama2, GoldenIds) {
  const auto data = test_data();
  if (!data) GTEST_SKIP() << "COLA_TEST_DATA is not set";
  const auto tokenizer = open_tokenizer(*data / "tokenizers" / "llama2");
  EXPECT_EQ(tokenizer->encode("Hello world"), (Ids{15043, 3186}));
  EXPECT_EQ(tokenizer->encode("The capital of France is Paris."),
            (Ids{450, 7483, 310, 3444, 338, 3681, 29889}));
  EXPECT_EQ(tokenizer->encode("a\nYes"), (Ids{263, 13, 8241}));
  EXPECT_EQ(tokenizer->vocabulary_size(), 32000);
  EXPECT_EQ(tokenizer->special().bos, 1);
  EXPECT_EQ(tokenizer->special().eos, 2);
  EXPECT_FALSE(tokenizer->special().pad);
  EXPECT_TRUE(tokenizer->special().add_bos);
}

TEST(TinyStories656K, NormalizedTokensAndNoBytes) {
  const auto data = test_data();
  if (!data) GTEST_SKIP() << "COLA_TEST_DATA is not set";
  const auto tokenizer = open_tokenizer(*data / "models" / "TinyStories-656K");
  EXPECT_EQ(tokenizer->vocabulary_size(), 2048);
  EXPECT_EQ(tokenizer->special().bos, 1);
  EXPECT_EQ(tokenizer->special().eos, 2);
  EXPECT_EQ(tokenizer->special().pad, 0);
  EXPECT_TRUE(tokenizer->special().add_bos);
  const std::string text = "Once upon a time, there was a girl.";
  const Ids ids = tokenizer->encode(text);
  EXPECT_EQ(tokenizer->decode(ids), text);
  EXPECT_EQ(tokenizer->encode("<|start_story|>").front(), 1);
  const Ids unknown = tokenizer->encode("a \U0001F999\U0001F999 b");
  EXPECT_EQ(std::count(unknown.begin(), unknown.end(), 0), 1);
}

}  // namespace
}  // namespace cola::test
