#include "report/report_plot.h"

#include <gtest/gtest.h>

#include "report/report_fixture.h"
#include "report/seed_band.h"

namespace cola {
namespace {

using test::count;
using Texts = std::vector<std::string>;

RunReport run_of(const std::string& method, std::vector<CurvePoint> loss,
                 std::vector<std::int64_t> knots = {}) {
  RunReport run;
  run.method = method;
  run.loss = std::move(loss);
  run.knots = std::move(knots);
  return run;
}

const std::vector<CurvePoint> short_curve = {{1, 2.0}, {2, 1.0}, {3, 0.5}};

std::string note_of(const std::vector<CurveGroup>& groups) {
  return curve_plots("x", "", groups, 10).at(0).note;
}

ScoreRow row_of(const std::string& method, double links, const std::string& series = "") {
  ScoreRow row;
  row.task = "cb";
  row.method = row.label = method;
  row.chain_series = series;
  row.metric = "accuracy";
  row.scores = {0.5, 0.6};
  row.links = {links, links};
  return row;
}

TEST(ChainLengthPlot, HasOnePointOfALengthInALine) {
  SweepReport sweep;
  sweep.rows = {row_of("lora", 1), row_of("cola-2", 2), row_of("cola-3", 3)};
  const auto lines = [&] { return count(chain_length_plots(sweep).at(0).script, "yerrorlines"); };
  EXPECT_EQ(lines(), 1U);
  sweep.rows.push_back(row_of("rslora", 1));
  sweep.rows.push_back(row_of("rac-lora", 3));
  EXPECT_EQ(lines(), 5U);
  sweep.rows = {row_of("lora", 1), row_of("cola", 2), row_of("cola", 2)};
  sweep.rows[1].label = "cola ranks 8,6";
  sweep.rows[2].label = "cola ranks 8,4";
  EXPECT_EQ(lines(), 3U);
}

TEST(ChainLengthPlot, SaysWhenThereIsOneSeed) {
  SweepReport sweep;
  sweep.rows = {row_of("lora", 1), row_of("cola-2", 2)};
  const auto name = [&] { return chain_length_plots(sweep).at(0).texts; };
  EXPECT_EQ(name(), Texts{"mean and spread over the seeds"});
  for (ScoreRow& row : sweep.rows) row.scores = {0.5};
  EXPECT_EQ(name(), Texts{"score of one seed"});
}

TEST(CurvePlot, DrawsRunsWithoutKnotsOverThoseWithAndScoresInPercent) {
  RunReport lora = run_of("lora", short_curve);
  const RunReport chain = run_of("cola", short_curve, {1});
  lora.dev_score = {{2, 0.5}};
  const std::vector<CurveGroup> groups = {{"lora", {&lora}}, {"chain", {&chain}}};
  const auto plots = curve_plots("x", "", groups, 10);
  ASSERT_EQ(plots.size(), 2U);
  const std::string script = plots[0].script.substr(plots[0].script.find("plot "));
  EXPECT_LT(script.find(plot_colours[1]), script.find(plot_colours[0])) << script;
  EXPECT_EQ(plots[0].texts, (Texts{"lora", "chain"}));
  EXPECT_NE(plots[1].script.find("2 50\n"), std::string::npos) << plots[1].script;
  EXPECT_NE(plots[1].script.find("score in %"), std::string::npos);
}

TEST(CurvePlot, SaysThatAChainIsLoraOnlyWhereItsCurveIs) {
  const RunReport lora = run_of("lora", short_curve);
  const RunReport chain = run_of("cola", {{1, 2.0}, {2, 1.0}, {3, 0.7}}, {2});
  const std::string sentence = "Up to the first knot chain is LoRA: the curve of lora is drawn over it.";
  EXPECT_EQ(note_of({{"lora", {&lora}}, {"chain", {&chain}}}), "Dashed lines: knots. " + sentence);
  const RunReport other_rate = run_of("cola", {{1, 2.0}, {2, 1.1}, {3, 0.7}}, {2});
  EXPECT_EQ(note_of({{"lora", {&lora}}, {"chain", {&other_rate}}}), "Dashed lines: knots.");
  const RunReport other_steps = run_of("cola", {{1, 2.0}, {3, 0.5}}, {3});
  EXPECT_EQ(note_of({{"lora", {&lora}}, {"chain", {&other_steps}}}), "Dashed lines: knots.");
  const RunReport one_step = run_of("cola", {{1, 2.0}, {2, 0.9}}, {1});  // any two runs begin alike
  EXPECT_EQ(note_of({{"lora", {&lora}}, {"chain", {&one_step}}}), "Dashed lines: knots.");
  const RunReport full = run_of("full", short_curve);
  EXPECT_EQ(note_of({{"full", {&full}}, {"chain", {&chain}}}), "Dashed lines: knots.");
  EXPECT_EQ(note_of({{"lora", {&lora}}, {"full", {&full}}}), "");
}

TEST(CurvePlot, SaysSoOfMeansOnlyWhereEachSeedDoes) {
  const RunReport lora0 = run_of("lora", short_curve), lora1 = run_of("lora", {{1, 4.0}, {2, 3.0}, {3, 2.5}});
  const RunReport chain0 = run_of("cola", short_curve, {2});
  const RunReport chain1 = run_of("cola", {{1, 4.0}, {2, 3.0}, {3, 2.0}}, {2});
  const RunReport other = run_of("cola", {{1, 4.0}, {2, 3.5}, {3, 2.0}}, {2});
  const CurveGroup lora{"lora", {&lora0, &lora1}};
  EXPECT_NE(note_of({lora, {"chain", {&chain0, &chain1}}}).find("is LoRA"), std::string::npos);
  EXPECT_EQ(note_of({lora, {"chain", {&chain0, &other}}}).find("is LoRA"), std::string::npos);
  EXPECT_EQ(note_of({lora, {"chain", {&chain0}}}).find("is LoRA"), std::string::npos);
}

TEST(CurvePlot, OfSeveralSeedsIsOneMeanWithABand) {
  std::vector<RunReport> runs;
  for (int seed = 0; seed < 5; ++seed) runs.push_back(run_of("lora", {{1, 1.0 + seed}, {2, 2.0 * seed}}));
  CurveGroup seeds{"lora", {}};
  for (const RunReport& run : runs) seeds.runs.push_back(&run);
  const RunReport alone = run_of("full", short_curve);
  const std::vector<CurveGroup> groups = {seeds, {"full", {&alone}}};
  const ReportPlot plot = curve_plots("x", "", groups, 10).at(0);
  EXPECT_EQ(count(plot.script, "with lines"), 2U) << plot.script;
  EXPECT_EQ(count(plot.script, "with filledcurves"), 1U);
  EXPECT_NE(plot.script.find("\n1 3 1 5\n2 4 0 8\n"), std::string::npos) << plot.script;
  EXPECT_EQ(plot.texts, (Texts{"lora, mean of 5 seeds", "full"}));
  EXPECT_EQ(plot.note, "Bands: from the lowest to the highest seed.");
}

TEST(CurvePlot, OfSeedsWithoutACommonStepIsALineEach) {
  const RunReport early = run_of("lora", {{1, 1.0}, {2, 2.0}}), late = run_of("lora", {{3, 1.0}, {4, 2.0}});
  const std::vector<CurveGroup> groups = {{"lora", {&early, &late}}};
  const ReportPlot plot = curve_plots("x", "", groups, 10).at(0);
  EXPECT_EQ(count(plot.script, "with lines"), 2U);
  EXPECT_EQ(plot.texts, Texts{"lora, 2 seeds"});
  EXPECT_EQ(plot.note, "");
}

TEST(SeedBand, IsOverTheStepsThatAllSeedsSpan) {
  const std::vector<CurvePoint> a = {{0, 0.0}, {10, 10.0}, {20, 20.0}}, b = {{5, 1.0}, {15, 3.0}};
  const std::vector<const std::vector<CurvePoint>*> curves = {&a, &b};
  const auto band = seed_band(curves, 10);
  ASSERT_EQ(band.size(), 3U);  // 5, 10, 15: neither before b begins nor after it ends
  EXPECT_EQ(band[0].step, 5.0);
  EXPECT_EQ(band[0].mean, 3.0);  // of 5, between the points of a, and 1
  EXPECT_EQ(band[1].low, 2.0);
  EXPECT_EQ(band[1].high, 10.0);
  EXPECT_EQ(band[2].mean, 9.0);
}

TEST(SeedBand, ThinsEachSeedBeforeItTakesTheLowest) {
  const std::vector<CurvePoint> a = {{1, 0.0}, {2, 2.0}, {3, 4.0}, {4, 6.0}},
                                b = {{1, 2.0}, {2, 0.0}, {3, 9.0}, {4, 9.0}};
  const std::vector<const std::vector<CurvePoint>*> curves = {&a, &b};
  const auto band = seed_band(curves, 2);
  ASSERT_EQ(band.size(), 2U);
  EXPECT_EQ(band[0].step, 1.5);
  EXPECT_EQ(band[0].low, 1.0);  // the mean of each over the stretch, not its lowest step
  EXPECT_EQ(band[0].high, 1.0);
  EXPECT_EQ(band[1].low, 5.0);
  EXPECT_EQ(band[1].high, 9.0);
}

PairedTest pair_of(const std::string& task, const std::string& a, const std::string& b) {
  PairedTest test;
  test.task = task;
  test.a = a;
  test.b = b;
  test.difference = 0.0123;
  test.low = -0.02;
  test.high = 0.04;
  return test;
}

TEST(DifferencePlot, HasALineForEachPairWithAnInterval) {
  SweepReport sweep;
  sweep.tests = {pair_of("cb", "lora", "cola"), pair_of("cb", "lora", "full"), pair_of("rte", "lora", "icl")};
  sweep.tests[1].low = sweep.tests[1].high = std::nullopt;
  sweep.tests[2].reason = "tested on other questions";
  const auto plots = difference_plots(sweep);
  ASSERT_EQ(plots.size(), 1U);
  EXPECT_EQ(plots[0].texts, Texts{"cb: lora − cola: +1.23 (-2.00 to +4.00)"});
  EXPECT_NE(plots[0].script.find("\n1.23 "), std::string::npos) << plots[0].script;
  EXPECT_NE(plots[0].script.find(" -2 4\n"), std::string::npos) << plots[0].script;
  EXPECT_NE(plots[0].script.find("set arrow from first 0, graph 0"), std::string::npos);
  EXPECT_NE(plots[0].note.find("have none: 1."), std::string::npos) << plots[0].note;
  sweep.tests.erase(sweep.tests.begin());
  EXPECT_TRUE(difference_plots(sweep).empty());
}

TEST(DifferencePlot, OfManyPairsHasThoseWithTheBaseAndSaysWhatIsLeftOut) {
  SweepReport sweep;
  for (int a = 0; a < 8; ++a) {
    ScoreRow row;
    row.task = "cb";
    row.label = fmt::format("m{}", a);
    if (a > 0) row.gain_over = "m0";
    sweep.rows.push_back(row);
    for (int b = a + 1; b < 8; ++b)
      sweep.tests.push_back(pair_of("cb", fmt::format("m{}", a), fmt::format("m{}", b)));
  }
  const auto plots = difference_plots(sweep);
  ASSERT_EQ(plots.size(), 1U);
  EXPECT_EQ(plots[0].texts.size(), 7U);
  EXPECT_NE(plots[0].note.find("Of 28 pairs the 7 with the row that gains are over are drawn"),
            std::string::npos)
      << plots[0].note;
  for (ScoreRow& row : sweep.rows) row.gain_over.clear();
  EXPECT_EQ(difference_plots(sweep).at(0).texts.size(), most_pairs_in_a_plot);
  EXPECT_NE(difference_plots(sweep).at(0).note.find("Of 28 pairs the first 20 are drawn"), std::string::npos);
}

RateRow try_of(const std::string& label, double rate, std::optional<double> score) {
  RateRow row;
  row.task = "cb";
  row.label = label;
  row.learning_rate = rate;
  row.dev_score = row.mean = score;
  row.spread = 0.02;
  row.diverged = !score;
  return row;
}

TEST(RatePlot, RatesOfWhichNothingHasFinishedAreNotDrawn) {
  SweepReport sweep;
  sweep.rates = {try_of("lora", 1e-3, std::nullopt), try_of("lora", 1e-4, std::nullopt)};
  EXPECT_TRUE(rate_plots(sweep).empty());
}

TEST(RatePlot, HasDevAndTestOfEveryTryOnALogarithmicAxisAndMarksTheChosen) {
  SweepReport sweep;
  sweep.rates = {try_of("lora", 1e-3, 0.5), try_of("lora", 1e-4, 0.25), try_of("lora", 1e-2, std::nullopt),
                 try_of("full", 1e-3, 0.75)};
  sweep.rates[0].chosen = true;
  sweep.rates[1].dev_score = 0.125;
  const auto plots = rate_plots(sweep);
  ASSERT_EQ(plots.size(), 1U);
  const std::string& script = plots[0].script;
  EXPECT_NE(script.find("set logscale x"), std::string::npos);
  EXPECT_NE(script.find("\n0.0001 25 2\n0.001 50 2\n"), std::string::npos) << script;  // test, by rate
  EXPECT_NE(script.find("\n0.0001 12.5\n0.001 50\n"), std::string::npos) << script;    // dev
  EXPECT_NE(script.find("EOD\n0.001 50\nEOD"), std::string::npos) << script;           // the chosen one
  EXPECT_NE(script.find("at first 0.01, graph 0.04 point pt 2"), std::string::npos) << script;
  EXPECT_EQ(plots[0].texts, Texts{"lora"});  // full has one rate
  EXPECT_NE(plots[0].note.find("diverged"), std::string::npos);
  sweep.rates.push_back(try_of("lora", 1e300, 0.5));
  sweep.rates.push_back(try_of("lora", 0.0, 0.5));
  EXPECT_EQ(rate_plots(sweep).at(0).script, script);
  sweep.rates.erase(sweep.rates.begin() + 4, sweep.rates.end());
  sweep.rates.erase(sweep.rates.begin() + 1, sweep.rates.begin() + 3);
  EXPECT_TRUE(rate_plots(sweep).empty());
}

const char* const hostile = "`touch pwned`'\"; system 'touch pwned'\n$x @y \\ {/Bold z}^2_3 <b>&";

TEST(PlotScript, HasNoTextOfFilesInIt) {
  const RunReport run = run_of("lora", short_curve);
  const std::vector<CurveGroup> groups = {{hostile, {&run}}};
  SweepReport sweep;
  sweep.tests = {pair_of(hostile, hostile, hostile), pair_of("cb", "a", "b")};
  sweep.rates = {try_of(hostile, 1e-3, 0.5), try_of(hostile, 1e-2, 0.5)};
  for (const ReportPlot& plot :
       {curve_plots("x", "", groups, 10).at(0), difference_plots(sweep).at(0), rate_plots(sweep).at(0)}) {
    EXPECT_EQ(plot.script.find("pwned"), std::string::npos) << plot.script;
    EXPECT_EQ(plot.script.find_first_of("`@\""), std::string::npos) << plot.script;
    std::string joined;
    for (const std::string& text : plot.texts) joined += text;
    EXPECT_NE(joined.find("pwned"), std::string::npos);
  }
}

TEST(PlotScript, NamesAreWholeInTheLegend) {
  const RunReport run = run_of("lora", short_curve);
  const std::string same(60, 'n');
  const std::vector<CurveGroup> groups = {
      {same + "1", {&run}}, {same + "2", {&run}}, {"обучение 学習", {&run}}};
  const Texts texts = curve_plots("x", "", groups, 10).at(0).texts;
  ASSERT_EQ(texts.size(), 5U);
  EXPECT_EQ(texts[0] + texts[1], same + "1");
  EXPECT_EQ(texts[2] + texts[3], same + "2");
  EXPECT_EQ(texts[4], "обучение 学習");
}

TEST(WithTexts, EscapesAndNeverReplacesWithinAText) {
  EXPECT_EQ(with_texts("<text>QXT0TXQ</text><text>QXT1TXQ</text>", {"QXT1TXQ <b>", "'&'"}),
            "<text>QXT1TXQ &lt;b&gt;</text><text>&#39;&amp;&#39;</text>");
  EXPECT_EQ(with_texts("QXT2TXQ QXT QXT0", {"a"}), "QXT2TXQ QXT QXT0");
}

}  // namespace
}  // namespace cola
