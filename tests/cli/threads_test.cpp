#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>

#include "cli/program.h"
#include "io/json.h"
#include "support/files.h"

namespace cola {
namespace {

std::string quoted(const std::filesystem::path& path) { return "'" + path.string() + "'"; }

// oneDNN counts OpenMP's threads, which may be fewer than ours; that must not leave out parts of a product.
// The model is as wide as oneDNN needs to cut its products.
TEST(Threads, FewerThanAskedForGiveTheSameLoss) {
  const test::TemporaryFolder folder;
  std::ofstream data(folder / "data.jsonl");
  for (int i = 0; i < 12; ++i) {
    Json ids = Json::array();
    for (int t = 0; t < 20; ++t) ids.push_back(4 + (37 * i + 101 * t) % 500);
    data << Json{{"input_ids", ids}} << "\n";
  }
  data.close();
  const auto loss = [&](const std::string& threads) {
    const auto result =
        test::run_program("eval --json --model " + quoted(test::test_files() / "parity" / "opt_tiny") +
                          " --data " + quoted(folder / "data.jsonl") + " --threads " + threads);
    EXPECT_EQ(result.status, 0) << result.error;
    return parse_json(result.output, "eval").at("loss").get<double>();
  };
  const double expected = loss("1");
  for (const auto& [variable, value] :
       {std::pair{"OMP_DYNAMIC", "true"}, std::pair{"OMP_THREAD_LIMIT", "1"}}) {
    ASSERT_EQ(setenv(variable, value, 1), 0);
    EXPECT_NEAR(loss("4"), expected, 1e-5) << variable;
    unsetenv(variable);
  }
}

}  // namespace
}  // namespace cola
