#include "sweep/results.h"

#include <gtest/gtest.h>

#include "core/error.h"
#include "io/files.h"
#include "io/json.h"
#include "support/files.h"
#include "sweep/plan_file.h"
#include "sweep/render.h"
#include "sweep/results_csv.h"
#include "sweep/results_json.h"

namespace cola {
namespace {

/// Two methods, two rates, two seeds on 4 test examples.
SweepPlan plan() {
  Problems problems;
  return expand_plan(resolve_plan(R"(
name = "made-up"
model = "/models/m"
data = "/data"
tasks = ["cb"]
seeds = [0, 1]
gain-over = "lora"
[[method]]
method = "lora"
learning-rate = [1e-3, 1e-4]
[[method]]
method = "cola"
learning-rate = [1e-3, 1e-4]
)",
                                  "plan", {}),
                     problems);
}

TrialResult trial(const std::string& id, std::vector<double> scores, double dev_score, double dev_loss) {
  TrialResult result;
  result.id = id;
  result.metric = "accuracy";
  result.correct = 0;
  for (std::size_t i = 0; i < scores.size(); ++i) {
    *result.correct += scores[i] > 0.5 ? 1 : 0;
    result.items.push_back(std::to_string(i));
  }
  result.total = static_cast<std::int64_t>(scores.size());
  result.score = static_cast<double>(*result.correct) / static_cast<double>(result.total);
  result.item_scores = std::move(scores);
  result.dev_score = dev_score;
  result.dev_loss = dev_loss;
  result.links = id.find("cola") == std::string::npos ? 1 : id.ends_with("seed0") ? 2 : 3;
  result.tested_links = 1;
  result.hf_flos = 1e10;
  result.hf_flos_saved = 1e6;
  return result;
}

std::map<std::string, TrialResult> finished() {
  std::map<std::string, TrialResult> results;
  const auto add = [&](const std::string& id, std::vector<double> scores, double dev_score, double dev_loss) {
    results.emplace(id, trial(id, std::move(scores), dev_score, dev_loss));
  };
  add("cb-lora-lr1e-3-seed0", {1, 1, 1, 1}, 0.4, 0.1);  // best on test, but not on dev
  add("cb-lora-lr1e-3-seed1", {1, 1, 1, 1}, 0.4, 0.1);
  add("cb-lora-lr1e-4-seed0", {1, 1, 0, 0}, 0.6, 0.5);
  add("cb-lora-lr1e-4-seed1", {1, 0, 0, 0}, 0.6, 0.5);
  add("cb-cola-lr1e-3-seed0", {1, 1, 1, 0}, 0.5, 0.9);  // a tie on dev: the loss decides
  add("cb-cola-lr1e-3-seed1", {1, 1, 1, 0}, 0.5, 0.9);
  add("cb-cola-lr1e-4-seed0", {1, 1, 1, 0}, 0.5, 0.2);
  add("cb-cola-lr1e-4-seed1", {0, 1, 1, 1}, 0.5, 0.2);
  return results;
}

TEST(SweepResults, ChoosesTheRateOnDevAndDoesTheArithmetic) {
  const SweepResults results = make_results(plan(), {finished(), {}});
  ASSERT_EQ(results.rows.size(), 2U);
  const ResultRow& lora = results.rows[0];
  const ResultRow& cola = results.rows[1];
  EXPECT_EQ(lora.learning_rate, 1e-4);
  EXPECT_EQ(cola.learning_rate, 1e-4);
  EXPECT_DOUBLE_EQ(lora.mean, 0.375);                     // (2/4 + 1/4) / 2
  EXPECT_NEAR(*lora.spread, 0.17677669529663687, 1e-15);  // 0.25 / sqrt(2)
  EXPECT_DOUBLE_EQ(*cola.relative_gain, 1.0);             // 0.75 over 0.375
  EXPECT_FALSE(lora.relative_gain);
  EXPECT_EQ(lora.correct, (std::vector<std::int64_t>{2, 1}));
  ASSERT_EQ(results.tests.size(), 1U);
  const ResultTest& test = results.tests[0];
  EXPECT_EQ(test.test, "sign-flip");
  EXPECT_EQ(test.questions, 4U);  // not 8: two seeds of the same questions
  EXPECT_EQ(test.seeds, 2U);
  EXPECT_EQ(test.a_higher, 1U);  // question 0: 2 to 1
  EXPECT_EQ(test.b_higher, 3U);  // 1 to 2, 0 to 2, 0 to 1
  EXPECT_DOUBLE_EQ(test.difference, -0.375);
  EXPECT_DOUBLE_EQ(test.p, 0.5);         // of 16 flips of 1, -1, -2, -1: 8 sum to 3 or more in magnitude
  EXPECT_DOUBLE_EQ(test.mid_p, 0.3125);  // 2 of them to 5, the other 6 to 3
  EXPECT_DOUBLE_EQ(test.p_holm, 0.5);
  EXPECT_NEAR(*test.p_seeds, 0.2048, 1e-4);  // t = -0.375 / 0.125, one degree of freedom: 2 atan(1/3) / pi
  EXPECT_EQ(lora.questions, 4);
  EXPECT_TRUE(results.missing.empty());
}

TEST(SweepResults, ComparesRatesOverTheSeedsThatAllHave) {
  auto some = finished();
  some.erase("cb-lora-lr1e-4-seed1");
  const SweepResults results = make_results(plan(), {some, {}});
  EXPECT_EQ(results.missing, std::vector<std::string>{"cb-lora-lr1e-4-seed1"});
  EXPECT_EQ(results.rows[0].learning_rate, 1e-4);  // 0.6 against 0.4 with seed 0
  EXPECT_TRUE(results.rows[0].provisional);
  EXPECT_EQ(results.rows[0].seeds, std::vector<std::uint64_t>{0});
  EXPECT_FALSE(results.rows[1].provisional);
  const std::string text = results_text(results);
  EXPECT_NE(text.find("Not finished: 1 of 8"), std::string::npos);
  EXPECT_NE(text.find("‡ provisional"), std::string::npos);
  some.erase("cb-lora-lr1e-3-seed0");  // the one rate has seed 1, the other seed 0
  const SweepResults none = make_results(plan(), {[&] {
                                                    auto apart = finished();
                                                    apart.erase("cb-lora-lr1e-4-seed1");
                                                    apart.erase("cb-lora-lr1e-3-seed0");
                                                    return apart;
                                                  }(),
                                                  {}});
  EXPECT_EQ(none.rows[0].reason, "not chosen: its rates have finished with other seeds");
  EXPECT_TRUE(none.tests.empty());
}

TEST(SweepResults, TiesOfRatesAreNotDecidedByRounding) {
  auto some = finished();
  const std::vector<double> scores{1, 1, 1, 0};
  // (0.1 + 0.2 + 0.3) / 3 and (0.3 + 0.2 + 0.1) / 3 differ as doubles; with two seeds 0.1 + 0.7 and 0.8.
  some.at("cb-cola-lr1e-3-seed0") = trial("cb-cola-lr1e-3-seed0", scores, 0.1 + 0.2, 0.9);
  some.at("cb-cola-lr1e-3-seed1") = trial("cb-cola-lr1e-3-seed1", scores, 0.3, 0.9);
  some.at("cb-cola-lr1e-4-seed0") = trial("cb-cola-lr1e-4-seed0", scores, 0.3, 0.2);
  some.at("cb-cola-lr1e-4-seed1") = trial("cb-cola-lr1e-4-seed1", scores, 0.3, 0.2);
  EXPECT_EQ(make_results(plan(), {some, {}}).rows[1].learning_rate, 1e-4);
}

TEST(SweepResults, GainsAreOverTheSeedsThatBothHave) {
  auto some = finished();
  some.erase("cb-lora-lr1e-4-seed1");  // LoRA's 2 of 4; COLA's mean is 3 of 4 in both
  some.at("cb-cola-lr1e-4-seed1") = trial("cb-cola-lr1e-4-seed1", {1, 1, 1, 1}, 0.5, 0.2);
  const SweepResults results = make_results(plan(), {some, {}});
  EXPECT_DOUBLE_EQ(*results.rows[1].relative_gain, 0.5);  // 3/4 over 2/4, not 7/8 over 2/4
  EXPECT_EQ(results.rows[1].gain_base, 0U);
}

TEST(SweepResults, FailedIsToldFromNotRun) {
  auto some = finished();
  some.erase("cb-lora-lr1e-4-seed1");
  some.erase("cb-lora-lr1e-4-seed0");
  const SweepResults results = make_results(plan(), {some, {{"cb-lora-lr1e-4-seed1", "no space left"}}});
  EXPECT_EQ(results.missing, std::vector<std::string>{"cb-lora-lr1e-4-seed0"});
  ASSERT_EQ(results.failed.size(), 1U);
  EXPECT_NE(results_text(results).find("Failed: 1 of 8 trials: cb-lora-lr1e-4-seed1 (no space left)"),
            std::string::npos);
  EXPECT_TRUE(results.rows[0].scored());  // at the other rate
  EXPECT_FALSE(results.rows[0].chosen_on_dev);
  some.erase("cb-lora-lr1e-3-seed0");
  some.erase("cb-lora-lr1e-3-seed1");
  std::map<std::string, std::string> all;
  for (const char* id : {"lr1e-4-seed0", "lr1e-4-seed1", "lr1e-3-seed0", "lr1e-3-seed1"})
    all[std::string("cb-lora-") + id] = "no space left";
  EXPECT_EQ(make_results(plan(), {some, all}).rows[0].reason, "failed");
}

TEST(SweepResults, MarksRatesAtTheGridsEdge) {
  const SweepResults results = make_results(plan(), {finished(), {}});
  EXPECT_TRUE(results.rows[0].at_grid_edge);
  const std::string text = results_text(results);
  EXPECT_NE(text.find("1e-4*"), std::string::npos) << text;
  EXPECT_NE(text.find("* the lowest or highest rate of its grid"), std::string::npos) << text;
  EXPECT_NE(results_latex(results).find("\\smallskip * the lowest"), std::string::npos);
}

TEST(SweepResults, NeverChoosesARateThatDiverged) {
  auto some = finished();
  TrialResult diverged;
  diverged.id = "cb-lora-lr1e-4-seed1";
  diverged.diverged = true;
  some[diverged.id] = diverged;
  const SweepResults results = make_results(plan(), {some, {}});
  EXPECT_EQ(results.rows[0].learning_rate, 1e-3);
  EXPECT_EQ(results.diverged, std::vector<std::string>{diverged.id});
  EXPECT_TRUE(results.missing.empty());
  EXPECT_NE(results_text(results).find("Diverged, never chosen: 1 of 8 trials: " + diverged.id),
            std::string::npos);
  EXPECT_EQ(results_json(results)["diverged"][0], diverged.id);
  some["cb-lora-lr1e-3-seed0"].diverged = true;
  const SweepResults none = make_results(plan(), {some, {}});
  ASSERT_EQ(none.rows.size(), 2U);
  EXPECT_EQ(none.rows[0].reason, "all rates diverged");
  const std::string text = results_text(none);
  EXPECT_NE(text.find("lora    diverged\n"), std::string::npos) << text;
  EXPECT_EQ(results_json(none)["rows"][0]["reason"], "all rates diverged");
  EXPECT_NE(results_csv(none).find("cb,lora,lora,,,0,,,,,,"), std::string::npos) << results_csv(none);
}

TEST(SweepResults, ADivergedTrialIsAFinishedOne) {
  const test::TemporaryFolder root;
  const SweepFolder folder{root.path()};
  const SweepTrial trial = plan().trials.front();
  write_diverged_trial(folder, trial, "step 3: the loss is nan");
  EXPECT_TRUE(folder.finished(trial.id));
  EXPECT_TRUE(read_trial_result(folder, trial.id).diverged);
}

TEST(SweepResults, SaysWhatToDoWithoutPredictions) {
  const test::TemporaryFolder root;
  const SweepFolder folder{root.path()};
  const SweepTrial trial = plan().trials.front();
  write_trial_result(folder, trial, TaskResult{}, nullptr);
  std::filesystem::remove(folder.predictions(trial.id));
  try {
    (void)read_trial_result(folder, trial.id);
    ADD_FAILURE() << "read without predictions";
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("remove the trial's folder"), std::string::npos) << error.what();
  }
}

TEST(SweepResults, HasLinksOfEverySeedAndSavedFlops) {
  const SweepResults results = make_results(plan(), {finished(), {}});
  EXPECT_EQ(results.rows[1].links, (std::vector<std::int64_t>{2, 3}));
  EXPECT_EQ(results.rows[1].tested_links, (std::vector<std::int64_t>{1, 1}));
  EXPECT_NE(results_text(results).find("2-3    1       1.00e+10  1.00e+06"), std::string::npos)
      << results_text(results);
  EXPECT_NE(results_markdown(results).find("| 2-3 | 1 | 1.00e+10 | 1.00e+06 |"), std::string::npos);
  EXPECT_NE(results_latex(results).find("2-3 & 1 & 1.00e+10 & 1.00e+06"), std::string::npos);
  EXPECT_NE(results_csv(results).find(",2.5,1,10000000000,1000000,"), std::string::npos)
      << results_csv(results);
  const Json row = results_json(results)["rows"][1];
  EXPECT_EQ(row["links"], (Json{2, 3}));
  EXPECT_EQ(row["tested_links"], (Json{1, 1}));
  EXPECT_EQ(row["hf_flos_saved"], 1e6);
}

TEST(SweepResults, HasOfficialMetricsBesideThePapers) {
  auto some = finished();
  some.at("cb-cola-lr1e-4-seed0").official = {{"f1_macro", 0.5}, {"f1_macro_present", 0.75}};
  some.at("cb-cola-lr1e-4-seed1").official = {{"f1_macro", 0.25}, {"f1_macro_present", std::nullopt}};
  const SweepResults results = make_results(plan(), {some, {}});
  EXPECT_NE(results_text(results).find("Task  Method  Official metric   Mean\n"
                                       "cb    cola    f1_macro          37.50 ± 17.68\n"
                                       "cb    cola    f1_macro_present  -\n"),
            std::string::npos)
      << results_text(results);
  EXPECT_NE(results_markdown(results).find("| cb | cola | f1_macro | 37.50 ± 17.68 |\n"), std::string::npos);
  EXPECT_NE(results_latex(results).find("cb & cola & f1\\_macro & 37.50 $\\pm$ 17.68"), std::string::npos);
  EXPECT_NE(results_csv(results).find(",f1_macro=0.375;f1_macro_present=,4,"), std::string::npos);
  const Json rows = results_json(results)["rows"];
  EXPECT_TRUE(rows[0]["official"].is_null());
  EXPECT_EQ(rows[1]["official"]["f1_macro"]["mean"], 0.375);
  EXPECT_EQ(rows[1]["official"]["f1_macro"]["scores"], (Json{0.5, 0.25}));
  EXPECT_TRUE(rows[1]["official"]["f1_macro_present"].is_null());
  EXPECT_EQ(results.tests[0].test, "sign-flip");  // of the paper's metric
}

TEST(SweepResults, OfficialMetricsOfATrialAreReadBack) {
  const test::TemporaryFolder root;
  const SweepFolder folder{root.path()};
  const SweepTrial trial = plan().trials.front();
  TaskResult tested;
  tested.metric = "f1";
  tested.predictions = {{"0", "yes", {"yes"}, 1.0, {}, {}}};
  tested.score = 1.0;
  tested.total = 1;
  tested.official = {{"f1_a", 0.125}, {"exact_match", std::nullopt}};
  write_trial_result(folder, trial, tested, nullptr);
  EXPECT_EQ(read_trial_result(folder, trial.id).official, tested.official);
  Json json = read_json_file(folder.test(trial.id));
  json.erase("official");  // of an earlier version
  write_text_file(folder.test(trial.id), json.dump());
  EXPECT_TRUE(read_trial_result(folder, trial.id).official.empty());
}

TEST(SweepResults, ATrialsScoreIsThatOfItsPredictions) {
  const test::TemporaryFolder root;
  const SweepFolder folder{root.path()};
  const SweepTrial trial = plan().trials.front();
  TaskResult tested;
  tested.metric = "accuracy";
  tested.predictions = {{"0", "yes", {"yes"}, 1.0, {}, {}}, {"1", "yes", {"no"}, 0.0, {}, {}}};
  tested.score = 0.5;
  tested.correct = 1;
  tested.total = 2;
  write_trial_result(folder, trial, tested, nullptr);
  EXPECT_EQ(read_trial_result(folder, trial.id).score, 0.5);
  const Json right = read_json_file(folder.test(trial.id));
  for (const auto& [key, value] : std::map<std::string, Json>{{"score", 1.0}, {"correct", 2}, {"total", 3}}) {
    Json wrong = right;
    wrong[key] = value;
    write_text_file(folder.test(trial.id), wrong.dump());
    EXPECT_THROW((void)read_trial_result(folder, trial.id), Error) << key;
  }
  tested.predictions.clear();
  tested.score = 0.0;
  tested.correct = 0;
  tested.total = 0;
  write_trial_result(folder, trial, tested, nullptr);
  EXPECT_THROW((void)read_trial_result(folder, trial.id), Error);
}

TEST(SweepResults, NothingIsChosenWithoutDevScores) {
  auto some = finished();
  for (auto& [id, result] : some) {
    result.dev_score.reset();
    result.dev_loss.reset();
  }
  const SweepResults results = make_results(plan(), {some, {}});
  EXPECT_EQ(results.rows[0].reason, "not chosen: there is no dev score");
}

TEST(SweepResults, SeedsCountAlikeWhateverTheirNumberOfQuestions) {
  auto some = finished();
  some.at("cb-lora-lr1e-4-seed0") = trial("cb-lora-lr1e-4-seed0", std::vector<double>(10, 1.0), 0.6, 0.5);
  some.at("cb-lora-lr1e-4-seed1") = trial("cb-lora-lr1e-4-seed1", std::vector<double>(100, 0.0), 0.6, 0.5);
  const SweepResults results = make_results(plan(), {some, {}});
  EXPECT_DOUBLE_EQ(results.rows[0].mean, 0.5);
  EXPECT_LT(results.rows[0].interval.low, 0.5);
  EXPECT_GT(results.rows[0].interval.high, 0.5);
}

TEST(SweepResults, WhatCannotBePairedLeavesItsCellEmpty) {
  auto other = finished();
  other.at("cb-cola-lr1e-4-seed0").items[2] = "x";
  other.at("cb-cola-lr1e-4-seed1").items[2] = "x";
  const SweepResults results = make_results(plan(), {other, {}});
  ASSERT_EQ(results.tests.size(), 1U);
  EXPECT_EQ(results.tests[0].reason, "tested on other questions");
  EXPECT_FALSE(results.rows[1].relative_gain);
  EXPECT_NE(results_text(results).find("cb    lora  cola  -           tested on other questions  -\n"),
            std::string::npos)
      << results_text(results);
  EXPECT_NE(tests_csv(results).find("cb,lora,cola,,,,,,,,,,,,,,,tested on other questions\n"),
            std::string::npos)
      << tests_csv(results);
}

TEST(SweepResults, QuestionsArePairedByIdNotByOrder) {
  auto other = finished();
  for (const char* id : {"cb-cola-lr1e-4-seed0", "cb-cola-lr1e-4-seed1"}) {
    std::ranges::reverse(other.at(id).items);
    std::ranges::reverse(other.at(id).item_scores);
  }
  EXPECT_EQ(tests_csv(make_results(plan(), {other, {}})), tests_csv(make_results(plan(), {finished(), {}})));
}

TEST(SweepResults, Rendered) {
  const SweepResults results = make_results(plan(), {finished(), {}});
  EXPECT_NE(results_text(results).find("Method            cb\n"
                                       "lora              37.50 ± 17.68\n"
                                       "cola              75.00 ± 0.00\n"
                                       "  gain over lora  +100.00%\n"),
            std::string::npos)
      << results_text(results);
  EXPECT_NE(results_markdown(results).find("| lora | 37.50 ± 17.68 |\n"), std::string::npos);
  EXPECT_NE(results_latex(results).find("lora & 37.50 $\\pm$ 17.68 \\\\\n"), std::string::npos);
  EXPECT_NE(results_csv(results).find("cb,cola,cola,0.0001,accuracy,2,0.75,0,6,8,"), std::string::npos);
  EXPECT_EQ(results_json(results)["rows"][1]["pooled"]["correct"], 6);
}

}  // namespace
}  // namespace cola
