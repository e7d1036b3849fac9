// Prompts of the tasks answered by generation, byte for byte, and their gold strings.
#include "tasks/task_fixture.h"

namespace cola {
namespace {

using Strings = std::vector<std::string>;

class GenerationPrompts : public test::TaskTest {
 protected:
  /// A DROP file with one passage "p" of these qa_pairs.
  static std::string drop(const std::string& pairs) {
    return R"({"p":{"passage":"Bears won 7-3.","qa_pairs":[)" + pairs + "]}}";
  }
};

TEST_F(GenerationPrompts, Squad) {
  const TaskItem item = only(
      "squad", "dev-v1.1.json",
      R"({"data":[{"title":"Old_Town","paragraphs":[{"context":" It lies by a lake.","qas":[{"id":"q1","question":" Where is it? ","answers":[{"text":"by a lake","answer_start":9},{"text":"a lake","answer_start":12}]}]}]}]})");
  EXPECT_EQ(item.prompt, "Title: Old_Town\nContext:  It lies by a lake.\nQuestion: Where is it?\nAnswer:");
  EXPECT_EQ(item.answered,
            "Title: Old_Town\nContext:  It lies by a lake.\nQuestion: Where is it?\nAnswer: by a lake\n");
  EXPECT_EQ(item.answers, (Strings{"by a lake", "a lake"}));
  EXPECT_TRUE(item.candidates.empty());
  EXPECT_EQ(item.id, "q1");
  EXPECT_TRUE(find_task("squad").generates);
  EXPECT_EQ(find_task("squad").metric, TaskMetric::f1);
}

TEST_F(GenerationPrompts, DropOfTrainingHasItsAnswerAlone) {
  const TaskItem item = only(
      "drop", "drop_dataset_train.json",
      drop(
          R"({"query_id":"q","question":"Who? ","answer":{"number":"","date":{"day":"","month":"","year":""},"spans":["Bears","the Bears"]},"validated_answers":[{"number":"7","spans":[]}]})"));
  EXPECT_EQ(item.prompt, "Passage: Bears won 7-3.\nQuestion: Who?\nAnswer:");
  EXPECT_EQ(item.answered, "Passage: Bears won 7-3.\nQuestion: Who?\nAnswer: Bears\n");
  EXPECT_EQ(item.answers, (Strings{"Bears", "the Bears"}));
  EXPECT_EQ(item.id, "q");
}

TEST_F(GenerationPrompts, DropOfValidationHasAllValidatedAnswers) {
  const TaskItem item = only(
      "drop", "drop_dataset_dev.json",
      drop(
          R"({"question":"When?","answer":{"number":"4","spans":[]},"validated_answers":[{"number":"","date":{"day":"3","month":"May","year":"1999"},"spans":[]},{"number":"","date":{"day":"","month":"","year":"1999"},"spans":[]},{"number":12,"spans":[]}]})"));
  EXPECT_EQ(item.answers, (Strings{"3 May 1999", "1999", "12"}));
  EXPECT_EQ(item.answered, "Passage: Bears won 7-3.\nQuestion: When?\nAnswer: 3 May 1999\n");
  EXPECT_EQ(item.id, "p-0");
}

TEST_F(GenerationPrompts, DropWithoutValidatedAnswersUsesTheAnswer) {
  const TaskItem item = only("drop", "drop_dataset_dev.json",
                             drop(R"({"question":"How many?","answer":{"number":"4","spans":[]}})"));
  EXPECT_EQ(item.answers, Strings{"4"});
}

TEST_F(GenerationPrompts, DropLeavesOutQuestionsWithoutAnAnswer) {
  const TaskItem item = only(
      "drop", "drop_dataset_train.json",
      drop(
          R"({"question":"?","answer":{"number":"","date":{"day":"","month":"","year":""},"spans":[]}},{"question":"How many?","answer":{"number":"4","spans":[]}})"));
  EXPECT_EQ(item.id, "p-1");
}

TEST_F(GenerationPrompts, DropKeepsTheOrderOfTheFile) {
  const std::string pairs = R"([{"question":"q","answer":{"number":"1","spans":[]}}])";
  write("drop_dataset_train.json", R"({"z":{"passage":"Z","qa_pairs":)" + pairs +
                                       R"(},"a":{"passage":"A","qa_pairs":)" + pairs +
                                       R"(},"m":{"passage":"M","qa_pairs":)" + pairs + "}}");
  Strings ids;
  for (const TaskItem& item : read("drop")) ids.push_back(item.id);
  EXPECT_EQ(ids, (Strings{"z-0", "a-0", "m-0"}));
}

}  // namespace
}  // namespace cola
