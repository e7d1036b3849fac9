#include "report/report.h"

#include <gtest/gtest.h>

#include <regex>
#include <set>

#include "report/report_fixture.h"
#include "support/files.h"

namespace cola {
namespace {

namespace fs = std::filesystem;
using test::count;

/// The message of the Error that making the report throws, after its exit status.
std::string refusal(const std::vector<fs::path>& inputs, const fs::path& page) {
  try {
    (void)write_report(inputs, page);
    return "no error";
  } catch (const Error& error) {
    return fmt::format("{}: {}", error.exit_status(), error.what());
  }
}

class Report : public testing::Test {
 protected:
  void SetUp() override {
    if (!test::gnuplot_is_there()) GTEST_SKIP() << "gnuplot is not installed";
  }
  const test::TemporaryFolder folder;
};

TEST_F(Report, OfRunsHasEveryPlotTableAndConfiguration) {
  test::write_run(folder / "a", 50, 3.0, "seed = 1\n");
  test::write_run(folder / "b", 5000, 2.0, "seed = 2\n");
  const auto result = write_report({folder / "a", folder / "b"}, folder / "out.html");
  EXPECT_EQ(result.plot_count, 3);
  const std::string page = read_text_file(folder / "out.html");
  EXPECT_EQ(count(page, "<svg"), 3U);
  for (const char* name : {"runs-1-loss", "runs-1-dev-loss", "runs-1-dev-score"})
    EXPECT_TRUE(fs::exists(folder / "out_files" / (std::string(name) + ".svg"))) << name;
  EXPECT_NE(page.find("seed = 1"), std::string::npos);
  EXPECT_NE(page.find("seed = 2"), std::string::npos);
  // Two runs' knots, in each of three plots: gnuplot draws an arrow as a dashed path.
  EXPECT_GE(count(page, "stroke-dasharray='3.0,4.8'"), 6U);
  // 5000 steps become 1000 points of some 15 bytes.
  EXPECT_LT(fs::file_size(folder / "out_files" / "runs-1-loss.svg"), 60'000U);
}

TEST_F(Report, NeedsNothingOutsideAndHasNoIdTwice) {
  test::write_sweep(folder / "sweep");
  (void)write_report({folder / "sweep"}, folder / "out.html");
  const std::string page = read_text_file(folder / "out.html");
  EXPECT_LT(page.size(), 2'000'000U);
  EXPECT_EQ(page.find("<script"), std::string::npos);
  EXPECT_EQ(page.find(" src="), std::string::npos);
  EXPECT_EQ(page.find("url("), std::string::npos);
  std::set<std::string> ids;
  const std::regex id(R"( id=['"]([^'"]*)['"])");
  for (std::sregex_iterator at(page.begin(), page.end(), id), end; at != end; ++at)
    EXPECT_TRUE(ids.insert((*at)[1]).second) << (*at)[1];
  EXPECT_GT(ids.size(), 20U);
  const std::regex link("href=['\"]([^'\"]*)['\"]");
  for (std::sregex_iterator at(page.begin(), page.end(), link), end; at != end; ++at)
    EXPECT_TRUE(ids.contains((*at)[1].str().substr(1))) << (*at)[1];
}

TEST_F(Report, OfASweepShowsChainLengthsTablesAndChosenTrials) {
  test::write_sweep(folder / "sweep");
  const auto result = write_report({folder / "sweep"}, folder / "out.html");
  EXPECT_EQ(result.run_count, 3);
  EXPECT_EQ(result.plot_count, 2 + 3);  // chain lengths of two tasks; three curves of the one with trials
  const std::string page = read_text_file(folder / "out.html");
  EXPECT_EQ(count(page, "<table"), 5U);  // overview, tests, scores, costs, trials
  for (const char* text :
       {"cb: score against chain length", "rte: score against chain length", "41 of 56", "60.00 to 83.00",
        "76.00 ± 1.40", "mcnemar", "small sweep", "opt-tiny", "2 trials not finished, or failed.",
        "not finished, or failed</td><td class=\"text key\">rte-9",
        "over the test items of all seeds together", "<td>3</td><td>7</td><td>0.2500</td>"})
    EXPECT_NE(page.find(text), std::string::npos) << text;
  EXPECT_EQ(count(page, "<details>"), 3U);
}

TEST_F(Report, OfASweepHasGainsMarksAndSavings) {
  test::write_sweep(folder / "sweep");
  const fs::path results = folder / "sweep" / "results.json";
  Json json = read_json_file(results);
  json["gain_over"] = "lora";
  json["rows"][1]["relative_gain"] = 0.0333;
  json["rows"][1]["at_grid_edge"] = true;
  json["diverged"] = {"cb-9"};
  write_text_file(results, json.dump());
  (void)write_report({folder / "sweep"}, folder / "out.html");
  const std::string page = read_text_file(folder / "out.html");
  for (const char* text : {"gain over lora", "+3.33 %", "<td>0.0001*</td>", "* the lowest or highest rate",
                           "<td>1.5e+06</td>", "1 trial diverged"})
    EXPECT_NE(page.find(text), std::string::npos) << text;
}

TEST_F(Report, OfASweepHasOfficialMetricsWhereThereAreOthers) {
  test::write_sweep(folder / "sweep");
  const fs::path results = folder / "sweep" / "results.json";
  Json json = read_json_file(results);
  json["rows"][0]["official"] = {{"f1_macro", {{"scores", {0.5, 0.25}}, {"mean", 0.375}, {"spread", 0.1}}},
                                 {"exact_match", nullptr}};
  json["rows"][1]["official"] = nullptr;
  write_text_file(results, json.dump());
  (void)write_report({folder / "sweep"}, folder / "out.html");
  const std::string page = read_text_file(folder / "out.html");
  for (const char* text : {"Official metrics", "f1_macro", "37.50 ± 10.00", "exact_match"})
    EXPECT_NE(page.find(text), std::string::npos) << text;
  EXPECT_EQ(count(page, "<table"), 6U);
}

TEST_F(Report, NoTwoRunsHaveOneName) {
  const std::string deep = "seed/with/many/folders/of/one/name";
  for (const char* folder_name : {"a", "b"}) test::write_run(folder / folder_name / deep, 20, 1.0);
  (void)write_report({folder / "a" / deep, folder / "b" / deep, folder / "b" / deep}, folder / "out.html");
  const std::string page = read_text_file(folder / "out.html");
  for (const std::string& name : {"a/" + deep, "b/" + deep, "b/" + deep + " (2)"})
    EXPECT_EQ(count(page, "<summary>" + name + "</summary>"), 1U) << name;
}

TEST_F(Report, TextOfFilesIsText) {
  test::write_run(folder / "<b>'; system \"x\"", 20, 1.0, "x = '</pre><script>alert(1)</script>'\n");
  (void)write_report({folder / "<b>'; system \"x\""}, folder / "out.html");
  const std::string page = read_text_file(folder / "out.html");
  EXPECT_EQ(page.find("<script"), std::string::npos);
  EXPECT_EQ(page.find("<b>"), std::string::npos);
  EXPECT_NE(page.find("&lt;script&gt;"), std::string::npos);
}

TEST_F(Report, RefusesWhatItCannotShow) {
  test::write_run(folder / "run", 20, 1.0);
  test::write_sweep(folder / "sweep");
  const fs::path page = folder / "out.html";
  EXPECT_EQ(refusal({}, page), "2: no run folder given");
  EXPECT_NE(refusal({folder / "none"}, page).find("none: no such folder"), std::string::npos);
  EXPECT_NE(refusal({folder / "run", folder / "sweep"}, page).find("one sweep alone"), std::string::npos);
  EXPECT_NE(refusal({folder.path()}, page).find("no log.jsonl"), std::string::npos);
  EXPECT_NE(refusal({folder / "run"}, folder / "run").find("names a folder"), std::string::npos);
  fs::remove(folder / "run" / "config.toml");
  EXPECT_NE(refusal({folder / "run"}, page).find("config.toml"), std::string::npos);
  fs::remove(folder / "sweep" / "results.json");
  EXPECT_NE(refusal({folder / "sweep"}, page).find("cola sweep --collect"), std::string::npos);
  EXPECT_FALSE(fs::exists(page));
}

TEST_F(Report, LeavesAFolderOfOthersAlone) {
  test::write_run(folder / "run", 20, 1.0);
  fs::create_directories(folder / "out_files");
  write_text_file(folder / "out_files" / "thesis.tex", "years of work");
  EXPECT_NE(refusal({folder / "run"}, folder / "out.html").find("thesis.tex"), std::string::npos);
  EXPECT_EQ(read_text_file(folder / "out_files" / "thesis.tex"), "years of work");
}

TEST_F(Report, MalformedFilesAreNamedWithWhatIsWrong) {
  test::write_run(folder / "run", 20, 1.0);
  write_text_file(folder / "run" / "log.jsonl", R"({"event":"step","step":1,"loss":"high"})"
                                                "\n");
  const std::string of_log = refusal({folder / "run"}, folder / "out.html");
  EXPECT_NE(of_log.find("log.jsonl:1: 'loss' must be a number"), std::string::npos) << of_log;
  test::write_sweep(folder / "sweep");
  const fs::path results = folder / "sweep" / "results.json";
  Json json = read_json_file(results);
  json["rows"][1]["trials"] = {"../../elsewhere"};
  write_text_file(results, json.dump());
  const std::string of_trials = refusal({folder / "sweep"}, folder / "out.html");
  EXPECT_NE(of_trials.find("rows[1]: 'trials' must hold names"), std::string::npos) << of_trials;
  json["rows"][0].erase("mean");
  write_text_file(results, json.dump());
  EXPECT_NE(refusal({folder / "sweep"}, folder / "out.html").find("rows[0]: 'mean' is missing"),
            std::string::npos);
}

}  // namespace
}  // namespace cola
