// Tokenizers of GGUF files: small ones made here, and against the ids that llama.cpp gives.
#include <gtest/gtest.h>

#include "text/chat/built_in_templates.h"
#include "text/chat/files.h"
#include "text/chat_templates.h"
#include "text/gguf_fixtures.h"

namespace cola::test {
namespace {

void expect_refused(const GgufTokens& tokens, const std::string& cause) {
  const std::string message = gguf_error(tokens);
  EXPECT_NE(message.find("vocabulary.gguf: "), std::string::npos) << "\"" << message << "\" for " << cause;
  EXPECT_NE(message.find(cause), std::string::npos) << message;
  EXPECT_EQ(message.find('\n'), std::string::npos) << message;
}

TEST(GgufTokenizer, ByteLevelCutsTextsByTheNamedPreTokenizer) {
  const auto words = [](const std::string& pre) {
    GgufTokens tokens = small_gguf_byte_level(pre);
    tokens.merges = {"1 1", "\u0120 1", "\u0120 11"};  // the spaces are "\u0120"
    for (const char* token : {"11",
                              "\u0120"
                              "1",
                              "\u0120"
                              "11"})
      tokens.tokens.emplace_back(token);
    tokens.types.resize(tokens.tokens.size(), 1);
    Ids ids = open_gguf(tokens)->encode(" 11");
    return ids.size();
  };
  EXPECT_EQ(words("gpt-2"), 1U);      // " 11"
  EXPECT_EQ(words("llama-bpe"), 2U);  // " ", "11"
  EXPECT_EQ(words("dbrx"), 2U);
  EXPECT_EQ(words("smollm"), 3U);  // " ", "1", "1"
  EXPECT_EQ(words("qwen2"), 3U);
  EXPECT_EQ(words(""), 2U);  // default: " ", "11"
}

TEST(GgufTokenizer, ControlAndUserDefinedTokensAreCutOut) {
  const auto tokenizer = open_gguf(small_gguf_byte_level("gpt-2"));
  const Ids ids = tokenizer->encode("<tool>hello<|end_of_text|>");
  EXPECT_EQ(ids, (Ids{2, 263, 1}));
  EXPECT_EQ(tokenizer->encode("[PAD3]").size(), 6U);
  EXPECT_EQ(tokenizer->decode(ids, false), "<tool>hello<|end_of_text|>");
  EXPECT_EQ(tokenizer->decode(ids, true), "<tool>hello");
  EXPECT_EQ(tokenizer->vocabulary_size(), 267);
  EXPECT_EQ(tokenizer->piece(3), "[PAD3]");
}

TEST(GgufTokenizer, SpecialTokensAreTheKeysOrLlamaCppsDefaults) {
  GgufTokens tokens = small_gguf_byte_level("gpt-2");
  tokens.ids["padding_token_id"] = 3;
  auto tokenizer = open_gguf(tokens);
  EXPECT_EQ(tokenizer->special().bos, 0);
  EXPECT_EQ(tokenizer->special().eos, 1);
  EXPECT_EQ(tokenizer->special().pad, 3);
  EXPECT_FALSE(tokenizer->special().add_bos);
  EXPECT_EQ(tokenizer->special().ends, (Ids{1}));
  tokens.pre = "llama-bpe";
  EXPECT_TRUE(open_gguf(tokens)->special().add_bos);
  tokens.flags["add_bos_token"] = false;
  EXPECT_FALSE(open_gguf(tokens)->special().add_bos);
  tokens.ids.clear();
  EXPECT_EQ(open_gguf(tokens)->special().bos, 11);
  EXPECT_EQ(open_gguf(tokens)->special().eos, 11);
  const auto sentencepiece = open_gguf(small_gguf_sentencepiece());
  EXPECT_EQ(sentencepiece->special().bos, 1);
  EXPECT_EQ(sentencepiece->special().eos, 2);
  EXPECT_TRUE(sentencepiece->special().add_bos);
}

TEST(GgufTokenizer, EndsAreKnownByTheirText) {
  GgufTokens tokens = small_gguf_byte_level("gpt-2");
  for (const char* text :
       {"<|im_end|>", "<|end|>", "<|call|>", "<|return|>", "<|fim_pad|>", "<|fim_prefix|>"})
    tokens.tokens.emplace_back(text);
  tokens.types.resize(tokens.tokens.size(), 1);  // their text makes them control tokens
  tokens.ids["eot_token_id"] = 3;
  const auto tokenizer = open_gguf(tokens);
  EXPECT_EQ(tokenizer->special().ends, (Ids{1, 3, 267, 269, 270, 271}));
  EXPECT_EQ(tokenizer->encode("<|im_end|><|fim_prefix|>"), (Ids{267, 272}));
  EXPECT_EQ(tokenizer->decode(Ids{267, 272}, true), "");
}

TEST(GgufTokenizer, SentencepieceMergesByScoreAndFallsBackToBytes) {
  GgufTokens tokens = small_gguf_sentencepiece();
  auto tokenizer = open_gguf(tokens);
  EXPECT_EQ(tokenizer->encode("ab"), (Ids{263}));
  EXPECT_EQ(tokenizer->encode("aab"), (Ids{264, 262}));  // ab first, then the space with a
  EXPECT_EQ(tokenizer->encode("a\n"), (Ids{264, 3 + '\n'}));
  EXPECT_EQ(tokenizer->encode("a</s>ab<s> b"), (Ids{264, 2, 263, 1, 259, 259, 261}));
  EXPECT_EQ(tokenizer->decode(Ids{264, 3 + '\n', 263}, true), "a\n ab");
  tokens.flags["add_space_prefix"] = false;
  tokenizer = open_gguf(tokens);
  EXPECT_EQ(tokenizer->encode("ab ab"), (Ids{262, 263}));
  EXPECT_EQ(tokenizer->decode(Ids{263, 263}, true), " ab ab");
  tokens.scores.back() = 0.0F;  // "aa" before "ab"
  EXPECT_EQ(open_gguf(tokens)->encode("aab"), (Ids{265, 261}));
}

TEST(GgufTokenizer, Phi3TakesTheWhiteSpaceBehindItsTokens) {
  GgufTokens tokens = small_gguf_sentencepiece();
  tokens.tokens.emplace_back("<|end|>");
  tokens.types.push_back(3);
  tokens.scores.push_back(0.0F);
  EXPECT_EQ(open_gguf(tokens)->encode("<|end|>\nab"), (Ids{266, 259, 3 + '\n', 262}));
  tokens.texts["general.name"] = "Phi-3 mini";
  EXPECT_EQ(open_gguf(tokens)->encode("<|end|>\nab"), (Ids{266, 263}));
  EXPECT_EQ(open_gguf(tokens)->encode("<s>\nab"), (Ids{1, 259, 3 + '\n', 262}));
}

TEST(GgufTokenizer, MalformedKeysAreNamed) {
  const auto with = [](const auto& change, bool byte_level = true) {
    GgufTokens tokens = byte_level ? small_gguf_byte_level("gpt-2") : small_gguf_sentencepiece();
    change(tokens);
    return tokens;
  };
  expect_refused(with([](GgufTokens& t) { t.model = "bert"; }), "tokenizer.ggml.model: \"bert\"");
  expect_refused(with([](GgufTokens& t) { t.pre = "gpt-7"; }), "unknown pre-tokenizer type: \"gpt-7\"");
  expect_refused(with([](GgufTokens& t) { t.pre = "kimi-k2"; }), "\"kimi-k2\"");
  expect_refused(with([](GgufTokens& t) { t.tokens.clear(); }), "tokenizer.ggml.tokens: it is missing");
  expect_refused(with([](GgufTokens& t) { t.tokens[9] = t.tokens[8]; }), "tokenizer.ggml.tokens: ");
  expect_refused(with([](GgufTokens& t) { t.tokens[9] = "\xC3"; }), "token 9 is not UTF-8");
  expect_refused(with([](GgufTokens& t) { t.types.pop_back(); }), "token_type: it has 266 entries");
  expect_refused(with([](GgufTokens& t) { t.types[5] = 7; }), "token_type: token 5 has type 7");
  expect_refused(with([](GgufTokens& t) { t.merges.clear(); }), "merges: it is missing");
  expect_refused(with([](GgufTokens& t) { t.merges[1] = " ll"; }), "merge 1 has no space");
  expect_refused(with([](GgufTokens& t) { t.merges[1] = "l m"; }), "\"lm\"");
  expect_refused(with([](GgufTokens& t) { t.ids["eos_token_id"] = 267; }), "eos_token_id: 267 is no id");
  expect_refused(with([](GgufTokens& t) { t.ids["eot_token_id"] = 1U << 31U; }), "eot_token_id");
  expect_refused(with([](GgufTokens& t) { t.ids["add_bos_token"] = 1; }), "add_bos_token");
  expect_refused(with([](GgufTokens& t) { t.tokens[0] = std::string(70'000, 'x'); }),
                 "tokenizer.ggml.tokens: control");
  expect_refused(with([](GgufTokens& t) { t.scores.push_back(1); }, false), "scores: it has 267 entries");
  expect_refused(with([](GgufTokens& t) { t.scores[4] = std::nanf(""); }, false), "token 4 is NaN");
  expect_refused(with([](GgufTokens& t) { t.tokens[265] = "ac"; }, false), "\"c\", which is no token");
  expect_refused(with(
                     [](GgufTokens& t) {
                       for (std::size_t i = 3; i <= 200; ++i) {
                         t.tokens.emplace_back(i, 'a');
                         t.types.push_back(1);
                         t.scores.push_back(0.0F);
                       }
                     },
                     false),
                 "merges");
}

TEST(GgufTokenizer, EmptyTokensAreNamedByTheirIds) {
  GgufTokens tokens = small_gguf_byte_level("gpt-2");
  tokens.tokens[3] = "";
  EXPECT_EQ(open_gguf(tokens)->piece(3), "[EMPTY_3]");
}

TEST(GgufTokenizer, FilesWithoutAVocabularyHaveNone) {
  const Folder folder;
  GgufMetadata metadata;
  metadata.add("general.name", std::string_view("x"));
  write_gguf(folder.path() / "a.gguf", metadata);
  EXPECT_FALSE(has_tokenizer(folder.path() / "a.gguf"));
  EXPECT_TRUE(end_tokens_of(folder.path() / "a.gguf").empty());
  EXPECT_TRUE(read_chat_templates(folder.path() / "a.gguf").templates.empty());
  write_gguf(folder.path() / "b.gguf", small_gguf_byte_level("gpt-2"));
  EXPECT_TRUE(has_tokenizer(folder.path() / "b.gguf"));
}

TEST(GgufTokenizer, TheChatTemplateIsTheFiles) {
  const Folder folder;
  GgufTokens tokens = small_gguf_byte_level("gpt-2");
  tokens.tokens[2] = "<|im_start|>";
  tokens.tokens[3] = "<|im_end|>";
  tokens.texts["tokenizer.chat_template"] = *built_in_chat_template("chatml", /*bos=*/false, /*eos=*/false);
  const auto file = folder.path() / "a.gguf";
  tokens.texts["tokenizer.chat_template.tool_use"] = "a";
  write_gguf(file, tokens);
  const OwnTemplates own = read_chat_templates(file);
  EXPECT_EQ(own.file, file);
  ASSERT_EQ(own.templates.size(), 2U);
  EXPECT_EQ(own.find("tool_use")->jinja, "a");
  EXPECT_EQ(end_tokens_of(file), (std::set<std::int32_t>{1, 3}));
  const ChatFiles files = read_chat_files(file, open_tokenizer(file).get());
  EXPECT_EQ(files.jinja, own.find("default")->jinja);
  EXPECT_EQ(files.end_tokens, (std::set<std::int32_t>{1, 3}));
}

/// The file's ids as llama.cpp parses special tokens, and without that where there are none.
void expect_ids(const std::filesystem::path& file, const Json& cases) {
  const auto tokenizer = open_tokenizer(file);
  ASSERT_GT(cases.size(), 20U);
  for (const Json& record : cases) {
    const auto text = record.at("text").get<std::string>();
    const Ids ids = tokenizer->encode(text);
    Ids with_bos = ids;
    if (tokenizer->special().add_bos) with_bos.insert(with_bos.begin(), *tokenizer->special().bos);
    EXPECT_EQ(with_bos, record.at("special").get<Ids>()) << file << record.at("text");
    const bool has_control_token = std::ranges::any_of(ids, [&](std::int32_t id) {
      return tokenizer->text_of(id).added && tokenizer->decode(Ids{id}).empty();
    });
    if (has_control_token) continue;
    EXPECT_EQ(ids, record.at("plain").get<Ids>()) << file << record.at("text");
  }
}

class GgufFixtures : public testing::Test {
 protected:
  void SetUp() override {
    const auto data = test_data();
    if (!data || !std::filesystem::exists(*data / "gguf"))
      GTEST_SKIP() << "COLA_TEST_DATA has no folder gguf";
    folder_ = *data / "gguf";
  }
  std::filesystem::path folder_;
};

TEST_F(GgufFixtures, ByteLevelIdsAreLlamaCpps) {
  const Json all = Json::parse(std::ifstream(folder_ / "tokens" / "ids.json"));
  ASSERT_EQ(all.size(), 12U);
  for (const auto& [name, cases] : all.items()) expect_ids(folder_ / "tokens" / name, cases);
}

TEST_F(GgufFixtures, SentencepieceIdsAreLlamaCpps) {
  const auto folder = folder_ / "models" / "llama";
  expect_ids(folder / "model-f32.gguf", Json::parse(std::ifstream(folder / "ids.json")));
}

}  // namespace
}  // namespace cola::test
