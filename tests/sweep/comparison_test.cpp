// What the tables say of two rows, and of trials that need a warning.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include "sweep/plan_file.h"
#include "sweep/render.h"
#include "sweep/results_csv.h"
#include "sweep/results_json.h"

namespace cola {
namespace {

SweepPlan plan_of(const std::string& text) {
  Problems problems;
  SweepPlan plan = expand_plan(
      resolve_plan("name = 'made-up'\nmodel = '/models/m'\ndata = '/data'\ntasks = ['cb']\n" + text, "plan",
                   {}),
      problems);
  EXPECT_TRUE(problems.list().empty()) << problems.list().front();
  return plan;
}

constexpr const char* two_methods = R"(
seeds = [0, 1, 2, 3, 4]
vary = "seed"
[train]
data-seed = 7
[[method]]
method = "lora"
[[method]]
method = "zero-shot"
)";

TrialResult trial(const std::string& id, std::vector<double> scores, const std::string& metric = "accuracy") {
  TrialResult result;
  result.id = id;
  result.metric = metric;
  result.total = std::ssize(scores);
  double sum = 0.0;
  for (std::size_t i = 0; i < scores.size(); ++i) {
    sum += scores[i];
    result.items.push_back("question " + std::to_string(i));
  }
  if (metric == "accuracy") result.correct = static_cast<std::int64_t>(sum);
  result.score = sum / static_cast<double>(scores.size());
  result.item_scores = std::move(scores);
  return result;
}

/// `right` of 56.
std::vector<double> scores_of(std::size_t first_right, std::size_t last_right) {
  std::vector<double> scores(56, 0.0);
  for (std::size_t i = first_right; i < last_right; ++i) scores[i] = 1.0;
  return scores;
}

/// Five LoRA trials with one set of answers, and a zero-shot trial.
SweepResults five_seeds(const std::vector<double>& lora, const std::vector<double>& zero_shot) {
  SweepTrials trials;
  const auto add = [&](const std::string& id, const std::vector<double>& scores) {
    trials.finished.emplace(id, trial(id, scores));
  };
  for (int seed = 0; seed < 5; ++seed) add(fmt::format("cb-lora-lr1e-4-seed{}", seed), lora);
  add("cb-zero-shot-seed0", zero_shot);
  return make_results(plan_of(two_methods), trials);
}

TEST(Comparison, MethodsWithoutTrainingTakeTheTrialsSplit) {
  const SweepPlan plan = plan_of(two_methods);
  ASSERT_EQ(plan.trials.size(), 6U);
  for (const SweepTrial& trial : plan.trials) EXPECT_EQ(trial.options.data_seed, 7U) << trial.id;
}

// A real sweep of CB: five times the same 56 predictions, 5 of them right. As 25 of 280 the interval was 6.12
// to 12.85; Wilson's of 5 of 56 is 3.9 to 19.3.
TEST(Comparison, FiveSeedsOf56QuestionsAre56Questions) {
  const SweepResults results = five_seeds(scores_of(0, 5), scores_of(0, 5));
  EXPECT_EQ(results.rows[0].questions, 56);
  for (const ResultRow& row : results.rows) {  // five seeds that agree, and one: Wilson's of 5 of 56
    EXPECT_NEAR(row.interval.low, 0.0387, 5e-5);
    EXPECT_NEAR(row.interval.high, 0.1926, 5e-5);
  }
}

// 6 won and 1 lost in each seed: p was 2.2e-5 with five seeds.
TEST(Comparison, SeedsAreNoNewQuestionsForATest) {
  std::vector<double> zero_shot = scores_of(6, 20);
  std::vector<double> lora = scores_of(0, 19);
  const SweepResults results = five_seeds(lora, zero_shot);
  ASSERT_EQ(results.tests.size(), 1U);
  const ResultTest& test = results.tests.front();
  EXPECT_EQ(test.seeds, 5U);  // the one zero-shot trial with each
  EXPECT_EQ(test.questions, 56U);
  EXPECT_EQ(test.a_higher, 6U);
  EXPECT_EQ(test.b_higher, 1U);
  EXPECT_DOUBLE_EQ(test.p, 0.125);
  EXPECT_FALSE(test.p_seeds);  // every seed differs by the same
  EXPECT_NEAR(test.difference, 5.0 / 56.0, 1e-15);
  ASSERT_TRUE(test.interval);
  EXPECT_LE(test.interval->low, 0.0);
  EXPECT_NEAR(*test.smallest, 0.131568, 1e-6);  // (2.00404 + 0.84821) x the standard error, 0.046127
}

TEST(Comparison, ChosenOptionsAreNotRows) {
  const SweepPlan plan = plan_of(R"(
seeds = [0]
choose = ["lora-r"]
[[method]]
method = "lora"
lora-r = [1, 4]
learning-rate = [1e-3, 1e-4]
lora-alpha = [8, 16]
)");
  ASSERT_EQ(plan.trials.size(), 8U);
  SweepTrials trials;
  double dev = 0.1;
  for (const SweepTrial& each : plan.trials) {
    TrialResult result = trial(each.id, scores_of(0, 30));
    result.dev_score = each.id == "cb-lora-lora-alpha16-lora-r4-lr1e-3-seed0" ? 0.95 : dev;
    result.dev_loss = 1.0;
    dev += 0.1;
    trials.finished.emplace(each.id, std::move(result));
  }
  const SweepResults results = make_results(plan, trials);
  ASSERT_EQ(results.rows.size(), 2U);
  EXPECT_EQ(results.rows[0].tries, 4U);
  EXPECT_EQ(results.rows[1].tuned, (SweepSetting{{"lora-r", "4"}}));
  EXPECT_EQ(results.rows[1].learning_rate, 1e-3);
  EXPECT_EQ(results.rates.size(), 8U);
  EXPECT_NE(results_text(results).find("1e-3* lora-r 4"), std::string::npos) << results_text(results);
  EXPECT_NE(results_text(results).find("95.00†"), std::string::npos);
  EXPECT_EQ(results_json(results)["rows"][1]["chosen"], (Json{{"lora-r", "4"}}));
}

// The gain was over the first of LoRA's settings, unnamed.
TEST(Comparison, GainsNameTheSettingOfTheirBase) {
  const SweepPlan plan = plan_of(R"(
seeds = [0]
gain-over = "lora"
[[method]]
method = "lora"
lora-r = [1, 16]
[[method]]
method = "cola"
lora-r = [1, 16]
)");
  SweepTrials trials;
  std::size_t right = 10;
  for (const SweepTrial& each : plan.trials)
    trials.finished.emplace(each.id, trial(each.id, scores_of(0, right += 2)));
  const SweepResults results = make_results(plan, trials);
  ASSERT_EQ(results.rows.size(), 4U);
  EXPECT_EQ(results.rows[2].gain_base, 0U);
  EXPECT_EQ(results.rows[3].gain_base, 1U);
  EXPECT_DOUBLE_EQ(*results.rows[3].relative_gain, 4.0 / 14.0);
  const std::string text = results_text(results);
  EXPECT_NE(text.find("gain over lora lora-r 1 "), std::string::npos) << text;
  EXPECT_NE(text.find("gain over lora lora-r 16 "), std::string::npos) << text;
  EXPECT_EQ(results_json(results)["rows"][3]["gain_over"], "lora lora-r 16");
}

TEST(Comparison, LatexTablesAreForBooktabs) {
  const std::string text = results_latex(five_seeds(scores_of(0, 19), scores_of(6, 40)));
  for (const char* part : {"\\usepackage{booktabs}", "\\begin{tabular}{lllrrrrrrr}", "\\toprule", "\\midrule",
                           "\\bottomrule", " & $-$", "\\smallskip Smallest:"})
    EXPECT_NE(text.find(part), std::string::npos) << part << "\n" << text;
  EXPECT_EQ(text.find("\\hline"), std::string::npos);
}

TEST(Comparison, ChooseNamesOptionsThatVary) {
  Problems problems;
  const std::string text =
      "model = '/m'\ndata = '/d'\ntasks = ['cb']\nseeds = [0]\nchoose = {}\n[[method]]\nmethod = 'lora'\n";
  for (const char* list : {"['ranks']", "['learning-rate']", "['nothing']", "'ranks'", "[3]"}) {
    Problems found;
    (void)expand_plan(resolve_plan(fmt::format(fmt::runtime(text), list), "plan", {}), found);
    EXPECT_EQ(found.list().size(), 1U) << list;
  }
}

TEST(Comparison, SmallPValuesAreBounds) {
  const SweepResults results = five_seeds(scores_of(0, 56), scores_of(0, 5));
  EXPECT_LT(results.tests.front().p, 1e-14);
  const std::string text = results_text(results);
  EXPECT_NE(text.find("< 0.0001"), std::string::npos) << text;
  EXPECT_NE(results_latex(results).find("$<$ 0.0001"), std::string::npos);
}

TrialResult with_predictions(TrialResult result, const std::vector<std::string>& lines) {
  PredictionCounter counter;
  for (const std::string& line : lines) {
    const Json json = parse_json(line, "test");
    counter.add(JsonReader(json, "test"));
  }
  result.predictions = counter.summary();
  return result;
}

TEST(Comparison, WarnsOfConstantAnswersAndTies) {
  SweepTrials trials;
  std::vector<std::string> constant;
  for (int i = 0; i < 56; ++i)
    constant.push_back(fmt::format(R"({{"prediction":"Yes","gold":["{}"],"scores":[-1.5,{}]}})",
                                   i % 8 == 0 ? "No" : "Yes", i < 3 ? -1.5 : -2.5));
  for (int seed = 0; seed < 5; ++seed) {
    const std::string id = fmt::format("cb-lora-lr1e-4-seed{}", seed);
    trials.finished.emplace(id, with_predictions(trial(id, scores_of(0, 40)), constant));
  }
  const SweepPlan plan = plan_of(two_methods);
  const SweepResults results = make_results(plan, trials);
  ASSERT_EQ(results.warnings.size(), 10U);
  EXPECT_EQ(results.warnings[0].text, "gives one answer to 100 % of the questions");
  EXPECT_EQ(results.warnings[1].text,
            "has 3 of 56 questions whose best candidates score the same: the first counts");
  ASSERT_EQ(results.majority.size(), 1U);
  EXPECT_DOUBLE_EQ(results.majority[0].score, 49.0 / 56.0);
  EXPECT_NE(results_text(results).find("(majority class)  87.50"), std::string::npos)
      << results_text(results);
  EXPECT_NE(trials_csv(plan, trials)
                .find("cb-lora-lr1e-4-seed0,cb,lora,,0.0001,0,finished,,,0.7142857142857143,"
                      "40,56,1,1,3,false,0,0,0\n"),
            std::string::npos)
      << trials_csv(plan, trials);
  EXPECT_NE(
      trials_csv(plan, trials).find("cb-zero-shot-seed0,cb,zero-shot,,,0,not finished,,,,,,,,,false,,,\n"),
      std::string::npos)
      << trials_csv(plan, trials);
}

TEST(Comparison, GeneratedAnswersHaveNoMajorityClass) {
  PredictionCounter counter;
  for (int i = 0; i < 4; ++i) {
    const Json json = parse_json(R"({"prediction":"a","gold":["b","b"]})", "test");
    counter.add(JsonReader(json, "test"));
  }
  EXPECT_FALSE(counter.summary().majority_score);
  EXPECT_EQ(counter.summary().different_answers, 1);
}

TEST(Comparison, F1IsTestedBySignFlips) {
  SweepTrials trials;
  const std::vector<double> lora{0.5, 0.25, 1.0, 0.75}, zero_shot{0.25, 0.25, 0.5, 0.5};
  for (int seed = 0; seed < 5; ++seed) {
    const std::string id = fmt::format("cb-lora-lr1e-4-seed{}", seed);
    trials.finished.emplace(id, trial(id, lora, "f1"));
  }
  trials.finished.emplace("cb-zero-shot-seed0", trial("cb-zero-shot-seed0", zero_shot, "f1"));
  const SweepResults results = make_results(plan_of(two_methods), trials);
  EXPECT_EQ(results.tests.front().test, "sign-flip");
  EXPECT_DOUBLE_EQ(results.tests.front().p, 0.25);  // three in one direction
  EXPECT_EQ(results_json(results)["tests"][0]["a_higher"], 3);
}

}  // namespace
}  // namespace cola
