#include "sweep/results.h"

#include <gtest/gtest.h>

#include "core/error.h"
#include "io/files.h"
#include "io/json.h"
#include "support/files.h"
#include "sweep/plan_file.h"
#include "sweep/render.h"

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
  const SweepResults results = make_results(plan(), finished());
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
  EXPECT_EQ(results.tests[0].a_better, 1);  // seed 1, example 0
  EXPECT_EQ(results.tests[0].b_better, 4);
  EXPECT_DOUBLE_EQ(results.tests[0].p, 0.375);  // 2 (1 + 5) / 2^5
  EXPECT_TRUE(results.missing.empty());
}

TEST(SweepResults, SaysWhatIsMissing) {
  auto some = finished();
  some.erase("cb-lora-lr1e-4-seed1");
  const SweepResults results = make_results(plan(), some);
  EXPECT_EQ(results.missing, std::vector<std::string>{"cb-lora-lr1e-4-seed1"});
  EXPECT_EQ(results.rows[0].learning_rate, 1e-3);  // the one with both seeds
  EXPECT_NE(results_text(results).find("Not finished: 1 of 8"), std::string::npos);
}

TEST(SweepResults, MarksRatesAtTheGridsEdge) {
  const SweepResults results = make_results(plan(), finished());
  EXPECT_TRUE(results.rows[0].at_grid_edge);
  const std::string text = results_text(results);
  EXPECT_NE(text.find("1e-4*"), std::string::npos) << text;
  EXPECT_NE(text.find("* the lowest or highest rate of its grid"), std::string::npos) << text;
  EXPECT_NE(results_latex(results).find("% * the lowest"), std::string::npos);
}

TEST(SweepResults, NeverChoosesARateThatDiverged) {
  auto some = finished();
  TrialResult diverged;
  diverged.id = "cb-lora-lr1e-4-seed1";
  diverged.diverged = true;
  some[diverged.id] = diverged;
  const SweepResults results = make_results(plan(), some);
  EXPECT_EQ(results.rows[0].learning_rate, 1e-3);
  EXPECT_EQ(results.diverged, std::vector<std::string>{diverged.id});
  EXPECT_TRUE(results.missing.empty());
  EXPECT_NE(results_text(results).find("Diverged, never chosen: 1 of 8 trials: " + diverged.id),
            std::string::npos);
  EXPECT_EQ(results_json(results)["diverged"][0], diverged.id);
  some["cb-lora-lr1e-3-seed0"].diverged = true;
  EXPECT_EQ(make_results(plan(), some).rows.size(), 1U);
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
  const SweepResults results = make_results(plan(), finished());
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
  const SweepResults results = make_results(plan(), some);
  EXPECT_NE(results_text(results).find("Task  Method  Official metric   Mean\n"
                                       "cb    cola    f1_macro          37.50 ± 17.68\n"
                                       "cb    cola    f1_macro_present  -\n"),
            std::string::npos)
      << results_text(results);
  EXPECT_NE(results_markdown(results).find("| cb | cola | f1_macro | 37.50 ± 17.68 |\n"), std::string::npos);
  EXPECT_NE(results_latex(results).find("cb & cola & f1\\_macro & 37.50 $\\pm$ 17.68"), std::string::npos);
  EXPECT_NE(results_csv(results).find(",f1_macro=0.375;f1_macro_present=\n"), std::string::npos);
  const Json rows = results_json(results)["rows"];
  EXPECT_TRUE(rows[0]["official"].is_null());
  EXPECT_EQ(rows[1]["official"]["f1_macro"]["mean"], 0.375);
  EXPECT_EQ(rows[1]["official"]["f1_macro"]["scores"], (Json{0.5, 0.25}));
  EXPECT_TRUE(rows[1]["official"]["f1_macro_present"].is_null());
  EXPECT_EQ(results.tests[0].test, "mcnemar");  // of the paper's metric
}

TEST(SweepResults, OfficialMetricsOfATrialAreReadBack) {
  const test::TemporaryFolder root;
  const SweepFolder folder{root.path()};
  const SweepTrial trial = plan().trials.front();
  TaskResult tested;
  tested.official = {{"f1_a", 0.125}, {"exact_match", std::nullopt}};
  write_trial_result(folder, trial, tested, nullptr);
  EXPECT_EQ(read_trial_result(folder, trial.id).official, tested.official);
  Json json = read_json_file(folder.test(trial.id));
  json.erase("official");  // of an earlier version
  write_text_file(folder.test(trial.id), json.dump());
  EXPECT_TRUE(read_trial_result(folder, trial.id).official.empty());
}

TEST(SweepResults, RefusesOtherTestExamples) {
  auto other = finished();
  other.at("cb-cola-lr1e-4-seed0").items[2] = "x";
  EXPECT_THROW((void)make_results(plan(), other), Error);
}

TEST(SweepResults, Rendered) {
  const SweepResults results = make_results(plan(), finished());
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
