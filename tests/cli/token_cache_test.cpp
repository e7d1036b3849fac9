// Tokenised data that is kept from run to run, through the program.
#include <gtest/gtest.h>

#include <fstream>

#include "cli/program.h"
#include "support/files.h"

namespace cola {
namespace {

class TokenCacheProgram : public testing::Test {
 protected:
  TokenCacheProgram() {
    std::ofstream data(folder_ / "data.jsonl");
    for (int i = 0; i < 20; ++i) data << R"({"prompt":"Say cat.","completion":" cat)" << i << "\"}\n";
  }
  /// With a cache of the test's own.
  [[nodiscard]] test::ProgramResult run(const std::string& arguments) const {
    return test::run_command("env XDG_CACHE_HOME='" + (folder_ / "user").string() + "' '" + test::program() +
                             "' " + arguments);
  }
  [[nodiscard]] std::string train(const std::string& out) const {
    return "train --model '" + (test::test_files() / "cases" / "chat-with-end-of-turn" / "model").string() +
           "' --train " + at("data.jsonl") +
           " --dev-fraction 0.2 --method lora --epochs 2 --batch-size 2 --dtype f32 --out " + at(out);
  }
  [[nodiscard]] std::string at(const std::string& name) const {
    return "'" + (folder_ / name).string() + "'";
  }

  test::TemporaryFolder folder_;
};

TEST_F(TokenCacheProgram, ASecondRunTakesWhatTheFirstKept) {
  const auto first = run(train("first"));
  ASSERT_EQ(first.status, 0) << first.error;
  const auto second = run(train("second"));
  ASSERT_EQ(second.status, 0) << second.error;
  const auto alone = run(train("alone") + " --no-token-cache");
  ASSERT_EQ(alone.status, 0) << alone.error;
  const char* remark = "; from the token cache";
  EXPECT_EQ(first.error.find(remark), std::string::npos);
  EXPECT_NE(second.error.find(remark), std::string::npos) << second.error;
  EXPECT_EQ(alone.error.find(remark), std::string::npos);
  const auto weights = [&](const std::string& name) {
    return read_text_file(folder_ / name / "links" / "1" / "adapter_model.safetensors");
  };
  EXPECT_EQ(weights("first"), weights("second"));
  EXPECT_EQ(weights("first"), weights("alone"));
  const auto evaluated = run("eval --run " + at("first") + " --data " + at("data.jsonl"));
  EXPECT_NE(evaluated.error.find(remark), std::string::npos) << evaluated.error;
  const auto shown = run("inspect --run " + at("first") + " --data " + at("data.jsonl"));
  EXPECT_NE(shown.output.find(remark), std::string::npos) << shown.output;
}

TEST_F(TokenCacheProgram, ProcessesAtOnceMakeOneEntry) {
  std::string all = "sh -c \"";
  for (int i = 0; i < 4; ++i) {
    all += "env XDG_CACHE_HOME='" + (folder_ / "user").string() + "' '" + test::program() +
           "' inspect --count 0 --data " + at("data.jsonl") + " --model '" +
           (test::test_files() / "cases" / "chat-with-end-of-turn" / "model").string() + "' & ";
  }
  const auto shown = test::run_command(all + "wait\"");
  ASSERT_EQ(shown.error, "");
  std::size_t from_cache = 0;
  for (std::size_t at = 0; (at = shown.output.find("from the token cache", at)) != std::string::npos; ++at)
    ++from_cache;
  EXPECT_EQ(from_cache, 3U) << shown.output;
  std::size_t entries = 0;
  for (const auto& entry : std::filesystem::directory_iterator(folder_ / "user" / "cola" / "tokens"))
    entries += entry.path().filename() == "hashes" ? 0 : 1;
  EXPECT_EQ(entries, 1U);
}

}  // namespace
}  // namespace cola
