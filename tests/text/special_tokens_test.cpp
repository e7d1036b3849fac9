#include "text/special_tokens.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "text/fixtures.h"

namespace cola::test {
namespace {

TEST(SpecialTokens, OptByItsVocabulary) {
  const Folder folder;
  write_opt_files(folder);
  const auto tokenizer = open_tokenizer(folder.path());
  EXPECT_EQ(tokenizer->special().bos, 2);
  EXPECT_EQ(tokenizer->special().eos, 2);
  EXPECT_EQ(tokenizer->special().pad, 1);
  EXPECT_TRUE(tokenizer->special().add_bos);
}

TEST(SpecialTokens, Gpt2HasNoBos) {
  const Folder folder;
  folder.write("vocab.json", small_byte_level_vocabulary({"<|endoftext|>"}));
  folder.write("merges.txt", small_merges_text());
  const auto tokenizer = open_tokenizer(folder.path());
  EXPECT_FALSE(tokenizer->special().bos);
  EXPECT_EQ(tokenizer->special().eos, 0);
  EXPECT_FALSE(tokenizer->special().add_bos);
}

TEST(SpecialTokens, ConfigurationThenMap) {
  const Folder folder;
  write_opt_files(folder);
  folder.write("tokenizer_config.json", Json{{"tokenizer_class", "GPT2Tokenizer"},
                                             {"add_bos_token", true},
                                             {"bos_token", {{"content", "<s>"}}},
                                             {"eos_token", nullptr}});
  folder.write("special_tokens_map.json",
               Json{{"bos_token", "<unk>"}, {"eos_token", "<unk>"}, {"pad_token", "<pad>"}});
  const auto tokenizer = open_tokenizer(folder.path());
  EXPECT_EQ(tokenizer->special().bos, 0);
  EXPECT_EQ(tokenizer->special().eos, 3);
  EXPECT_EQ(tokenizer->special().pad, 1);
  EXPECT_TRUE(tokenizer->special().add_bos);
}

TEST(SpecialTokens, AddBosByClassAndPostProcessor) {
  const Folder folder;
  write_opt_files(folder);
  folder.write("tokenizer_config.json", Json{{"tokenizer_class", "GPT2Tokenizer"}});
  EXPECT_FALSE(open_tokenizer(folder.path())->special().add_bos);
  const Folder llama;
  Json json = small_llama_json();
  const auto adds_bos = [&](const Json& config) {
    llama.write("tokenizer.json", json);
    llama.write("tokenizer_config.json", config);
    return open_tokenizer(llama.path())->special().add_bos;
  };
  EXPECT_TRUE(adds_bos({{"tokenizer_class", "PreTrainedTokenizerFast"}}));
  json["post_processor"] = {{"type", "ByteLevel"}};
  EXPECT_FALSE(adds_bos({{"tokenizer_class", "PreTrainedTokenizerFast"}}));
  EXPECT_FALSE(adds_bos({{"tokenizer_class", "LlamaTokenizerFast"}}));
  json["post_processor"] = nullptr;
  EXPECT_TRUE(adds_bos({{"tokenizer_class", "LlamaTokenizerFast"}}));
  EXPECT_FALSE(adds_bos({{"tokenizer_class", "LlamaTokenizer"}, {"add_bos_token", false}}));
}

// As transformers 5 and the tokenizers package do.
TEST(SpecialTokens, ThePostProcessorCountsAndARemarkSaysSo) {
  const Folder folder;
  Json json = small_llama_json();
  const auto special = [&](const Json& config) {
    folder.write("tokenizer.json", json);
    folder.write("tokenizer_config.json", config);
    return open_tokenizer(folder.path())->special();
  };
  EXPECT_EQ(special({{"add_bos_token", true}, {"bos_token", "<s>"}}).remark, "");
  const SpecialTokens put_first = special({{"add_bos_token", false}});
  EXPECT_TRUE(put_first.add_bos);
  EXPECT_NE(put_first.remark.find("add_bos_token false"), std::string::npos) << put_first.remark;
  const SpecialTokens another = special({{"bos_token", "</s>"}});
  EXPECT_EQ(another.bos, 1);
  EXPECT_NE(another.remark.find("bos_token \"</s>\""), std::string::npos) << another.remark;
  json["post_processor"] = {{"type", "ByteLevel"}};
  const SpecialTokens none = special({{"add_bos_token", true}, {"bos_token", "<s>"}});
  EXPECT_FALSE(none.add_bos);
  EXPECT_NE(none.remark.find("add_bos_token true"), std::string::npos) << none.remark;
  EXPECT_EQ(special({{"add_bos_token", false}}).remark, "");
}

TEST(SpecialTokens, TheFileCountsWhereTheClassHasOtherRules) {
  const Folder folder;
  const auto remark = [&](const Json& file, const Json& config) {
    folder.write("tokenizer.json", file);
    folder.write("tokenizer_config.json", config);
    return open_tokenizer(folder.path())->special().remark;
  };
  Json json = small_byte_level_json();
  const std::string one = remark(json, {{"tokenizer_class", "LlamaTokenizerFast"}});
  EXPECT_NE(one.find("tokenizer_class \"LlamaTokenizerFast\""), std::string::npos) << one;
  EXPECT_EQ(std::ranges::count(one, '\n'), 0) << one;
  json["post_processor"] = {{"type", "ByteLevel"}};
  const std::string two = remark(
      json, {{"tokenizer_class", "LlamaTokenizerFast"}, {"add_bos_token", true}, {"bos_token", "<|other|>"}});
  EXPECT_NE(two.find("add_bos_token true"), std::string::npos) << two;
  EXPECT_EQ(std::ranges::count(two, '\n'), 1) << two;
  EXPECT_EQ(remark(json, {{"tokenizer_class", "PreTrainedTokenizerFast"}}), "");
  EXPECT_EQ(remark(small_llama_json(), {{"tokenizer_class", "LlamaTokenizer"}}), "");
}

TEST(SpecialTokens, EndsAreEosAndTheEndsOfTurns) {
  const Folder folder;
  folder.write("tokenizer.json", small_byte_level_json());
  const auto tokenizer = open_tokenizer(folder.path());
  EXPECT_EQ(tokenizer->special().ends, (Ids{1, 2}));
  EXPECT_TRUE(tokenizer->special().is_end(2));
  EXPECT_FALSE(tokenizer->special().is_end(3));
}

TEST(SpecialTokens, AddedTokensDecoderAndAddedTokensFile) {
  const Folder folder;
  write_opt_files(folder);
  folder.write("tokenizer_config.json",
               Json{{"added_tokens_decoder", {{"500", {{"content", "<|im_end|>"}, {"special", true}}}}}});
  folder.write("added_tokens.json", Json{{"<extra>", 501}});
  const auto tokenizer = open_tokenizer(folder.path());
  EXPECT_EQ(tokenizer->encode("<|im_end|><extra>"), (Ids{500, 501}));
  EXPECT_EQ(tokenizer->decode(Ids{500, 501}), "<extra>");
  EXPECT_EQ(tokenizer->vocabulary_size(), 502);
  EXPECT_EQ(tokenizer->special().bos, 2);
}

TEST(SpecialTokens, RefusesNamesThatAreNotThere) {
  const Folder folder;
  write_opt_files(folder);
  folder.write("tokenizer_config.json", Json{{"eos_token", "<nowhere>"}});
  EXPECT_NE(open_error(folder).find("<nowhere>"), std::string::npos);
  folder.write("tokenizer_config.json", Json{{"eos_token", 5}});
  EXPECT_NE(open_error(folder).find("tokenizer_config.json"), std::string::npos);
  folder.write("tokenizer_config.json", Json{{"pad_token", "<nowhere>"}});
  EXPECT_FALSE(open_tokenizer(folder.path())->special().pad);
  folder.write("vocab.json", small_byte_level_vocabulary({}));
  folder.write("tokenizer_config.json", Json{{"add_bos_token", true}});
  EXPECT_NE(open_error(folder).find("bos_token"), std::string::npos);
}

TEST(OptFiles, GoldenIds) {
  const auto data = test_data();
  if (!data) GTEST_SKIP() << "COLA_TEST_DATA is not set";
  const auto opt = open_tokenizer(*data / "tokenizers" / "opt");
  EXPECT_EQ(opt->special().bos, 2);
  EXPECT_EQ(opt->special().eos, 2);
  EXPECT_EQ(opt->special().pad, 1);
  EXPECT_TRUE(opt->special().add_bos);
  EXPECT_EQ(opt->vocabulary_size(), 50265);
  EXPECT_EQ(opt->encode("Hello world"), (Ids{31414, 232}));
  EXPECT_EQ(opt->encode("Hello, my dog is cute"), (Ids{31414, 6, 127, 2335, 16, 11962}));
  EXPECT_EQ(opt->encode("a\nYes"), (Ids{102, 50118, 9904}));
  EXPECT_EQ(opt->encode("No"), Ids{3084});
  EXPECT_EQ(opt->encode("Maybe"), Ids{14541});
  EXPECT_EQ(opt->encode(" great terrible"), (Ids{372, 6587}));
  // transformers' own tests of OPT's and (same ids) RoBERTa's tokenizer.
  EXPECT_EQ(opt->encode("A photo of a cat"), (Ids{250, 1345, 9, 10, 4758}));
  EXPECT_EQ(opt->encode("Hello world! c\u00E9"
                        "c\u00E9 herlolip"),
            (Ids{31414, 232, 328, 740, 1140, 12695, 69, 46078, 1588}));
}

TEST(Gpt2Files, GoldenIds) {
  const auto data = test_data();
  if (!data) GTEST_SKIP() << "COLA_TEST_DATA is not set";
  const auto gpt2 = open_tokenizer(*data / "tokenizers" / "gpt2");
  EXPECT_FALSE(gpt2->special().bos);
  EXPECT_FALSE(gpt2->special().add_bos);
  EXPECT_EQ(gpt2->special().eos, 50256);
  EXPECT_EQ(gpt2->encode("Hello world"), (Ids{15496, 995}));
  EXPECT_EQ(gpt2->encode("Hello, my dog is cute"), (Ids{15496, 11, 616, 3290, 318, 13779}));
  EXPECT_EQ(gpt2->encode("<|endoftext|>"), Ids{50256});
  const std::string text = "\u00C9t\u00E9 \U0001F999\n\n  I'll pay 12,345!\t\u4E2D\u6587 \u00AD";
  EXPECT_EQ(gpt2->decode(gpt2->encode(text)), text);
}

}  // namespace
}  // namespace cola::test
