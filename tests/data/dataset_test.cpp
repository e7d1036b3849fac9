#include "data/dataset.h"

#include <gtest/gtest.h>
#include <fstream>
#include <set>

#include "core/error.h"
#include "core/parallel.h"
#include "data/word_tokenizer.h"
#include "support/files.h"

namespace cola {
namespace {

class DatasetTest : public testing::Test {
 protected:
  Dataset read(const std::string& content, bool with_tokenizer = true) {
    std::ofstream(folder_ / "data.jsonl", std::ios::binary) << content;
    return read_dataset(folder_ / "data.jsonl", with_tokenizer ? &tokenizer_ : nullptr, vocabulary_,
                        options_);
  }
  std::string refusal(const std::string& content, bool with_tokenizer = true) {
    try {
      (void)read(content, with_tokenizer);
    } catch (const Error& error) {
      return error.what();
    }
    return "accepted";
  }
  void expect_refusal(const std::string& content, const std::string& message) {
    EXPECT_NE(refusal(content).find(message), std::string::npos) << content << "\n" << refusal(content);
  }

  /// "<s> a [b] [</s>]": pieces, trained ones in brackets, from the second on.
  std::string show(const Example& example) {
    EXPECT_EQ(example.ids.size(), example.labels.size());
    std::string line;
    for (std::size_t t = 0; t < example.ids.size(); ++t) {
      const std::string piece = tokenizer_.piece(example.ids[t]);
      const bool trained = t > 0 && example.labels[t] != no_label;
      if (trained) {
        EXPECT_EQ(example.labels[t], example.ids[t]);
      }
      line += (t > 0 ? " " : "") + (trained ? "[" + piece + "]" : piece);
    }
    return line;
  }
  std::vector<std::string> show(const Dataset& dataset) {
    std::vector<std::string> lines;
    for (const Example& example : dataset.examples.all()) lines.push_back(show(example));
    return lines;
  }

  /// Renders chats by a built-in template, with EOS where sequences have it.
  void use_template(const std::string& name) {
    options_.chat_format = ChatFormat::find({name, "", "", !options_.append_eos}, {}, &tokenizer_);
  }

  using Lines = std::vector<std::string>;
  test::TemporaryFolder folder_;
  WordTokenizer tokenizer_;
  DataOptions options_;
  std::int64_t vocabulary_ = 1000;
};

TEST_F(DatasetTest, TextHasBosAndEos) {
  EXPECT_EQ(show(read(R"({"text":"a.b"})")), (Lines{"<s> [a] [.] [b] [</s>]"}));
  options_.append_eos = false;
  EXPECT_EQ(show(read(R"({"text":"a.b"})")), (Lines{"<s> [a] [.] [b]"}));
  tokenizer_.special_.add_bos = false;
  EXPECT_EQ(show(read(R"({"text":"a.b"})")), (Lines{"a [.] [b]"}));
}

TEST_F(DatasetTest, LongTextBecomesWindows) {
  options_.max_length = 4;
  const Dataset dataset = read("{\"text\":\"a.b,c;d\"}\n{\"text\":\"a.\"}\n");
  EXPECT_EQ(show(dataset),
            (Lines{"<s> [a] [.] [b]", "<s> [,] [c] [;]", "<s> [d] [</s>]", "<s> [a] [.] [</s>]"}));
  EXPECT_EQ(dataset.report.windowed, 1);
  EXPECT_EQ(dataset.report.records, 2);
  EXPECT_EQ(dataset.report.sequences, 4);
  EXPECT_EQ(dataset.report.tokens, 15);
  EXPECT_EQ(dataset.report.loss_tokens, 11);
  tokenizer_.special_.add_bos = false;
  options_.append_eos = false;
  const Dataset bare = read(R"({"text":"a.b,c"})");
  EXPECT_EQ(show(bare), (Lines{"a [.] [b] [,]"}));  // the last window is one token, which nothing predicts
  EXPECT_EQ(bare.report.skipped_empty, 1);
}

TEST_F(DatasetTest, LossFallsOnTheCompletion) {
  const std::string line = R"({"prompt":"a.b","completion":" c!"})";
  EXPECT_EQ(show(read(line)), (Lines{"<s> a . b [ ] [c] [!] [</s>]"}));
  options_.train_on_prompt = true;
  EXPECT_EQ(show(read(line)), (Lines{"<s> [a] [.] [b] [ ] [c] [!] [</s>]"}));
  options_.train_on_prompt = false;
  options_.append_eos = false;
  tokenizer_.special_.add_bos = false;
  EXPECT_EQ(show(read(line)), (Lines{"a . b [ ] [c] [!]"}));
}

// "b" and "c" become the one token "bc".
TEST_F(DatasetTest, TokensAcrossTheBorderBelongToTheCompletion) {
  const Dataset dataset = read(R"({"prompt":"a.b","completion":"c!"})");
  EXPECT_EQ(show(dataset), (Lines{"<s> a . [bc] [!] [</s>]"}));
  EXPECT_EQ(dataset.report.merged_borders, 1);
  EXPECT_NE(dataset.report.summary().find("1 borders inside a token"), std::string::npos);
  EXPECT_EQ(show(read(R"({"prompt":"a.b","completion":"c"})")), (Lines{"<s> a . [bc] [</s>]"}));
  EXPECT_EQ(show(read(R"({"prompt":"a","completion":"b"})")), (Lines{"<s> [ab] [</s>]"}));
  EXPECT_EQ(read(R"({"prompt":"a.b","completion":".c!"})").report.merged_borders, 0);
  options_.train_on_prompt = true;
  EXPECT_EQ(read(R"({"prompt":"a.b","completion":"c!"})").report.merged_borders, 0);
}

// The text around an assistant's turn of ChatML, in a vocabulary without its tokens.
TEST_F(DatasetTest, TokensAcrossTheBordersOfATurnAreTrained) {
  options_.append_eos = false;
  use_template("plain");
  const Dataset dataset =
      read(R"({"messages":[{"role":"user","content":"a"},{"role":"assistant","content":"b"},)"
           R"({"role":"user","content":"c"},{"role":"assistant","content":"d"}]})");
  EXPECT_EQ(show(dataset),
            (Lines{"<s> User :   a \n Assistant : [ ] [b] \n User :   c \n Assistant : [ ] [d]"}));
  EXPECT_EQ(dataset.report.merged_borders, 0);
}

TEST_F(DatasetTest, OneBosAndOneEos) {
  const Dataset dataset = read(R"({"text":"<s>a.b</s>"})");
  EXPECT_EQ(show(dataset), (Lines{"<s> [a] [.] [b] [</s>]"}));
  EXPECT_EQ(dataset.report.own_special, 1);
  EXPECT_EQ(show(read(R"({"text":"a.b</s>"})")), (Lines{"<s> [a] [.] [b] [</s>]"}));
  EXPECT_EQ(show(read(R"({"text":"a</s>\n"})")), (Lines{"<s> [a] [</s>] [\n]"}));
  EXPECT_EQ(show(read(R"({"text":"a</s>b"})")), (Lines{"<s> [a] [</s>] [b] [</s>]"}));
  EXPECT_EQ(show(read(R"({"text":"<s>"})")), (Lines{"<s> [</s>]"}));
  EXPECT_EQ(show(read(R"({"prompt":"<s>a.","completion":"b</s>"})")), (Lines{"<s> a . [b] [</s>]"}));
  EXPECT_EQ(show(read(R"({"prompt":"a</s>","completion":"b"})")), (Lines{"<s> a </s> [b] [</s>]"}));
  EXPECT_EQ(show(read(R"({"prompt":"","completion":"<s>b"})")), (Lines{"<s> [b] [</s>]"}));
  EXPECT_EQ(read(R"({"input_ids":[1,5,2]})").examples[0].ids, (std::vector<std::int32_t>{1, 5, 2}));
  options_.append_eos = false;
  EXPECT_EQ(show(read(R"({"text":"<s>a.b"})")), (Lines{"<s> [a] [.] [b]"}));
  tokenizer_.special_.add_bos = false;
  EXPECT_EQ(show(read(R"({"text":"<s>a.b</s>"})")), (Lines{"<s> [a] [.] [b] [</s>]"}));
}

TEST_F(DatasetTest, EachWindowHasOneBos) {
  options_.max_length = 4;
  EXPECT_EQ(show(read(R"({"text":"<s>a.b,c;d</s>"})")),
            (Lines{"<s> [a] [.] [b]", "<s> [,] [c] [;]", "<s> [d] [</s>]"}));
}

TEST_F(DatasetTest, OneBosAndOneEosWhereTheyAreOneToken) {
  tokenizer_.special_.bos = 2;
  EXPECT_EQ(show(read(R"({"text":"</s>a</s>"})")), (Lines{"</s> [a] [</s>]"}));
  EXPECT_EQ(show(read(R"({"text":"</s>a"})")), (Lines{"</s> [a] [</s>]"}));
  EXPECT_EQ(show(read(R"({"text":"a</s>"})")), (Lines{"</s> [a] [</s>]"}));
  EXPECT_EQ(show(read(R"({"text":"</s>"})")), (Lines{"</s> [</s>]"}));
}

TEST_F(DatasetTest, EndsOfTurnsEndATextToo) {
  tokenizer_.special_.ends = {2, tokenizer_.encode("!").front()};
  EXPECT_EQ(show(read(R"({"text":"a!\n"})")), (Lines{"<s> [a] [!] [\n]"}));
}

TEST_F(DatasetTest, OneEosAfterATurn) {
  const auto line = [](const std::string& user, const std::string& assistant) {
    return R"({"messages":[{"role":"user","content":")" + user + R"("},{"role":"assistant","content":")" +
           assistant + R"("}]})";
  };
  use_template("plain");
  const Lines once{"<s> User :   a \n Assistant : [ ] [b] [</s>]"};
  EXPECT_EQ(show(read(line("a", "b"))), once);
  EXPECT_EQ(show(read(line("a", "b</s>"))), once);
  EXPECT_EQ(show(read(line("a", "b </s>\\n"))), once);
  EXPECT_EQ(show(read(line("<s>a", "b"))), once);
  EXPECT_EQ(read(line("a", "b</s>")).report.own_special, 1);
  use_template("chatml");
  EXPECT_EQ(show(read(line("a<|im_end|>", "b<|im_end|>\\n"))), show(read(line("a", "b"))));
}

TEST_F(DatasetTest, WeightsScaleTheLossOfRecordsAndMessages) {
  const auto weights = [&](const std::string& line) { return read(line).examples[0].weights; };
  using Weights = std::vector<float>;
  EXPECT_EQ(weights(R"({"text":"a.","weight":1})"), Weights());
  EXPECT_EQ(weights(R"({"text":"a.","weight":0.5})"), (Weights{0, 0.5F, 0.5F, 0.5F}));
  EXPECT_EQ(weights(R"({"prompt":"a.","completion":"b","weight":2})"), (Weights{0, 0, 0, 2, 2}));
  EXPECT_EQ(weights(R"({"input_ids":[5,6],"weight":3})"), (Weights{0, 3}));
  EXPECT_EQ(read("{\"text\":\"a\"}\n{\"text\":\"a\",\"weight\":0}").report.skipped_empty, 1);
  EXPECT_EQ(read("{\"text\":\"a\"}\n{\"input_ids\":[5,6],\"weight\":0}").report.skipped_empty, 1);
  use_template("plain");
  const std::string chat = R"("messages":[{"role":"user","content":"a","weight":0},)"
                           R"({"role":"assistant","content":"b","weight":0},{"role":"user","content":"c"},)"
                           R"({"role":"assistant","content":"d","weight":0.5}]})";
  const Dataset dataset = read(R"({"weight":3,)" + chat);
  EXPECT_EQ(show(dataset),
            (Lines{"<s> User :   a \n Assistant :   b </s> \n User :   c \n Assistant : [ ] [d] [</s>]"}));
  EXPECT_EQ(dataset.examples[0].weights.back(), 1.5F);
  EXPECT_EQ(dataset.report.weighted, 1);
  options_.train_on_prompt = true;
  EXPECT_EQ(show(read("{" + chat)),
            (Lines{"<s> User :   a \n Assistant :   b </s> [\n] [User] [:] [ ] [c] [\n] "
                   "[Assistant] [:] [ ] [d] [</s>]"}));
}

TEST_F(DatasetTest, LossWeightsFollowTheLossRows) {
  const Example plain{{4, 5, 6}, {4, no_label, 6}};
  const Example heavy{{7, 8}, {7, 9}, {2, 2}};
  const Example* both[] = {&plain, &heavy};
  const Example* one[] = {&plain};
  EXPECT_EQ(loss_weights(both), (std::vector<float>{1, 2}));
  EXPECT_TRUE(loss_weights(one).empty());
  EXPECT_EQ(weighted_sum(std::vector<float>{3, 4}, loss_weights(both)), 11.0);
  EXPECT_EQ(weighted_sum(std::vector<float>{3, 4}, {}, 1.0), 8.0);
}

TEST_F(DatasetTest, SaysHowMuchOfTheFileIsRead) {
  std::string content;
  for (int i = 0; i < 20000; ++i) content += "{\"input_ids\":[5,6,7,8]}\n";
  std::ofstream(folder_ / "long.jsonl", std::ios::binary) << content;
  std::vector<std::int64_t> seen;
  (void)read_dataset(folder_ / "long.jsonl", nullptr, 10, options_, [&](const ReadingState& state) {
    EXPECT_EQ(state.bytes_in_all, static_cast<std::int64_t>(content.size()));
    EXPECT_GT(state.bytes, seen.empty() ? 0 : seen.back());
    EXPECT_LE(state.bytes, state.bytes_in_all);
    EXPECT_GT(state.records, 0);
    seen.push_back(state.bytes);
  });
  EXPECT_FALSE(seen.empty());
  EXPECT_EQ(seen.back(), static_cast<std::int64_t>(content.size()));
}

TEST_F(DatasetTest, ThreadsChangeNothing) {
  std::string content;
  for (int i = 0; i < 60'000; ++i)
    content += R"({"prompt":"a)" + std::to_string(i % 7) + R"(","completion":" b c)" + std::to_string(i % 5) +
               "\"}\n";
  const Dataset one = [&] {
    set_thread_count(1);
    return read(content);
  }();
  set_thread_count(3);
  const Dataset three = read(content);
  ASSERT_EQ(one.examples.size(), three.examples.size());
  for (std::size_t i = 0; i < one.examples.size(); ++i)
    ASSERT_EQ(one.examples[i].ids, three.examples[i].ids) << i;
  EXPECT_EQ(one.report.summary(), three.report.summary());
  // Of several wrong records the first is named, whoever comes upon it.
  std::string wrong = content;
  wrong.replace(wrong.find('\n', wrong.size() / 2) + 1, 1, "!");
  const auto line =
      std::count(wrong.begin(), wrong.begin() + static_cast<std::ptrdiff_t>(wrong.find('!')), '\n') + 1;
  wrong[wrong.size() - 2] = '!';
  expect_refusal(wrong, "data.jsonl:" + std::to_string(line) + ": ");
  set_thread_count(0);
}

TEST_F(DatasetTest, LongPromptsAreCutFromTheLeft) {
  options_.max_length = 5;
  const Dataset dataset = read(R"({"prompt":"a.b,","completion":"c!"})");
  EXPECT_EQ(show(dataset), (Lines{"<s> , [c] [!] [</s>]"}));
  EXPECT_EQ(dataset.report.truncated, 1);
  options_.max_length = 4;
  EXPECT_EQ(show(read(R"({"prompt":"a.b,","completion":"c!"})")), (Lines{"<s> [c] [!] [</s>]"}));
  options_.max_length = 3;
  const Dataset skipped = read("{\"prompt\":\"a.b,\",\"completion\":\"c!\"}\n{\"text\":\"a\"}\n");
  EXPECT_EQ(show(skipped), (Lines{"<s> [a] [</s>]"}));
  EXPECT_EQ(skipped.report.skipped_long, 1);
  EXPECT_EQ(skipped.report.truncated, 0);
}

TEST_F(DatasetTest, WithoutBosOnePromptTokenStays) {
  tokenizer_.special_.add_bos = false;
  options_.max_length = 4;
  EXPECT_EQ(show(read(R"({"prompt":"a.b,","completion":"c!"})")), (Lines{", [c] [!] [</s>]"}));
  options_.max_length = 3;
  expect_refusal(R"({"prompt":"a.b,","completion":"c!"})", "no trainable token");
}

TEST_F(DatasetTest, ChatTrainsTheAssistant) {
  const std::string line = R"({"messages":[{"role":"user","content":"a"},{"role":"assistant","content":"b"},)"
                           R"({"role":"user","content":"c"},{"role":"assistant","content":"d"}]})";
  use_template("llama2");
  EXPECT_EQ(show(read(line)), (Lines{"<s> [ INST ]   a   [ / INST ] [ ] [b] [ ] [</s>] <s> "
                                     "[ INST ]   c   [ / INST ] [ ] [d] [ ] [</s>]"}));
  options_.append_eos = false;
  use_template("plain");
  options_.max_length = 6;  // BOS and the last turn's tokens, with what fits before them
  const Dataset cut = read(line);
  EXPECT_EQ(show(cut), (Lines{"<s> \n Assistant : [ ] [d]"}));
  EXPECT_EQ(cut.report.truncated, 1);
  options_.max_length = 2;
  expect_refusal(line, "1 skipped: completion longer");
}

// Without EOS the turn "b" and the next text are one run; ChatML's words at a border do not change the
// trained tokens.
TEST_F(DatasetTest, ChatSegmentsAreTokenisedAsOneString) {
  use_template("chatml");
  const Dataset dataset =
      read(R"({"messages":[{"role":"user","content":"a"},{"role":"assistant","content":"b"}]})");
  EXPECT_EQ(show(dataset),
            (Lines{"<s> < | im _ start | > user \n a < | im _ end | > \n < | im _ start | > assistant \n "
                   "[b] [<] [|] [im] [_] [end] [|] [>] \n"}));
  expect_refusal(R"({"messages":[{"role":"user","content":"a"}]})", "no trainable token");
}

TEST_F(DatasetTest, TokensAreTakenAsTheyAre) {
  const Dataset dataset =
      read("{\"input_ids\":[5,6,7],\"labels\":[-100,-100,8]}\n{\"input_ids\":[5,6,7]}\n", false);
  ASSERT_EQ(dataset.examples.size(), 2U);
  EXPECT_EQ(dataset.examples[0].ids, (std::vector<std::int32_t>{5, 6, 7}));
  EXPECT_EQ(dataset.examples[0].labels, (std::vector<std::int32_t>{no_label, no_label, 8}));
  EXPECT_EQ(dataset.examples[0].loss_tokens(), 1);
  EXPECT_EQ(dataset.examples[1].loss_tokens(), 2);
  EXPECT_EQ(read("{\"input_ids\":[5,6]}\n{\"input_ids\":[5]}\n{\"input_ids\":[]}").report.skipped_empty, 2);
}

TEST_F(DatasetTest, ToleratesBlankLinesCarriageReturnsAndByteOrderMark) {
  EXPECT_EQ(read("\xEF\xBB\xBF{\"text\":\"a\"}\r\n\r\n  \n{\"text\":\"b\",\"id\":3,\"labels\":null}")
                .examples.size(),
            2U);
}

TEST_F(DatasetTest, ErrorsNameFileAndLine) {
  const std::string good = "{\"text\":\"a\"}\n\n";
  for (const char* bad : {"{\"text\":",
                          "{}",
                          "{\"text\":5}",
                          "{\"prompt\":\"a\"}",
                          "{\"completion\":\"a\"}",
                          "{\"prompt\":\"a\",\"completion\":[]}",
                          "{\"messages\":5}",
                          "{\"messages\":[5]}",
                          "{\"messages\":[{\"role\":\"user\"}]}",
                          "{\"input_ids\":5}",
                          "{\"input_ids\":[1.5]}",
                          "{\"input_ids\":[\"a\"]}",
                          "{\"input_ids\":[18446744073709551615]}",
                          "{\"input_ids\":[1,2],\"labels\":[1]}",
                          "{\"input_ids\":[1,1000]}",
                          "{\"input_ids\":[-1,1]}",
                          "{\"input_ids\":[1,2],\"labels\":[1,1000]}",
                          "{\"input_ids\":[1,2],\"labels\":[1,-1]}",
                          "{\"text\":\"a\",\"messages\":[]}",
                          "{\"labels\":[1]}",
                          "\xff"}) {
    expect_refusal(good + bad, "data.jsonl:3:");
  }
  expect_refusal("{\"words\":1}",
                 R"(unknown form: a line is {"text"}, {"prompt","completion"}, {"messages")");
  expect_refusal("{\"input_ids\":[1,2],\"labels\":[1]}", "1 labels for 2 input_ids");
  options_.no_chat_template = "give --chat-template plain";
  expect_refusal(R"({"messages":[{"role":"user","content":"a"}]})",
                 "a chat template: give --chat-template plain");
  options_.max_length = 2;
  expect_refusal("{\"input_ids\":[1,2,3]}", "data.jsonl:1: 3 input_ids are more than --max-length 2");
}

TEST_F(DatasetTest, InstructionsAreChatsWhereThereIsATemplate) {
  const std::string alpaca = R"({"instruction":"a","input":"b","output":"c"})";
  const std::string question = R"({"question":"a","answer":"c"})";
  const Dataset plain = read(alpaca + "\n" + question);
  EXPECT_EQ(plain.report.chats, 0);
  EXPECT_EQ(show(plain.examples[1]), "<s> Question :   a \n Answer : [ ] [c] [</s>]");
  use_template("plain");
  const Dataset chats = read(alpaca + "\n" + question);
  EXPECT_EQ(chats.report.chats, 2);
  EXPECT_EQ(show(chats), (Lines{"<s> User :   a \n b \n Assistant : [ ] [c] [</s>]",
                                "<s> User :   a \n Assistant : [ ] [c] [</s>]"}));
  EXPECT_EQ(show(read(R"({"system":"s",)" + alpaca.substr(1))),
            Lines{"<s> System :   s \n User :   a \n b \n Assistant : [ ] [c] [</s>]"});
}

TEST_F(DatasetTest, RecordsWithoutAnAnswerAreSkippedAndCounted) {
  use_template("plain");
  const Dataset dataset = read(R"({"instruction":"a","output":""}
{"question":"a","answer":""}
{"messages":[{"role":"user","content":"a"}]}
{"conversations":[]}
{"text":"a"})");
  EXPECT_EQ(dataset.examples.size(), 1U);
  EXPECT_EQ(dataset.report.records, 5);
  EXPECT_EQ(dataset.report.without_answer, 4);
}

TEST_F(DatasetTest, RolesOutOfOrderNameTheLine) {
  use_template("llama2");
  expect_refusal(R"({"messages":[{"role":"assistant","content":"a"}]})", "data.jsonl:1: ");
}

TEST_F(DatasetTest, RefusesFilesWithNothingToTrain) {
  expect_refusal("", "no records");
  expect_refusal("\n\r\n", "no records");
  expect_refusal("{\"input_ids\":[4,5],\"labels\":[4,-100]}", "no trainable token in the whole file");
  EXPECT_THROW((void)read_dataset(folder_ / "absent.jsonl", nullptr, 10, {}), Error);
  EXPECT_THROW((void)read_dataset(folder_.path(), nullptr, 10, {}), Error);
}

TEST_F(DatasetTest, RefusesUnfitTokenizersAndOptions) {
  EXPECT_NE(refusal(R"({"text":"a"})", false).find("data.jsonl:1: text needs a tokenizer"),
            std::string::npos);
  vocabulary_ = 10;
  expect_refusal(R"({"text":"a"})", "vocabulary (10) is smaller than the tokenizer's (1000)");
  options_.max_length = 1;
  expect_refusal(R"({"text":"a"})", "--max-length 1 is too short");
}

TEST_F(DatasetTest, RefusesALineWithoutEnd) {
  const std::string said = refusal("{\"text\":\"a\"}\n" + std::string((std::size_t{64} << 20) + 1, ' '));
  EXPECT_NE(said.find("data.jsonl:2: the record is longer than 64 MiB"), std::string::npos) << said;
}

TEST_F(DatasetTest, SplitMovesARandomFraction) {
  std::string content;
  for (int i = 0; i < 20; ++i) content += "{\"input_ids\":[0," + std::to_string(i) + "]}\n";
  const auto labels = [](const Dataset& dataset) {
    std::vector<std::int32_t> list;
    for (const Example& example : dataset.examples.all()) list.push_back(example.ids[1]);
    return list;
  };
  Dataset train = read(content);
  const Dataset dev = split_dev(train, 0.25, 1);
  EXPECT_EQ(dev.examples.size(), 5U);
  EXPECT_EQ(dev.report.tokens, 10);
  EXPECT_EQ(train.report.sequences, 15);
  EXPECT_EQ(train.report.loss_tokens, 15);
  std::set<std::int32_t> all;
  for (const Dataset* part : std::initializer_list<const Dataset*>{&train, &dev}) {
    for (const std::int32_t label : labels(*part)) EXPECT_TRUE(all.insert(label).second);
  }
  EXPECT_EQ(all.size(), 20U);
  Dataset again = read(content);
  EXPECT_EQ(labels(split_dev(again, 0.25, 1)), labels(dev));
  Dataset other = read(content);
  EXPECT_NE(labels(split_dev(other, 0.25, 2)), labels(dev));
  Dataset most = read(content);
  EXPECT_EQ(split_dev(most, 0.999, 1).examples.size(), 19U);
  EXPECT_EQ(most.examples.size(), 1U);
  EXPECT_THROW((void)split_dev(most, 0.5, 1), Error);
  Dataset least = read(content);
  EXPECT_EQ(split_dev(least, 1e-9, 1).examples.size(), 1U);
  EXPECT_THROW((void)split_dev(least, 0.0, 1), UsageError);
  EXPECT_THROW((void)split_dev(least, 1.0, 1), UsageError);
}

TEST(MakeBatch, PacksWithoutPadding) {
  const Example first{{4, 5, 6}, {4, no_label, 6}};
  const Example second{{7, 8}, {7, 9}};
  const Example* examples[] = {&first, &second};
  const RaggedBatch batch = make_batch(examples, 3);
  using Ints = std::vector<std::int32_t>;
  EXPECT_EQ(batch.ids, (Ints{4, 5, 6, 7, 8}));
  EXPECT_EQ(batch.positions, (Ints{0, 1, 2, 0, 1}));
  EXPECT_EQ(batch.offsets, (Ints{0, 3, 5}));
  EXPECT_EQ(batch.loss_rows, (Ints{1, 3}));
  EXPECT_EQ(batch.targets, (Ints{6, 9}));
  constexpr std::uint64_t third = std::uint64_t{3} << 32;
  constexpr std::uint64_t fourth = std::uint64_t{4} << 32;
  EXPECT_EQ(batch.token_keys, (std::vector<std::uint64_t>{third, third + 1, third + 2, fourth, fourth + 1}));
  EXPECT_EQ(make_batch({}).sequences(), 0);
}

TEST(DataReport, SummaryNamesWhatWasCutAndSkipped) {
  const DataReport report{
      .records = 9, .sequences = 8, .truncated = 2, .skipped_long = 1, .tokens = 70, .loss_tokens = 30};
  EXPECT_EQ(report.summary(),
            "9 records; 8 sequences, 70 tokens, 30 trained; 2 prompts cut from the left; 1 skipped: "
            "completion longer "
            "than --max-length");
  const DataReport forms{.records = 15,
                         .forms = {{"ShareGPT", 10}, {"text", 5}},
                         .without_answer = 2,
                         .sequences = 13,
                         .tokens = 70,
                         .loss_tokens = 30};
  EXPECT_EQ(
      forms.summary(),
      "read as ShareGPT: 10 conversations, as text: 5 records, 2 without an answer skipped; 13 sequences, "
      "70 tokens, 30 trained");
}

}  // namespace
}  // namespace cola
