#include "tasks/user_task.h"

#include "io/files.h"
#include "tasks/split.h"
#include "tasks/task_fixture.h"
#include "tasks/task_set.h"

namespace cola {
namespace {

using Strings = std::vector<std::string>;
using Correct = std::vector<std::int32_t>;

class UserTask : public test::TaskTest {
 protected:
  Task task(const std::string& toml) {
    write("my.toml", toml);
    return find_task((folder_ / "my.toml").string());
  }
  std::vector<TaskItem> items(const std::string& toml, const std::string& train) {
    const Task made = task(toml);
    write("t.jsonl", train);
    return made.read(made.folder, TaskSplit::train);
  }
  std::string message(const std::string& toml, const std::string& train = "{}") {
    try {
      (void)items(toml, train);
    } catch (const Error& error) {
      return error.what();
    }
    return "accepted";
  }

  const std::string files_ = "train='t.jsonl'\nvalidation='v.jsonl'\n";
  const std::string choice_ = files_ + "prompt='{q}?'\nlabel='l'\n";
};

/// The text of the n-th fenced block of a language in docs/add-a-task.md.
std::string documented(const std::string& language, int n) {
  const std::string page = read_text_file(test::test_files() / ".." / ".." / "docs" / "add-a-task.md");
  const std::string fence = "```" + language + "\n";
  std::size_t begin = 0;
  for (int i = 0; i <= n; ++i) {
    begin = page.find(fence, begin);
    if (begin == std::string::npos) return {};
    begin += fence.size();
  }
  return page.substr(begin, page.find("```", begin) - begin);
}

TEST_F(UserTask, TheDocumentedExampleRuns) {
  write("nli.toml", documented("toml", 0));
  write("nli-train.jsonl", documented("json", 0));
  const Task task = find_task((folder_ / "nli.toml").string());
  EXPECT_EQ(task.name, "nli");
  EXPECT_EQ(task.metric, TaskMetric::accuracy);
  EXPECT_EQ(task.objective, TaskObjective::candidates);
  EXPECT_FALSE(task.generates);
  EXPECT_EQ("elsewhere" / task.folder, folder_.path());
  const auto items = task.read(task.folder, TaskSplit::train);
  ASSERT_EQ(items.size(), 2U);
  const std::string prompt = documented("text", 0);
  EXPECT_EQ(items[0].prompt, prompt);
  EXPECT_EQ(items[0].candidates, (Strings{prompt + "True", prompt + "False"}));
  EXPECT_EQ(items[0].candidate_names, (Strings{"True", "False"}));
  EXPECT_EQ(items[0].correct, Correct{0});
  EXPECT_EQ(items[1].correct, Correct{1});
  EXPECT_EQ(items[1].answered,
            "The shop is closed.\nQuestion: You can buy bread there now. True or False?\nFalse");
}

TEST_F(UserTask, TheDocumentedVariantsRun) {
  write("train.tsv", "question\ta\tb\tcorrect\nWhich flies?\ta bird\ta stone\t1\n");
  const Task choices = task(documented("toml", 1));
  EXPECT_EQ(choices.name, "my");
  EXPECT_EQ(choices.dev_examples, 100);
  const auto items = choices.read(choices.folder, TaskSplit::train);
  ASSERT_EQ(items.size(), 1U);
  EXPECT_EQ(items[0].candidates, (Strings{"Which flies? Answer: a bird", "Which flies? Answer: a stone"}));
  EXPECT_EQ(items[0].correct, Correct{1});

  write("train.jsonl", R"({"question":"Who?","answers":["Bo","Bo Li"]})"
                       "\n"
                       R"({"question":"How many?","answers":4})");
  const Task generation = task(documented("toml", 2));
  EXPECT_TRUE(generation.generates);
  EXPECT_EQ(generation.metric, TaskMetric::f1);
  EXPECT_EQ(generation.objective, TaskObjective::language_model);
  const auto questions = generation.read(generation.folder, TaskSplit::train);
  ASSERT_EQ(questions.size(), 2U);
  EXPECT_EQ(questions[0].prompt, "Question: Who?\nAnswer:");
  EXPECT_EQ(questions[0].answered, "Question: Who?\nAnswer: Bo\n");
  EXPECT_EQ(questions[0].answers, (Strings{"Bo", "Bo Li"}));
  EXPECT_EQ(questions[1].answers, Strings{"4"});
}

TEST_F(UserTask, LabelsByTextNumberAndTruth) {
  const auto correct = [&](const std::string& candidates, const std::string& label) {
    const auto made = items(choice_ + candidates, R"({"q":"x","a":"one","b":"two","l":)" + label + "}");
    return made.empty() ? Correct{} : made[0].correct;
  };
  EXPECT_EQ(correct("candidates=[' No',' Yes']", R"("Yes")"), Correct{1});
  EXPECT_EQ(correct("candidates=[' No',' Yes']", "1"), Correct{1});
  EXPECT_EQ(correct("candidates=[' No',' Yes']", "true"), Correct{1});
  EXPECT_EQ(correct("candidates=[' No',' Yes']", "false"), Correct{0});
  EXPECT_EQ(correct("candidates=['2','1']", "1"), Correct{1});  // a candidate's text comes before its number
  EXPECT_EQ(correct("candidates-from=['a','b']", R"("two")"), Correct{1});
  EXPECT_EQ(correct("candidates-from=['a','b']", "0"), Correct{0});
  EXPECT_EQ(correct("candidates=['x','y']\nlabels=['1','0']", "0"), Correct{1});
}

TEST_F(UserTask, BracesAndOptions) {
  const std::string toml = files_ +
                           "prompt='{{{q}}} {n} {f}'\nlabel='l'\ncandidates=[' a',' b']\nmetric='f1'\n"
                           "objective='language_model'\ntrain-examples=3\ntest-examples=0\n";
  const auto made = items(toml, R"({"q":"{x}","n":2.5,"f":false,"l":0})");
  ASSERT_EQ(made.size(), 1U);
  EXPECT_EQ(made[0].prompt, "{{x}} 2.5 false");
  const Task options = task(toml);
  EXPECT_EQ(options.metric, TaskMetric::f1);
  EXPECT_EQ(options.objective, TaskObjective::language_model);
  EXPECT_EQ(options.train_examples, 3);
  EXPECT_EQ(options.test_examples, 0);
}

TEST_F(UserTask, MistakesInTheFileAreNamedByKey) {
  const auto expect = [&](const std::string& toml, const std::string& part) {
    const std::string text = message(toml);
    test::expect_contains(text, "my.toml");
    test::expect_contains(text, part);
  };
  const std::string candidates = "candidates=['a','b']\n";
  expect("a=", "my.toml:1: not valid TOML");
  expect(choice_ + candidates + "colour=1", "unknown key 'colour': a task has name, train");
  expect("prompt='x'", "'train' is missing");
  expect(files_ + candidates, "'prompt' is missing");
  expect("train=1", "'train' must be a string");
  expect(files_ + "prompt='{q}'\n" + candidates, "'label' is missing");
  expect(choice_, "'candidates' or 'candidates-from' or 'answers' is needed");
  expect(choice_ + candidates + "answers='a'", "one of the three");
  expect(choice_ + "answers='a'", "'label' is of candidates");
  expect(choice_ + "candidates=['a']", "'candidates' must have at least 2 entries");
  expect(choice_ + "candidates='a'", "'candidates' must be a list of strings");
  expect(choice_ + "candidates=['a',1]", "'candidates' must be a list of strings");
  expect(choice_ + candidates + "labels=['x']", "'labels' has 1 entries for 2 candidates");
  expect(choice_ + candidates + "metric='bleu'", "'metric' must be \"accuracy\" or \"f1\"");
  expect(choice_ + candidates + "objective='x'", "'objective' must be \"candidates\" or \"language_model\"");
  expect(files_ + "prompt='{q}'\nanswers='a'\nobjective='candidates'",
         "'objective' must be \"language_model\"");
  expect(choice_ + candidates + "dev-examples=-1", "'dev-examples' must be a number");
  for (const char* prompt : {"{", "}", "{q", "{}", "q}", "{a{b}}"}) {
    expect(files_ + "prompt='" + prompt + "'\nlabel='l'\n" + candidates, "'prompt': the '");
  }
}

TEST_F(UserTask, MistakesInTheDataAreNamedByLine) {
  const std::string toml = choice_ + "candidates=['a','b']\n";
  test::expect_contains(message(toml, R"({"q":1,"l":0})"
                                      "\n"
                                      R"({"p":1,"l":0})"),
                        "t.jsonl:2: no field 'q': the record has l, p");
  test::expect_contains(message(toml, R"({"q":1})"), "t.jsonl:1: no field 'l': the record has q");
  test::expect_contains(message(toml, R"({"q":[],"l":0})"), "t.jsonl:1: 'q' must be a string, a number");
  test::expect_contains(message(toml, R"({"q":1,"l":2})"), "t.jsonl:1: 'l' is '2': must be one of a, b");
  test::expect_contains(message(toml + "labels=['x','y']", R"({"q":1,"l":0})"),
                        "t.jsonl:1: 'l' is '0': must be one of x, y");
  const std::string generation = files_ + "prompt='{q}'\nanswers='a'\n";
  test::expect_contains(message(generation, R"({"q":1})"), "t.jsonl:1: no field 'a'");
  test::expect_contains(message(generation, R"({"q":1,"a":[]})"), "t.jsonl:1: 'a' is empty");
  test::expect_contains(message(generation, R"({"q":1,"a":[1]})"),
                        "'a' must be a string or a list of strings");
  const Task missing = task(toml);
  EXPECT_THROW((void)missing.read(missing.folder, TaskSplit::validation), Error);
}

TEST_F(UserTask, MalformedTomlIsTheUsersMistake) { EXPECT_THROW((void)task("a="), UsageError); }

TEST_F(UserTask, NumbersThatLeaveNothingNameTheirOption) {
  const Task made = task(choice_ + "candidates=['a','b']\n");
  write("t.jsonl", "{\"q\":1,\"l\":0}\n{\"q\":2,\"l\":1}\n");
  write("v.jsonl", "{\"q\":1,\"l\":0}\n");
  const auto expect = [&](const TaskSizes& sizes, bool of_test, const std::string& part) {
    try {
      (void)(of_test ? read_test_set(made, folder_.path(), sizes, 0)
                     : read_training_sets(made, folder_.path(), sizes, 0).dev);
      ADD_FAILURE() << part;
    } catch (const UsageError& error) {
      test::expect_contains(error.what(), part);
    }
  };
  expect({}, false, "lower --num-dev (of a task's own file: dev-examples)");
  expect({{}, -3, {}}, false, "--num-dev is -3");
  expect({0, {}, {}}, false, "--num-train is 0");
  expect({{}, {}, 0}, true, "--num-test is 0");
}

TEST_F(UserTask, MissingTomlFile) { EXPECT_THROW((void)find_task((folder_ / "no.toml").string()), Error); }

}  // namespace
}  // namespace cola
