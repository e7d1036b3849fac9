// What is wrong with a data set is said with its place.
#include "tasks/task_fixture.h"

namespace cola {
namespace {

using test::expect_contains;

class TaskFiles : public test::TaskTest {};

TEST_F(TaskFiles, UnknownTaskListsTheNames) {
  try {
    (void)find_task("snli");
    FAIL();
  } catch (const UsageError& error) {
    expect_contains(error.what(), "sst2, rte, cb, boolq, wsc, wic, multirc, copa, record, squad, drop");
  }
}

TEST_F(TaskFiles, FoldersAreTheDataSetsNames) {
  const std::vector<std::string> folders{"SST-2",   "RTE",  "CB",     "BoolQ", "WSC", "WiC",
                                         "MultiRC", "COPA", "ReCoRD", "SQuAD", "DROP"};
  ASSERT_EQ(task_names().size(), folders.size());
  for (std::size_t i = 0; i < folders.size(); ++i) EXPECT_EQ(default_folder(task_names()[i]), folders[i]);
}

TEST_F(TaskFiles, MissingFileNamesItTheOthersAndTheAddress) {
  const std::vector<std::pair<std::string, std::string>> cases{
      {"cb", "https://super.gluebenchmark.com/tasks"},
      {"sst2", "https://gluebenchmark.com/tasks"},
      {"squad", "https://rajpurkar.github.io/SQuAD-explorer"},
      {"drop", "https://allenai.org/data/drop"},
      {"boolq", "https://github.com/google-research-datasets/boolean-questions"}};
  for (const auto& [task, address] : cases) {
    for (const TaskSplit split : {TaskSplit::train, TaskSplit::validation}) {
      try {
        (void)read(task, split);
        ADD_FAILURE() << task;
      } catch (const Error& error) {
        expect_contains(error.what(), "no such file");
        expect_contains(error.what(), address);
        expect_contains(error.what(), folder_.path().string());
      }
    }
  }
  try {
    (void)read("rte", TaskSplit::validation);
  } catch (const Error& error) {
    expect_contains(error.what(), "val.jsonl: no such file (nor dev.jsonl, validation.jsonl)");
  }
}

TEST_F(TaskFiles, EachNameOfTheValidationFileIsFound) {
  for (const char* name :
       {"validation.jsonl", "dev.jsonl", "val.jsonl"}) {  // each is preferred to those before
    const std::string row = std::string(R"({"premise":")") + name + R"(","hypothesis":"h","label":0})";
    const TaskItem item = only("rte", name, row);
    EXPECT_TRUE(item.prompt.starts_with(name)) << item.prompt;
  }
}

TEST_F(TaskFiles, MalformedRowsAreNamedByLine) {
  const std::string good = R"({"premise":"p","hypothesis":"h","label":"neutral"})";
  expect_contains(refusal("cb", "train.jsonl", good + "\n{"), "train.jsonl:2: not valid JSON");
  expect_contains(refusal("cb", "train.jsonl", good + "\n\n[]"), "train.jsonl:3: must be a JSON object");
  expect_contains(refusal("cb", "train.jsonl", R"({"hypothesis":"h","label":0})"),
                  "train.jsonl:1: 'premise' is missing");
  expect_contains(refusal("cb", "train.jsonl", R"({"premise":1,"hypothesis":"h","label":0})"),
                  "train.jsonl:1: 'premise' must be a string");
  expect_contains(refusal("cb", "train.jsonl", R"({"premise":"p","hypothesis":"h","label":"x"})"),
                  "train.jsonl:1: 'label' is 'x': must be one of entailment, contradiction, neutral");
  for (const char* label : {"3", "-1", "1.5", "true", "99999999999999999999"}) {
    expect_contains(refusal("cb", "train.jsonl",
                            R"({"premise":"p","hypothesis":"h","label":)" + std::string(label) + "}"),
                    "train.jsonl:1: 'label' is");
  }
  expect_contains(refusal("cb", "train.jsonl", ""), "train.jsonl: no examples in it");
}

TEST_F(TaskFiles, MalformedTsv) {
  expect_contains(refusal("sst2", "train.tsv", "sentence\tlabel\nfine\t1\nno label\n"),
                  "train.tsv:3: 1 columns, but the header has 2 (sentence, label)");
  expect_contains(refusal("sst2", "train.tsv", "text\tlabel\nfine\t1\n"),
                  "train.tsv:2: 'sentence' is missing");
  expect_contains(refusal("sst2", "train.tsv", "sentence\tlabel\nfine\t2\n"), "train.tsv:2: 'label' is '2'");
  expect_contains(refusal("sst2", "train.tsv", "sentence\tlabel\n"), "train.tsv: no examples in it");
  expect_contains(refusal("sst2", "train.tsv", "sentence\tlabel\n\xFF\t1\n"), "train.tsv:2");
}

TEST_F(TaskFiles, MalformedWsc) {
  const auto row = [](const std::string& index) {
    return R"({"text":"it ran","target":{"span1_text":"Tom","span2_text":"it","span1_index":)" + index +
           R"(,"span2_index":0},"label":true})";
  };
  expect_contains(refusal("wsc", "train.jsonl", row("2")),
                  "train.jsonl:1: target: 'span1_index' is 2, but the text has 2 words");
  expect_contains(refusal("wsc", "train.jsonl", row("-1")), "'span1_index' is -1");
  expect_contains(refusal("wsc", "train.jsonl", R"({"text":"t","target":[],"label":true})"),
                  "train.jsonl:1: target: must be a JSON object");
}

TEST_F(TaskFiles, MalformedRecord) {
  const auto row = [](const std::string& entity, const std::string& qas) {
    return R"({"passage":{"text":"Bo ran","entities":[)" + entity + R"(]},"qas":[)" + qas + "]}";
  };
  const std::string query = R"({"query":"@placeholder","answers":[{"text":"Bo"}]})";
  expect_contains(refusal("record", "train.jsonl", row(R"({"start":0,"end":6})", query)),
                  "train.jsonl:1: passage: entity: 0 to 6 does not lie in the text of 6 characters");
  expect_contains(refusal("record", "train.jsonl", row(R"({"start":-1,"end":2})", query)), "does not lie in");
  expect_contains(refusal("record", "train.jsonl", row(R"({"start":2,"end":1})", query)), "does not lie in");
  expect_contains(refusal("record", "train.jsonl", row("", R"({"query":"q","answers":[{"text":"Bo"}]})")),
                  "train.jsonl:1: query 0: 'query' has no @placeholder");
  expect_contains(refusal("record", "train.jsonl", row("", R"({"query":"@placeholder","answers":[]})")),
                  "train.jsonl:1: query 0: no answer");
}

TEST_F(TaskFiles, MalformedCopaAndMultirc) {
  expect_contains(refusal("copa", "train.jsonl",
                          R"({"premise":"p","choice1":"a","choice2":"b","question":"why","label":0})"),
                  R"(train.jsonl:1: 'question' must be "effect" or "cause")");
  expect_contains(
      refusal("multirc", "train.jsonl",
              R"({"passage":{"text":"P","questions":[{"question":"Q","answers":[{"text":"A"}]}]}})"),
      "train.jsonl:1: question 0: answer 0: 'label' is missing");
}

TEST_F(TaskFiles, MalformedSquadAndDropAreNamedByPath) {
  expect_contains(
      refusal(
          "squad", "train-v1.1.json",
          R"({"data":[{"title":"T","paragraphs":[]},{"title":"T","paragraphs":[{"context":"c","qas":[{"id":"q","question":"?","answers":[]}]}]}]})"),
      "train-v1.1.json: article 1, paragraph 0, qas 0: no answer");
  expect_contains(refusal("squad", "train-v1.1.json", R"({"data":{}})"),
                  "train-v1.1.json: 'data' must be a list");
  expect_contains(refusal("squad", "train-v1.1.json", R"({"data":[]})"),
                  "train-v1.1.json: no examples in it");
  expect_contains(
      refusal("drop", "drop_dataset_train.json", R"({"p7":{"passage":"P","qa_pairs":[{"question":"?"}]}})"),
      "drop_dataset_train.json: passage p7, question 0: 'answer' is missing");
  expect_contains(refusal("drop", "drop_dataset_train.json",
                          R"({"p7":{"passage":"P","qa_pairs":[{"question":"?","answer":{"spans":[1]}}]}})"),
                  "passage p7, question 0: answer: a span must be a string");
}

}  // namespace
}  // namespace cola
