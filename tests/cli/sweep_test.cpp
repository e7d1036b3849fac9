// cola sweep as its user meets it.
#include <gtest/gtest.h>

#include "cli/program.h"
#include "io/files.h"
#include "support/files.h"

namespace cola::test {
namespace {

constexpr const char* tiny_plan = R"(
name = "tiny"
tasks = ["cb"]
seeds = [0, 1]
gain-over = "lora"
num-test = 8
[train]
epochs = 2
num-train = 8
num-dev = 4
max-length = 64
[[method]]
method = "lora"
learning-rate = [1e-3, 1e-2]
[[method]]
method = "cola"
learning-rate = 1e-3
)";

TEST(SweepVerb, RefusesAnImpossiblePlanBeforeAnythingRuns) {
  const TemporaryFolder folder;
  write_text_file(folder / "plan.toml",
                  "tasks = ['cb', 'mnist']\nseeds = []\n[[method]]\nmethod = 'lora'\n"
                  "learning-rate = []\n");
  const auto result = run_program("sweep '" + (folder / "plan.toml").string() + "' --out '" +
                                  (folder / "out").string() + "' --set model=/nowhere data=/nowhere");
  EXPECT_EQ(result.status, 2);
  EXPECT_NE(result.error.find("mnist"), std::string::npos) << result.error;
  EXPECT_NE(result.error.find("'seeds'"), std::string::npos) << result.error;
  EXPECT_NE(result.error.find("/nowhere"), std::string::npos) << result.error;
  EXPECT_FALSE(std::filesystem::exists(folder / "out"));
}

TEST(SweepVerb, TablesDoNotDependOnWorkersOrOnWhoRunsTheTrials) {
  const auto data = test_data();
  if (!data) GTEST_SKIP() << "COLA_TEST_DATA is not set";
  const TemporaryFolder folder;
  write_text_file(folder / "plan.toml", tiny_plan);
  const std::string plan = "sweep '" + (folder / "plan.toml").string() + "' --set model='" +
                           (*data / "models/stories260K").string() + "' data='" + (*data / "data").string() +
                           "'";
  const auto out = [&](const char* name) { return " --out '" + (folder / name).string() + "'"; };
  const auto first = run_program(plan + out("one") + " --quiet");
  ASSERT_EQ(first.status, 0) << first.error;
  ASSERT_EQ(run_program(plan + out("two") + " --workers 2 --quiet").status, 0);
  const auto commands = run_program(plan + out("three") + " --emit commands");
  ASSERT_EQ(commands.status, 0) << commands.error;
  write_text_file(folder / "commands.sh", commands.output);
  // NOLINTNEXTLINE(cert-env33-c): the test's own commands
  ASSERT_EQ(std::system(("sh '" + (folder / "commands.sh").string() + "' >/dev/null 2>&1").c_str()), 0);
  ASSERT_EQ(run_program("sweep --collect" + out("three")).status, 0);
  for (const char* file : {"results.txt", "results.md", "results.tex", "results.csv", "results.json"}) {
    const std::string expected = read_text_file(folder / "one" / file);
    EXPECT_EQ(read_text_file(folder / "two" / file), expected);
    EXPECT_EQ(read_text_file(folder / "three" / file), expected);
  }
  const auto other = run_program(plan + " train.epochs=3" + out("one"));
  EXPECT_EQ(other.status, 2);
  EXPECT_NE(other.error.find("train.epochs"), std::string::npos) << other.error;
}

}  // namespace
}  // namespace cola::test
