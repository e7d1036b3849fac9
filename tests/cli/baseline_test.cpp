// Published checkpoints against losses that a float64 forward of transformers gives; needs COLA_TEST_DATA.
#include <gtest/gtest.h>

#include <cstdlib>

#include "cli/program.h"
#include "io/json.h"

namespace cola {
namespace {

class Baseline : public testing::Test {
 protected:
  void SetUp() override {
    const char* const folder = std::getenv("COLA_TEST_DATA");
    if (folder == nullptr) GTEST_SKIP() << "COLA_TEST_DATA is not set";
    root_ = folder;
  }
  [[nodiscard]] Json evaluated(const std::string& data) const {
    const auto result = test::run_program("eval --model '" + (root_ / "models/stories260K").string() +
                                          "' --data '" + (root_ / data).string() + "' --dtype f32 --json");
    EXPECT_EQ(result.status, 0) << result.error;
    return parse_json(result.output, data);
  }

  std::filesystem::path root_;
};

// The references are rounded to 5 decimals (5e-6); the mean of 55,000 f32 losses is a tenth of that off.
constexpr double tolerance = 1e-5;

TEST_F(Baseline, LossOnTexts) {
  const Json result = evaluated("text/fairy_tales/dev.jsonl");
  EXPECT_EQ(result.at("loss_tokens"), 55708);
  EXPECT_NEAR(result.at("loss").get<double>(), 3.37443, tolerance);
}

TEST_F(Baseline, LossOnCompletions) {
  const Json result = evaluated("text/e2e/dev.jsonl");
  EXPECT_EQ(result.at("loss_tokens"), 57522);
  EXPECT_NEAR(result.at("loss").get<double>(), 4.09193, tolerance);
}

TEST_F(Baseline, GeneratesAStory) {
  const auto result = test::run_program("generate --model '" + (root_ / "models/TinyStories-656K").string() +
                                        "' --prompt 'Once upon a time' --max-new-tokens 40 --dtype f32");
  ASSERT_EQ(result.status, 0) << result.error;
  EXPECT_TRUE(result.output.starts_with(", a little girl named Lily")) << result.output;
}

}  // namespace
}  // namespace cola
