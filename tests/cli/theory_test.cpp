#include <gtest/gtest.h>

#include <cmath>

#include "cli/program.h"
#include "io/json.h"
#include "support/files.h"

namespace cola {
namespace {

using test::run_program;

bool gnuplot_is_there() { return std::system("gnuplot --version >/dev/null 2>&1") == 0; }  // NOLINT

void expect_theorem(const Json& result, std::size_t runs) {
  const std::string problem = result.at("problem");
  for (const char* key : {"iterations", "batch", "step", "average_gap", "epsilon", "bound"})
    ASSERT_EQ(result.at(key).size(), runs) << problem << " " << key;
  const double m = result.at("m"), beta = result.at("beta"), diameter = result.at("diameter");
  for (std::size_t i = 0; i < runs; ++i) {
    const auto value = [&](const char* key) { return result.at(key)[i].get<double>(); };
    EXPECT_LE(value("average_gap"), value("bound")) << problem;
    EXPECT_LE(value("step"), 1.0) << problem;
    EXPECT_NEAR(value("bound"), 2.0 * std::sqrt(m * beta / value("iterations")) * diameter + value("epsilon"),
                1e-9 * value("bound"))
        << problem;
  }
}

TEST(Theory, ChecksTheTheoremOnEveryProblem) {
  const auto result = run_program("theory --json --max-iterations 100");
  ASSERT_EQ(result.status, 0) << result.error;
  const Json problems = parse_json(result.output, "output").at("problems");
  ASSERT_EQ(problems.size(), 3U);
  EXPECT_EQ(problems[0].at("problem"), "matrix-completion");
  EXPECT_EQ(problems[1].at("problem"), "sigmoid-regression");
  EXPECT_EQ(problems[2].at("problem"), "linear-layer");
  for (const Json& problem : problems) {
    expect_theorem(problem, 3);
    EXPECT_TRUE(problem.at("slope").is_null());  // one T of 100 or more has no slope
    EXPECT_EQ(problem.at("practical").at("chain").at("loss").size(), 10U);
  }
  EXPECT_EQ(problems[0].at("fixed_batch").at("broken")[2],
            true);  // by a third; the others by little at T = 100
  // The embedded model's width, and M of convex losses is bounded, not known.
  EXPECT_EQ(problems[2].at("shape")[1], 128);
  EXPECT_GT(problems[2].at("m_error").get<double>(), 0.0);
  EXPECT_EQ(problems[0].at("m_error"), 0.0);
}

TEST(Theory, OneProblemIsOneObjectWithASlope) {
  const std::string call = "theory --problem sigmoid-regression --json --max-iterations 1000 --seed 3";
  const auto result = run_program(call);
  ASSERT_EQ(result.status, 0) << result.error;
  const Json json = parse_json(result.output, "output");
  EXPECT_EQ(json.at("problem"), "sigmoid-regression");
  expect_theorem(json, 5);
  EXPECT_LE(json.at("slope").get<double>(), -0.45);
  EXPECT_EQ(run_program(call).output, result.output);  // the same seed, the same bytes
}

TEST(Theory, DrawsAPlot) {
  if (!gnuplot_is_there()) GTEST_SKIP() << "gnuplot is not installed";
  const test::TemporaryFolder folder;
  const auto file = folder / "theory.svg";
  const auto result =
      run_program("theory --problem matrix-completion --max-iterations 30 --plot '" + file.string() + "'");
  ASSERT_EQ(result.status, 0) << result.error;
  EXPECT_NE(result.output.find("average gap"), std::string::npos);
  EXPECT_NE(result.output.find("under the bound: 2 of 2 T"), std::string::npos) << result.output;
  EXPECT_NE(read_text_file(file).find("</svg>"), std::string::npos);
}

TEST(Theory, RefusesBadInput) {
  const auto unknown = run_program("theory --problem lasso");
  EXPECT_EQ(unknown.status, 2);
  EXPECT_NE(unknown.error.find("'lasso' is not one of: matrix-completion"), std::string::npos)
      << unknown.error;
  EXPECT_EQ(unknown.output, "");
  EXPECT_EQ(run_program("theory --problem matrix-completion,matrix-completion").status, 2);
  EXPECT_EQ(run_program("theory --max-iterations 9").status, 2);
  const auto unwritable = run_program("theory --plot /proc/nowhere/theory.svg");
  EXPECT_EQ(unwritable.status, 1);
  EXPECT_NE(unwritable.error.find("/proc/nowhere"), std::string::npos) << unwritable.error;
}

TEST(Theory, MissingGnuplotIsSaidBeforeTheWork) {
  const test::TemporaryFolder folder;
  const std::string before = std::getenv("PATH");
  ::setenv("PATH", folder.path().c_str(), 1);  // the shell is started by its full path
  const auto result = run_program("theory --plot '" + (folder / "theory.svg").string() + "'");
  ::setenv("PATH", before.c_str(), 1);
  EXPECT_EQ(result.status, 1);
  EXPECT_NE(result.error.find("install gnuplot-nox"), std::string::npos) << result.error;
}

}  // namespace
}  // namespace cola
