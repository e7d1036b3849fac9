#include "tasks/task_sequences.h"

#include <gtest/gtest.h>

#include "core/error.h"
#include "data/word_tokenizer.h"

namespace cola {
namespace {

using Strings = std::vector<std::string>;

class TaskSequences : public testing::Test {
 protected:
  /// Pieces, trained ones in brackets, a newline as |.
  std::string show(const Example& example) const {
    EXPECT_EQ(example.ids.size(), example.labels.size());
    std::string text;
    for (std::size_t t = 0; t < example.ids.size(); ++t) {
      const bool trained = example.labels[t] != no_label;
      if (trained) {
        EXPECT_EQ(example.labels[t], example.ids[t]);
      }
      std::string piece = tokenizer_.piece(example.ids[t]);
      if (piece == "\n") piece = "|";
      text += trained ? "[" + piece + "]" : piece;
    }
    return text;
  }
  Strings show(const Question& question) const {
    Strings texts;
    for (const Example& candidate : question.candidates) texts.push_back(show(candidate));
    return texts;
  }
  std::string show(const std::vector<std::int32_t>& ids) const {
    return show(Example{ids, std::vector<std::int32_t>(ids.size(), no_label)});
  }
  template <class Function>
  static std::string refusal(const Function& function) {
    try {
      (void)function();
    } catch (const Error& error) {
      return error.what();
    }
    return "accepted";
  }

  static TaskItem make_item() {
    TaskItem item;
    item.prompt = "it is";
    item.candidates = {"it is hot", "it is not so"};
    item.candidate_names = {"hot", "not so"};
    item.correct = {1};
    item.answered = "it is not so";
    item.id = "17";
    return item;
  }

  WordTokenizer tokenizer_;
  TaskEncoding encoding_{&tokenizer_, 1, 100};
  TaskItem item_ = make_item();
};

TEST_F(TaskSequences, LabelsTheOptionOnly) {
  const Question question = encode_question(item_, {}, encoding_);
  EXPECT_EQ(show(question), (Strings{"<s>it is[ ][hot]", "<s>it is[ ][not][ ][so]"}));
  EXPECT_EQ(question.gold, 1);
  EXPECT_EQ(show(encode_answered(item_, encoding_)), "<s>it is[ ][not][ ][so]");
}

TEST_F(TaskSequences, NothingIsPutFirstWithoutBos) {
  encoding_.bos.reset();
  EXPECT_EQ(show(encode_question(item_, {}, encoding_))[0], "it is[ ][hot]");
  EXPECT_EQ(show(encode_prompt(item_, {}, encoding_)), "it is");
}

TEST_F(TaskSequences, DemonstrationsAreJoinedByBlankLines) {
  const Strings demonstrations{"\n one yes\n", "two no "};
  EXPECT_EQ(show(encode_question(item_, demonstrations, encoding_))[0], "<s>one yes||two no||it is[ ][hot]");
  EXPECT_EQ(show(encode_prompt(item_, demonstrations, encoding_)), "<s>one yes||two no||it is");
}

TEST_F(TaskSequences, WhiteSpaceOnTheLeftGoesButNewlinesOnTheRightStay) {
  item_.prompt = "\nit is\n";
  item_.candidates = {"\nit is\nhot\n"};
  item_.correct = {0};
  EXPECT_EQ(show(encode_question(item_, {}, encoding_))[0], "<s>it is|[hot][|]");
  EXPECT_EQ(show(encode_prompt(item_, {}, encoding_)), "<s>it is|");
}

// "is" and "nt" become the one token "isnt".
TEST_F(TaskSequences, ATokenAcrossTheBorderIsTheAnswers) {
  item_.candidates = {"it isnt", "it is hot"};
  item_.answered = "it isnt so";
  const Question question = encode_question(item_, {}, encoding_);
  EXPECT_EQ(show(question), (Strings{"<s>it [isnt]", "<s>it is[ ][hot]"}));
  EXPECT_EQ(question.merged_borders, 1);
  std::int64_t merged = 0;
  EXPECT_EQ(show(encode_answered(item_, encoding_, &merged)), "<s>it [isnt][ ][so]");
  EXPECT_EQ(merged, 1);
}

// Where a text does not begin with its prompt, its answer's tokens are as many as it has more.
TEST_F(TaskSequences, OtherTextsAreCountedFromTheirEnd) {
  item_.candidates = {"it was hot", "it is not so"};
  EXPECT_EQ(show(encode_question(item_, {}, encoding_)),
            (Strings{"<s>it was[ ][hot]", "<s>it is[ ][not][ ][so]"}));
}

TEST_F(TaskSequences, ABosOfTheTextsOwnIsTheOne) {
  item_.prompt = "<s>it is";
  EXPECT_EQ(show(encode_prompt(item_, {}, encoding_)), "<s>it is");
}

TEST_F(TaskSequences, AnswerWithoutATokenIsRefused) {
  item_.candidates = {"it is", "it is hot"};
  item_.candidate_names = {"nothing", "hot"};
  EXPECT_EQ(refusal([&] { return encode_question(item_, {}, encoding_); }),
            "example 17: the answer 'nothing' has no token of its own: it must make the text longer");
  item_.answered = "it is";
  EXPECT_NE(refusal([&] { return encode_answered(item_, encoding_); }).find("example 17"), std::string::npos);
}

TEST_F(TaskSequences, TooLongIsCutBehindBos) {
  const Strings demonstrations{"one yes"};
  encoding_.max_length = 6;
  const Question question = encode_question(item_, demonstrations, encoding_);
  EXPECT_EQ(show(question), (Strings{"<s>it is[ ][hot]", "<s>is[ ][not][ ][so]"}));
  EXPECT_EQ(show(encode_prompt(item_, demonstrations, encoding_)), "<s>||it is");
  encoding_.bos.reset();
  EXPECT_EQ(show(encode_prompt(item_, demonstrations, encoding_)), "yes||it is");
}

TEST_F(TaskSequences, AnswerThatDoesNotFitIsRefused) {
  encoding_.max_length = 5;
  EXPECT_EQ(show(encode_answered(item_, encoding_)), "<s>[ ][not][ ][so]");
  encoding_.max_length = 4;
  EXPECT_EQ(refusal([&] { return encode_answered(item_, encoding_); }),
            "example 17: the answer ' not so' is 4 tokens and does not fit into 4: raise --max-length");
}

TEST_F(TaskSequences, QuestionsNeedARightCandidate) {
  item_.correct.clear();
  EXPECT_EQ(refusal([&] { return encode_question(item_, {}, encoding_); }),
            "example 17: none of its candidates is right");
  item_.candidates.clear();
  EXPECT_EQ(refusal([&] { return encode_question(item_, {}, encoding_); }),
            "example 17: no candidates to choose from");
  EXPECT_EQ(show(encode_answered(item_, encoding_)), "<s>it is[ ][not][ ][so]");
}

TEST_F(TaskSequences, GenerationLeavesRoomForTheAnswer) {
  EXPECT_EQ(task_max_length(find_task("squad"), 2048), 1998);
  EXPECT_EQ(task_max_length(find_task("cb"), 2048), 2048);
  EXPECT_THROW((void)task_max_length(find_task("drop"), 51), UsageError);
  EXPECT_EQ(task_max_length(find_task("drop"), 52), 2);
}

TEST_F(TaskSequences, EncodingIsChecked) {
  encoding_.max_length = 1;
  EXPECT_THROW((void)encode_prompt(item_, {}, encoding_), UsageError);
  encoding_ = {nullptr, 1, 100};
  EXPECT_THROW((void)encode_prompt(item_, {}, encoding_), UsageError);
}

}  // namespace
}  // namespace cola
