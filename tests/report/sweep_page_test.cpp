// The page of a sweep whose results.json is in today's form.
#include <gtest/gtest.h>

#include "report/report.h"
#include "report/report_fixture.h"
#include "support/files.h"

namespace cola {
namespace {

namespace fs = std::filesystem;
using test::count;

class SweepPage : public testing::Test {
 protected:
  void SetUp() override {
    if (!test::gnuplot_is_there()) GTEST_SKIP() << "gnuplot is not installed";
  }
  [[nodiscard]] std::string page_of(const Json& results) const {
    test::write_results(folder / "sweep", results);
    (void)write_report({folder / "sweep"}, folder / "out.html");
    return read_text_file(folder / "out.html");
  }
  const test::TemporaryFolder folder;
};

void expect_all(const std::string& page, const std::vector<std::string>& texts) {
  for (const std::string& text : texts) EXPECT_NE(page.find(text), std::string::npos) << text;
}

TEST_F(SweepPage, BeginsWithTheDifferences) {
  const std::string page = page_of(test::results_of_today());
  const std::size_t first = page.find("<figcaption>");
  EXPECT_EQ(page.compare(first, 37, "<figcaption>Differences between methods", 37), 0)
      << page.substr(first, 60);
  expect_all(page, {"lora − cola: +1.23 (-2.00 to +4.00)", "cb: score against learning rate"});
}

TEST_F(SweepPage, HasTheTablesOfTheSweep) {
  const std::string page = page_of(test::results_of_today());
  expect_all(
      page,
      {
          "<td>+1.23</td><td>-2.00 to +4.00</td><td>4.50</td>",
          "<td>–</td><td>tested on other questions</td>",
          "A higher</th><th>B higher",
          "<td>40</td><td>7</td><td>3</td><td>&lt; "
          "0.0001</td><td>0.0004</td><td>2</td><td>0.0321</td><td>–</td>",
          "adjusted for all 2 tests",
          "<td>0.001* ranks 8,6</td><td class=\"text\">f1, %</td><td>2</td><td>40</td><td>61.00 ± 1.00‡</td>",
          "<td>80 answers</td><td>50.00 to 75.00</td><td>75.00†</td><td>2</td>",
          "<td>all rates diverged</td>",
          "all seeds of a question together",
          "† the best of its tries on dev",
          "‡ provisional",
          "(majority class)</td><td>37.50</td>",
          "<td>0.01 ranks 8,6</td><td>2</td><td>–</td><td>–</td><td>–</td><td class=\"text\">diverged</td>",
          "<td>61.00 ± 2.00</td><td class=\"text\">chosen</td>",
      });
  EXPECT_EQ(page.find("only a right"), std::string::npos);
  EXPECT_EQ(page.find("over the test items of all seeds together"), std::string::npos);
}

TEST_F(SweepPage, TellsFailedFromNotFinishedAndListsWarnings) {
  const std::string page = page_of(test::results_of_today());
  expect_all(
      page, {"<p>1 trial failed.</p>", "<p>2 trials not finished.</p>", "<p>1 trial diverged",
             "failed</td><td class=\"text key\">cb-x-0</td><td class=\"text\">not enough &lt;memory&gt;</td>",
             "not finished</td><td class=\"text key\">cb-y-1</td>",
             "diverged</td><td class=\"text key\">cb-full-0</td>",
             "warning</td><td class=\"text key\">lora-0</td><td class=\"text\">gives one answer to 99 % of "
             "the questions</td>"});
}

TEST_F(SweepPage, NamesSoManyTrialsAndCountsTheRest) {
  Json results = test::results_of_today();
  results["missing"] = Json::array();
  for (int i = 0; i < 150; ++i) results["missing"].push_back(fmt::format("late-{}", i));
  const std::string page = page_of(results);
  EXPECT_EQ(count(page, ">late-"), 100U);
  EXPECT_NE(page.find("and 50 more"), std::string::npos);
}

TEST_F(SweepPage, HasOneMeanForTheSeedsOfAMethod) {
  const fs::path trials = folder / "sweep" / "trials";
  test::write_curve(trials / "lora-0", "lora", {2.0, 1.0, 0.5}, 0);
  test::write_curve(trials / "lora-1", "lora", {3.0, 2.0, 1.5}, 0);
  test::write_curve(trials / "cola-0", "cola", {2.0, 1.0, 0.4}, 2);
  test::write_curve(trials / "cola-1", "cola", {3.0, 2.0, 1.4}, 2);
  std::string page = page_of(test::results_of_today());
  const std::string sentence = "Up to the first knot cola is LoRA: the curve of lora is drawn over it.";
  expect_all(page, {"lora, mean of 2 seeds", "cola, mean of 2 seeds", "Dashed lines: knots.", sentence});
  EXPECT_EQ(count(page, "fill-opacity"), 2U);
  test::write_curve(trials / "cola-1", "cola", {3.0, 2.5, 1.4}, 2);
  page = page_of(test::results_of_today());
  EXPECT_EQ(page.find("is LoRA"), std::string::npos);
  EXPECT_NE(page.find("Dashed lines: knots."), std::string::npos);
}

TEST_F(SweepPage, HostileNamesRunNothingAndAreShownWhole) {
  const fs::path pwned = folder / "pwned";
  const std::string name = "`touch " + pwned.string() + "` \"$(touch " + pwned.string() + ")\"\n!touch " +
                           pwned.string() + "\nsystem('touch " + pwned.string() +
                           "')' <script>&#x27; ключ 鍵";
  Json results = test::results_of_today();
  for (const char* list : {"rows", "tests", "rates"}) {
    for (Json& entry : results[list])
      for (const char* key : {"task", "label", "a", "b", "method"})
        if (entry.contains(key) && entry[key] != "lora") entry[key] = name + entry[key].get<std::string>();
  }
  for (Json& row : results["rows"])
    if (row.contains("links")) row["links"] = row["label"] == "lora" ? Json{1, 1} : Json{2, 2};
  test::write_curve(folder / "sweep" / "trials" / "cola-0", "cola", {2.0, 1.0, 0.4}, 2);
  const std::string page = page_of(results);
  EXPECT_FALSE(fs::exists(pwned));
  EXPECT_EQ(page.find("<script"), std::string::npos);
  EXPECT_NE(page.find("ключ 鍵cola"), std::string::npos);
  EXPECT_NE(page.find("&lt;script&gt;&amp;#x27;"), std::string::npos);
  for (const auto& entry : fs::directory_iterator(folder / "out_files"))
    EXPECT_EQ(read_text_file(entry.path()).find("<script"), std::string::npos) << entry.path();
}

TEST_F(SweepPage, NamesAreAPartOfTheErrorForBrokenFiles) {
  Json results = test::results_of_today();
  results["tests"][0]["interval"] = {0.1};
  test::write_results(folder / "sweep", results);
  try {
    (void)write_report({folder / "sweep"}, folder / "out.html");
    FAIL() << "no error";
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("tests[0]: 'interval' must hold two numbers"), std::string::npos)
        << error.what();
  }
}

}  // namespace
}  // namespace cola
