#include "data/preference.h"

#include <gtest/gtest.h>

#include <fstream>

#include "core/error.h"
#include "support/files.h"
#include "word_tokenizer.h"

namespace cola {
namespace {

class Preferences : public testing::Test {
 protected:
  PreferenceSet read(const std::string& content) {
    std::ofstream(folder_ / "pairs.jsonl", std::ios::binary) << content;
    return read_preferences(folder_ / "pairs.jsonl", &tokenizer_, 1000, options_);
  }
  void expect_refusal(const std::string& content, const std::string& message) {
    try {
      (void)read(content);
      ADD_FAILURE() << "accepted: " << content;
    } catch (const Error& error) {
      EXPECT_NE(std::string(error.what()).find(message), std::string::npos) << content << "\n"
                                                                            << error.what();
    }
  }
  void use_template(const std::string& name) {
    options_.chat_format = ChatFormat::find({name, "", "", false}, {}, &tokenizer_);
  }
  /// "<s> a | b </s>": the bar stands where the answer begins.
  std::string show(const PreferencePair& pair, std::size_t answer) {
    std::string line;
    const Example& example = pair.question.candidates[answer];
    for (std::size_t t = 0; t < example.ids.size(); ++t) {
      if (std::ssize(line) > 0) line += ' ';
      if (static_cast<std::int64_t>(t) == pair.prompt_tokens) line += "| ";
      line += tokenizer_.piece(example.ids[t]);
      EXPECT_EQ(example.labels[t] == no_label, t == 0 || static_cast<std::int64_t>(t) < pair.prompt_tokens);
    }
    return line;
  }

  test::TemporaryFolder folder_;
  WordTokenizer tokenizer_;
  DataOptions options_;
};

std::string turn(const std::string& role, const std::string& content) {
  return R"({"role":")" + role + R"(","content":")" + content + "\"}";
}

TEST_F(Preferences, TextsHaveEosAndShareThePromptsTokens) {
  const PreferenceSet set = read(R"({"prompt":"a b","chosen":" c","rejected":" d e"})");
  ASSERT_EQ(set.pairs.size(), 1U);
  EXPECT_EQ(show(set.pairs[0], 0), "<s> a   b |   c </s>");
  EXPECT_EQ(show(set.pairs[0], 1), "<s> a   b |   d   e </s>");
  EXPECT_EQ(set.report.shortened_prompts, 0);
  EXPECT_EQ(set.report.summary(), "read as preference pairs: 1 records; 1 pairs, 16 tokens, 8 trained");
}

TEST_F(Preferences, AWordThatGoesOnBelongsToTheAnswers) {
  const PreferenceSet set = read(R"({"prompt":"a wo","chosen":"rd","rejected":" d"})");
  EXPECT_EQ(show(set.pairs[0], 0), "<s> a   | word </s>");
  EXPECT_EQ(show(set.pairs[0], 1), "<s> a   | wo   d </s>");
  EXPECT_EQ(set.report.shortened_prompts, 1);
}

TEST_F(Preferences, OneBosAndOneEos) {
  const PreferenceSet set = read(R"({"prompt":"<s>a","chosen":" c</s>","rejected":" d"})");
  EXPECT_EQ(show(set.pairs[0], 0), "<s> a |   c </s>");
  EXPECT_EQ(show(set.pairs[0], 1), "<s> a |   d </s>");
  EXPECT_EQ(set.report.own_special, 1);
}

TEST_F(Preferences, ChatsEndAsTheirTemplateSays) {
  use_template("plain");
  const std::string user = turn("user", "a");
  const std::string good = turn("assistant", "c");
  const std::string bad = turn("assistant", "d");
  const std::string shown = "<s> User :   a \n Assistant : |   c </s>";
  for (const std::string& pair :
       {R"({"prompt":[)" + user + R"(],"chosen":[)" + good + R"(],"rejected":[)" + bad + "]}",
        R"({"prompt":[)" + user + R"(],"chosen":[)" + user + "," + good + R"(],"rejected":[)" + user + "," +
            bad + "]}",
        R"({"prompt":"a","chosen":[)" + user + "," + good + R"(],"rejected":[)" + user + "," + bad + "]}",
        R"({"chosen":[)" + user + "," + good + R"(],"rejected":[)" + user + "," + bad + "]}"}) {
    const PreferenceSet set = read(pair);
    EXPECT_EQ(show(set.pairs[0], 0), shown) << pair;
    EXPECT_EQ(show(set.pairs[0], 1).substr(0, 8), shown.substr(0, 8)) << pair;
    EXPECT_EQ(set.report.chats, 1);
  }
}

TEST_F(Preferences, IdsAreTakenAsTheyAre) {
  const PreferenceSet set = read(R"({"prompt_ids":[1,5],"chosen_ids":[6,2],"rejected_ids":[7]})");
  EXPECT_EQ(set.pairs[0].prompt_tokens, 2);
  EXPECT_EQ(set.pairs[0].question.candidates[0].ids, (std::vector<std::int32_t>{1, 5, 6, 2}));
  EXPECT_EQ(set.pairs[0].question.candidates[1].labels, (std::vector<std::int32_t>{-100, -100, 7}));
  expect_refusal(R"({"prompt_ids":[1],"chosen_ids":[1000],"rejected_ids":[7]})", "chosen id 1000");
  expect_refusal(R"({"prompt_ids":[1],"chosen_ids":[6]})", "'rejected_ids' is missing");
  expect_refusal(R"({"prompt_ids":[1],"chosen_ids":[6],"rejected_ids":[1.5]})", "'rejected_ids' entry 1");
  expect_refusal(R"({"prompt_ids":[1],"chosen_ids":[6],"rejected_ids":[]})", "an answer without a token");
}

TEST_F(Preferences, WhatIsLeftOutIsCounted) {
  options_.max_length = 6;
  const PreferenceSet set = read(R"({"prompt":"a","chosen":" c","rejected":" c"}
{"prompt":"a b c d","chosen":" e","rejected":" f"}
{"prompt":"a","chosen":" e e e e e","rejected":" f"}
{"prompt":"a","chosen":" c","rejected":" d"})");
  EXPECT_EQ(set.report.records, 4);
  EXPECT_EQ(set.report.equal_answers, 1);
  EXPECT_EQ(set.report.truncated, 1);
  EXPECT_EQ(set.report.skipped_long, 1);
  ASSERT_EQ(set.pairs.size(), 2U);
  EXPECT_EQ(show(set.pairs[0], 0), "<s>   d |   e </s>");
  expect_refusal(R"({"prompt":"a","chosen":" c","rejected":" c"})", "no pair to train on");
}

TEST_F(Preferences, WhatWouldBeTrainedWronglyIsRefused) {
  use_template("plain");
  const std::string user = turn("user", "a");
  const std::string good = turn("assistant", "c");
  const std::string bad = turn("assistant", "d");
  const auto chats = [](const std::string& prompt, const std::string& chosen, const std::string& rejected) {
    return R"({"prompt":[)" + prompt + R"(],"chosen":[)" + chosen + R"(],"rejected":[)" + rejected + "]}";
  };
  expect_refusal(chats(user, good + "," + user, bad), "'chosen' has a turn of role 'user'");
  expect_refusal(chats(user + "," + good, good, bad), "the prompt ends in an assistant's turn");
  expect_refusal(chats(user, "", bad), "'chosen' has no answer");
  expect_refusal(
      R"({"prompt":"b","chosen":[)" + user + "," + good + R"(],"rejected":[)" + user + "," + bad + "]}",
      "'prompt' is no user's turn");
  expect_refusal(R"({"chosen":[)" + good + R"(],"rejected":[)" + bad + "]}", "no prompt");
  expect_refusal(R"({"prompt":"a","chosen":"b","rejected":[)" + bad + "]}", "'rejected' must be a string");
  expect_refusal(R"({"prompt":"a","chosen":"b"})", "'rejected' is missing");
  expect_refusal(R"({"chosen":"a","rejected":"b"})", "'prompt' is missing");
  expect_refusal(R"({"prompt":"a","completion":"b"})", "this has neither");
  expect_refusal(R"({"prompt":"a","chosen":"b","rejected":"c","chosen_ids":[1]})", "this has both");
  expect_refusal(R"({"prompt":"a","chosen":"b","rejected":"c","weight":2})", "no weight");
  expect_refusal(R"({"prompt":"a","chosen":"b","rejected":"c","system":"s"})", "'system'");
  expect_refusal(R"({"prompt":"a","chosen":"b","rejected":"c","images":["s"]})", "'images'");
  options_.chat_format.reset();
  options_.no_chat_template = "give one";
  expect_refusal(chats(user, good, bad), "need a chat template: give one");
}

TEST_F(Preferences, OptionsThatPairsDoNotHaveAreRefused) {
  const std::string texts = R"({"prompt":"a","chosen":" c","rejected":" d","q":"b"})";
  options_.fields.prompt = "q";
  EXPECT_EQ(show(read(texts).pairs[0], 0), "<s> b |   c </s>");
  options_.fields.prompt.clear();
  options_.fields.prompt_template = "{q} {prompt}";
  EXPECT_EQ(show(read(texts).pairs[0], 0), "<s> b   a |   c </s>");
  use_template("plain");
  expect_refusal(R"({"prompt":[{"role":"user","content":"a"}],"chosen":[{"role":"assistant","content":"c"}],)"
                 R"("rejected":[{"role":"assistant","content":"d"}]})",
                 "--prompt-template is for texts");
  options_.fields.text = "q";
  EXPECT_THROW((void)read(texts), UsageError);
  options_.fields = {};
  options_.train_on_prompt = true;
  EXPECT_THROW((void)read(texts), UsageError);
}

TEST_F(Preferences, ADevSetIsSplitOff) {
  std::string lines;
  for (int i = 0; i < 10; ++i)
    lines += R"({"prompt":"p)" + std::to_string(i) +
             R"(","chosen":" a","rejected":" b"})"
             "\n";
  PreferenceSet train;
  append(train, read(lines));
  append(train, read(lines));
  const PreferenceSet dev = split_dev(train, 0.25, 3);
  EXPECT_EQ(dev.pairs.size(), 5U);
  EXPECT_EQ(train.pairs.size(), 15U);
  EXPECT_EQ(train.files[0] + train.files[1], 15);
  EXPECT_EQ(train.report.sequences, 15);
  EXPECT_EQ(dev.report.summary().find("5 pairs, "), 0U) << dev.report.summary();
}

}  // namespace
}  // namespace cola
