// Prompts of the tasks whose answers are words or whole choices, byte for byte.
#include "tasks/task_fixture.h"

namespace cola {
namespace {

using Strings = std::vector<std::string>;
using Correct = std::vector<std::int32_t>;

class ChoicePrompts : public test::TaskTest {};

TEST_F(ChoicePrompts, Sst2) {
  write("train.tsv", "sentence\tlabel\na dull day . \t0\r\n  bright   and warm \t1\n");
  const auto items = read("sst2");
  ASSERT_EQ(items.size(), 2U);
  EXPECT_EQ(items[0].prompt, "a dull day . It was");
  EXPECT_EQ(items[0].candidates, (Strings{"a dull day . It was terrible", "a dull day . It was great"}));
  EXPECT_EQ(items[0].candidate_names, (Strings{"terrible", "great"}));
  EXPECT_EQ(items[0].correct, Correct{0});
  EXPECT_EQ(items[0].answered, "a dull day . It was terrible");
  EXPECT_EQ(items[1].prompt, "bright   and warm It was");
  EXPECT_EQ(items[1].correct, Correct{1});
  EXPECT_EQ(items[1].id, "1");
}

TEST_F(ChoicePrompts, Rte) {
  const TaskItem item = only(
      "rte", "train.jsonl",
      R"({"premise":"Rain fell all night.","hypothesis":"It was wet.","label":"not_entailment","idx":7})");
  EXPECT_EQ(item.prompt, "Rain fell all night.\nDoes this mean that \"It was wet.\" is true? Yes or No?\n");
  EXPECT_EQ(item.candidates,
            (Strings{"Rain fell all night.\nDoes this mean that \"It was wet.\" is true? Yes or No?\nYes",
                     "Rain fell all night.\nDoes this mean that \"It was wet.\" is true? Yes or No?\nNo"}));
  EXPECT_EQ(item.correct, Correct{1});
  EXPECT_EQ(item.answered, item.candidates[1]);
  EXPECT_EQ(item.id, "7");
}

TEST_F(ChoicePrompts, Cb) {
  write("val.jsonl",
        R"({"premise":"``Is he in?'' I doubt he is.","hypothesis":"he is in","label":"contradiction"})"
        "\n"
        R"({"premise":"x","hypothesis":"y","label":"neutral"})"
        "\n"
        R"({"premise":" x","hypothesis":"y","label":0})");
  const auto items = read("cb", TaskSplit::validation);
  ASSERT_EQ(items.size(), 3U);
  EXPECT_EQ(items[0].prompt,
            "Suppose ``Is he in?'' I doubt he is. Can we infer that \"he is in\"? Yes, No, or Maybe?\n");
  EXPECT_EQ(items[1].candidates, (Strings{"Suppose x Can we infer that \"y\"? Yes, No, or Maybe?\nYes",
                                          "Suppose x Can we infer that \"y\"? Yes, No, or Maybe?\nNo",
                                          "Suppose x Can we infer that \"y\"? Yes, No, or Maybe?\nMaybe"}));
  EXPECT_EQ(items[0].correct, Correct{1});
  EXPECT_EQ(items[1].correct, Correct{2});
  EXPECT_EQ(items[2].correct, Correct{0});
  EXPECT_EQ(items[2].prompt, "Suppose  x Can we infer that \"y\"? Yes, No, or Maybe?\n");
}

TEST_F(ChoicePrompts, BoolqOfGoogle) {
  const TaskItem item = only(
      "boolq", "dev.jsonl",
      R"({"question":"is tea -- hot","title":"Tea","answer":true,"passage":"Tea -- a drink -- is warm."})");
  EXPECT_EQ(item.prompt, "Tea -- a drink -- is warm. Is tea -- hot?\n");
  EXPECT_EQ(item.candidates, (Strings{"Tea -- a drink -- is warm. Is tea -- hot?\nYes",
                                      "Tea -- a drink -- is warm. Is tea -- hot?\nNo"}));
  EXPECT_EQ(item.correct, Correct{0});
}

TEST_F(ChoicePrompts, BoolqOfSuperglueHasATitleToRemove) {
  const TaskItem item = only(
      "boolq", "train.jsonl",
      R"({"question":"école or not?","passage":"Tea -- It is -- at times -- warm.","idx":0,"label":false})");
  EXPECT_EQ(item.prompt, "It is -- at times -- warm. École or not?\n");
  EXPECT_EQ(item.correct, Correct{1});
  EXPECT_EQ(item.answered, "It is -- at times -- warm. École or not?\nNo");
}

TEST_F(ChoicePrompts, Wsc) {
  const TaskItem item = only(
      "wsc", "train.jsonl",
      R"({"text":"Ann met Bo. She smiled.","target":{"span1_text":"Ann","span2_text":"She","span1_index":0,"span2_index":3},"label":true})");
  EXPECT_EQ(item.prompt,
            "Ann met Bo. She smiled.\nIn the previous sentence, does the pronoun \"she\" refer to Ann? Yes "
            "or No?\n");
  EXPECT_EQ(item.candidate_names, (Strings{"No", "Yes"}));
  EXPECT_EQ(item.correct, Correct{1});
  EXPECT_EQ(item.answered, item.prompt + "Yes");
}

TEST_F(ChoicePrompts, WscSpansAreFixed) {
  const auto span1 = [&](const std::string& text, const std::string& span, int index) {
    const TaskItem item = only("wsc", "train.jsonl",
                               R"({"text":")" + text + R"(","target":{"span1_text":")" + span +
                                   R"(","span2_text":"it","span1_index":)" + std::to_string(index) +
                                   R"(,"span2_index":0},"label":false})");
    const std::string before = "refer to ";
    const std::size_t begin = item.prompt.find(before) + before.size();
    return item.prompt.substr(begin, item.prompt.find("? Yes") - begin);
  };
  EXPECT_EQ(span1("it saw the old dog", "The old dog", 2), "the old dog");    // case of the word pointed at
  EXPECT_EQ(span1("it met His mother", "his mother.", 2), "His mother");      // and no final period
  EXPECT_EQ(span1("it met the old dog", "the old\\ndog", 2), "the old dog");  // newline
  EXPECT_EQ(span1("it met the dog", "the dog", 99), "the dog");               // in the text: left alone
  EXPECT_EQ(span1("it met Kamenev, the man", "Kamenev and Zinoviev", 0), "Kamenev and Zinoviev");
}

TEST_F(ChoicePrompts, Wic) {
  const TaskItem item = only(
      "wic", "val.jsonl",
      R"({"word":"bank","sentence1":"A river bank.","sentence2":"Bank the fire.","label":false,"idx":3})");
  EXPECT_EQ(item.prompt,
            "Does the word \"bank\" have the same meaning in these two sentences? Yes, No?\nA river "
            "bank.\nBank the "
            "fire.\n");
  EXPECT_EQ(item.candidate_names, (Strings{"No", "Yes"}));
  EXPECT_EQ(item.correct, Correct{0});
}

TEST_F(ChoicePrompts, Multirc) {
  write(
      "train.jsonl",
      R"({"idx":4,"passage":{"text":"Sue ran.","questions":[{"question":"Who ran?","answers":[{"text":"Bob","label":0},{"text":"Sue","label":1}]},{"question":"How?","answers":[{"text":"Fast","label":0}]}]}})"
      "\n"
      R"({"idx":5,"passage":{"text":"P","questions":[{"question":"Q","answers":[{"text":"A","label":1}]}]}})");
  const auto items = read("multirc");
  ASSERT_EQ(items.size(), 4U);
  EXPECT_EQ(items[1].prompt,
            "Sue ran.\nQuestion: Who ran?\nI found this answer \"Sue\". Is that correct? Yes or No?\n");
  EXPECT_EQ(items[1].correct, Correct{1});
  EXPECT_EQ(items[1].candidate_names, (Strings{"No", "Yes"}));
  EXPECT_EQ(items[0].answered,
            "Sue ran.\nQuestion: Who ran?\nI found this answer \"Bob\". Is that correct? Yes or No?\nNo");
  EXPECT_EQ(items[0].id, "4-0-0");
  EXPECT_EQ(items[2].id, "4-1-0");
  EXPECT_EQ(items[3].prompt, "P\nQuestion: Q\nI found this answer \"A\". Is that correct? Yes or No?\n");
}

TEST_F(ChoicePrompts, Copa) {
  write(
      "train.jsonl",
      R"({"premise":"The cup fell. ","choice1":"It broke.","choice2":"I caught it.","question":"effect","label":0})"
      "\n"
      R"({"premise":"She slept","choice1":"Dr. Lee left.","choice2":"WE LEFT early.","question":"cause","label":1})");
  const auto items = read("copa");
  ASSERT_EQ(items.size(), 2U);
  EXPECT_EQ(items[0].prompt, "The cup fell so");
  EXPECT_EQ(items[0].candidates, (Strings{"The cup fell so it broke.", "The cup fell so I caught it."}));
  EXPECT_EQ(items[0].candidate_names, (Strings{"It broke.", "I caught it."}));
  EXPECT_EQ(items[0].answered, "The cup fell so it broke.");
  EXPECT_EQ(items[1].candidates,
            (Strings{"She slept because dr. Lee left.", "She slept because we LEFT early."}));
  EXPECT_EQ(items[1].correct, Correct{1});
  EXPECT_EQ(find_task("copa").objective, TaskObjective::language_model);
}

TEST_F(ChoicePrompts, Record) {
  // Offsets count characters, of which the é is one, and `end` is the last one's.
  const TaskItem item = only(
      "record", "val.jsonl",
      R"({"idx":2,"passage":{"text":"Zoé met Bo.\n@highlight\nBo left\n@highlight\nZoé wept","entities":[{"start":8,"end":9},{"start":0,"end":2},{"start":23,"end":24}]},"qas":[{"idx":9,"query":"Then @placeholder met @placeholder.","answers":[{"start":23,"end":24,"text":"Bo"},{"start":8,"end":9,"text":"Bo"}]}]})");
  EXPECT_EQ(item.prompt, "Zoé met Bo.\n- Bo left\n- Zoé wept\n-");
  EXPECT_EQ(item.candidate_names, (Strings{"Bo", "Zoé"}));
  EXPECT_EQ(item.candidates, (Strings{"Zoé met Bo.\n- Bo left\n- Zoé wept\n- Then Bo met Bo.",
                                      "Zoé met Bo.\n- Bo left\n- Zoé wept\n- Then Zoé met Zoé."}));
  EXPECT_EQ(item.correct, Correct{0});
  EXPECT_EQ(item.answered, item.candidates[0]);
  EXPECT_EQ(item.id, "2-0");
}

TEST_F(ChoicePrompts, RecordOfSeveralAnswersTrainsOnTheFirstInOrder) {
  const TaskItem item = only(
      "record", "train.jsonl",
      R"({"passage":{"text":"Bo, Al, Cy","entities":[{"start":0,"end":1},{"start":4,"end":5},{"start":8,"end":9}]},"qas":[{"query":"@placeholder ran","answers":[{"text":"Cy"},{"text":"Al"}]}]})");
  EXPECT_EQ(item.candidate_names, (Strings{"Al", "Bo", "Cy"}));
  EXPECT_EQ(item.correct, (Correct{0, 2}));
  EXPECT_EQ(item.answered, "Bo, Al, Cy\n- Al ran");
}

TEST_F(ChoicePrompts, RecordWithoutEntitiesIsForTrainingOnly) {
  const TaskItem item = only(
      "record", "train.jsonl",
      R"({"passage":{"text":"P","entities":[]},"qas":[{"query":"@placeholder ran","answers":[{"text":"Cy"}]}]})");
  EXPECT_TRUE(item.candidates.empty());
  EXPECT_TRUE(item.correct.empty());
  EXPECT_EQ(item.answered, "P\n- Cy ran");
  test::expect_contains(
      refusal(
          "record", "val.jsonl",
          R"({"passage":{"text":"P","entities":[]},"qas":[{"query":"@placeholder ran","answers":[{"text":"Cy"}]}]})"),
      "val.jsonl:1: passage: 'entities' is empty");
}

}  // namespace
}  // namespace cola
