// Against the data sets' own scripts (tools/parity/metrics.py).
#include "tasks/official_metrics.h"

#include "io/json.h"
#include "tasks/drop_metric.h"
#include "tasks/metrics.h"
#include "tasks/task_fixture.h"
#include "tasks/task_text.h"

namespace cola {
namespace {

using Strings = std::vector<std::string>;

/// A list of a file of official results.
Json official(const char* name, const char* list) {
  Json cases = read_json_file(test::test_files() / "metrics" / (std::string(name) + ".json")).at(list);
  EXPECT_GT(cases.size(), 20U);
  return cases;
}

/// Items and predictions of classes 0, 1, ... called `names`.
struct Classified {
  std::vector<TaskItem> items;
  Strings predictions;
};

Classified classified(const Json& one, const Strings& names) {
  Classified result;
  for (std::size_t i = 0; i < one["gold"].size(); ++i) {
    TaskItem item;
    item.candidate_names = names;
    item.correct = {one["gold"][i].get<std::int32_t>()};
    item.question = "0";
    item.question_answers = std::ssize(one["gold"]);
    result.items.push_back(item);
    result.predictions.push_back(names.at(one["predicted"][i].get<std::size_t>()));
  }
  return result;
}

TEST(OfficialMetrics, NormaliseAnswersAsSquadDoes) {
  for (const Json& pair : official("squad", "normalized")) {
    const auto normalized = pair[1].get<std::string>();
    const auto words = split_whitespace(normalized);
    EXPECT_EQ(answer_words(pair[0].get<std::string>()), Strings(words.begin(), words.end())) << pair[0];
  }
}

TEST(OfficialMetrics, AreSquadsExactMatchAndF1) {
  for (const Json& one : official("squad", "scores")) {
    TaskItem item;
    item.answers = one["answers"].get<Strings>();
    const Strings predictions{one["prediction"].get<std::string>()};
    const OfficialScores scores = exact_match_and_f1({&item, 1}, predictions);
    EXPECT_EQ(scores.at("exact_match"), one["exact_match"].get<double>()) << one;
    EXPECT_DOUBLE_EQ(*scores.at("f1"), one["f1"].get<double>()) << one;
  }
}

TEST(OfficialMetrics, NormaliseSpansAsDropDoes) {
  for (const Json& pair : official("drop", "normalized"))
    EXPECT_EQ(drop_normalized(pair[0].get<std::string>()), pair[1].get<std::string>()) << pair[0];
}

TEST(OfficialMetrics, AreDropsExactMatchAndF1) {
  for (const Json& one : official("drop", "scores")) {
    const auto annotations = one["annotations"].get<std::vector<Strings>>();
    const DropScore score = drop_score(one["prediction"].get<std::string>(), annotations);
    EXPECT_EQ(score.exact_match, one["exact_match"].get<double>()) << one;
    EXPECT_DOUBLE_EQ(score.f1, one["f1"].get<double>()) << one;
  }
}

TEST(OfficialMetrics, MacroF1OfCbCountsAnAbsentClassAsZeroAndBesideItNotAtAll) {
  for (const Json& one : official("classes", "cb")) {
    const Classified all = classified(one, {"Yes", "No", "Maybe"});
    const OfficialScores scores = cb_scores(all.items, all.predictions);
    EXPECT_NEAR(*scores.at("f1_macro"), one["f1_macro"].get<double>(), 1e-15) << one;
    EXPECT_NEAR(*scores.at("f1_macro_present"), one["f1_macro_present"].get<double>(), 1e-15) << one;
  }
}

TEST(OfficialMetrics, F1OfMultircIsOverAllAnswers) {
  for (const Json& one : official("classes", "multirc")) {
    const Classified all = classified(one, {"No", "Yes"});
    const OfficialScores scores = multirc_scores(all.items, all.predictions);
    EXPECT_NEAR(*scores.at("f1_a"), one["f1_a"].get<double>(), 1e-15) << one;
    EXPECT_EQ(scores.at("exact_match"), one["gold"] == one["predicted"] ? 1.0 : 0.0) << one;
  }
}

class OfficialTasks : public test::TaskTest {};

TEST_F(OfficialTasks, ExactMatchOfMultircIsOfWholeQuestions) {
  write("val.jsonl",
        R"({"idx": 0, "passage": {"text": "P", "questions": [)"
        R"({"question": "Q", "answers": [{"text": "a", "label": 1}, {"text": "b", "label": 0}]},)"
        R"({"question": "R", "answers": [{"text": "c", "label": 1}]}]}})"
        "\n");
  const auto items = read("multirc", TaskSplit::validation);
  const OfficialMetric metric = find_task("multirc").official;
  const OfficialScores scores = metric(items, Strings{"Yes", "Yes", "Yes"});  // b is wrong, so Q is
  EXPECT_EQ(scores.at("exact_match"), 0.5);
  EXPECT_DOUBLE_EQ(*scores.at("f1_a"), 2.0 * 2 / 5);
  const OfficialScores part = metric(std::span(items).subspan(1), Strings{"No", "Yes"});
  EXPECT_EQ(part.at("exact_match"), std::nullopt);  // an answer of Q is missing
  EXPECT_EQ(part.at("f1_a"), 1.0);
}

TEST_F(OfficialTasks, RecordTakesAnotherSpellingOfAnAnswerAndOneThatIsNoCandidate) {
  const TaskItem item = only("record", "val.jsonl",
                             R"({"idx": 0, "passage": {"text": "the U.S. US Bo", "entities": [)"
                             R"({"start": 0, "end": 7}, {"start": 9, "end": 10}, {"start": 12, "end": 13}]},)"
                             R"("qas": [{"query": "@placeholder won", "answers": [{"text": "US"}, )"
                             R"({"text": "Bo Li"}]}]})"
                             "\n");
  const OfficialMetric metric = find_task("record").official;
  EXPECT_EQ(score_candidate(TaskMetric::accuracy, item, 2), 0.0);  // "the U.S." by the paper's accuracy
  EXPECT_EQ(item.candidate_names[2], "the U.S.");
  EXPECT_EQ(metric({&item, 1}, Strings{"the U.S."}).at("exact_match"), 1.0);
  EXPECT_DOUBLE_EQ(*metric({&item, 1}, Strings{"Bo"}).at("f1"), 2.0 / 3);
}

TEST_F(OfficialTasks, DropComparesWithTheAnswerAndAllValidatedOnes) {
  const TaskItem item = only(
      "drop", "drop_dataset_dev.json",
      R"({"p": {"passage": "P", "qa_pairs": [{"question": "Q", "query_id": "q",)"
      R"("answer": {"number": "1,200", "date": {"day": "", "month": "", "year": ""}, "spans": []},)"
      R"("validated_answers": [{"number": "", "date": {"day": "", "month": "May", "year": "1999"},)"
      R"("spans": ["Bo", "Li"]}, {"number": "", "date": {"day": "3", "month": "May", "year": ""}, "spans": []}]}]}})");
  EXPECT_EQ(item.answers, (Strings{"May 1999", "3 May"}));  // the paper's: date before spans, no answer
  EXPECT_EQ(item.annotations, (std::vector<Strings>{{"1,200"}, {"Bo", "Li"}, {"3 May"}}));
  const OfficialMetric metric = find_task("drop").official;
  EXPECT_EQ(metric({&item, 1}, Strings{"1200.0"}).at("exact_match"), 1.0);
  EXPECT_EQ(metric({&item, 1}, Strings{"Li"}).at("f1"), 0.5);  // one span of two
}

TEST(OfficialMetrics, AreThereWhereThePapersIsAnother) {
  for (const std::string& name : task_names()) {
    const bool another =
        name == "cb" || name == "multirc" || name == "record" || name == "squad" || name == "drop";
    EXPECT_EQ(find_task(name).official != nullptr, another) << name;
  }
}

}  // namespace
}  // namespace cola
