// `cola tokenize`: lines of texts to lines of ids and back.
#include <gtest/gtest.h>

#include <fstream>

#include "cli/letter_tokenizer.h"
#include "cli/program.h"
#include "support/files.h"

namespace cola {
namespace {

using test::run_command;
using test::run_program;

class Tokenize : public testing::Test {
 protected:
  void SetUp() override { test::write_letter_tokenizer(folder_ / "tokenizer"); }
  std::string arguments(const std::string& lines) {
    std::ofstream(folder_ / "data.jsonl", std::ios::binary) << lines;
    return "tokenize --tokenizer '" + (folder_ / "tokenizer").string() + "' '" +
           (folder_ / "data.jsonl").string() + "'";
  }
  test::TemporaryFolder folder_;
};

TEST_F(Tokenize, TextsHaveTheSpecialTokensOfTraining) {
  const std::string lines = R"({"text": "ab a"}
{"text": "", "weight": 2}

{"text": "</s>a</s>"}
)";
  const auto trained = run_program(arguments(lines));
  EXPECT_EQ(trained.status, 0) << trained.error;
  EXPECT_EQ(trained.output, "{\"ids\":[2,5,6,4,5,2]}\n{\"ids\":[2,2]}\n{\"ids\":[2,5,2]}\n");
  const auto plain = run_program(arguments(lines) + " --no-special-tokens");
  EXPECT_EQ(plain.output, "{\"ids\":[5,6,4,5]}\n{\"ids\":[]}\n{\"ids\":[2,5,2]}\n");
}

TEST_F(Tokenize, ShortTextsOfATokenizerWithoutEos) {
  std::ofstream(folder_ / "tokenizer/vocab.json") << R"({"a": 0, "b": 1})";
  EXPECT_EQ(run_program(arguments("{\"text\":\"\"}\n{\"text\":\"a\"}\n{\"text\":\"ab\"}\n")).output,
            "{\"ids\":[]}\n{\"ids\":[0]}\n{\"ids\":[0,1]}\n");
}

TEST_F(Tokenize, IdsAreTextsAgain) {
  const std::string lines = "{\"ids\": [2, 5, 31, 6, 2]}\n{\"ids\": []}\n{\"ids\": [5, 1000]}\n";
  EXPECT_EQ(run_program(arguments(lines)).output,
            "{\"text\":\"</s>a\\nb</s>\"}\n{\"text\":\"\"}\n{\"text\":\"a\"}\n");
  EXPECT_EQ(run_program(arguments(lines) + " --no-special-tokens").output,
            "{\"text\":\"a\\nb\"}\n{\"text\":\"\"}\n{\"text\":\"a\"}\n");
}

TEST_F(Tokenize, StandardInputIsTheDefault) {
  const std::string options = "' tokenize --tokenizer '" + (folder_ / "tokenizer").string() + "'";
  for (const char* file : {"", " -"}) {
    const auto result = run_command("echo '{\"text\":\"a\"}' | '" + test::program() + options + file);
    EXPECT_EQ(result.status, 0) << result.error;
    EXPECT_EQ(result.output, "{\"ids\":[2,5,2]}\n");
  }
}

TEST_F(Tokenize, ABadLineIsNamedBehindTheAnswersBeforeIt) {
  const auto expect_refused = [&](const std::string& line, const std::string& cause) {
    const auto result = run_program(arguments("{\"text\":\"a\"}\n" + line + "\n{\"text\":\"b\"}\n"));
    EXPECT_EQ(result.status, 1);
    EXPECT_EQ(result.output, "{\"ids\":[2,5,2]}\n") << line;
    EXPECT_NE(result.error.find("data.jsonl:2: "), std::string::npos) << result.error;
    EXPECT_NE(result.error.find(cause), std::string::npos) << result.error;
  };
  expect_refused(R"({"text": "a)", "not valid JSON");
  expect_refused("{\"text\": \"\xFF\"}", "UTF-8");
  expect_refused("[1]", "not a JSON object");
  expect_refused(R"({"prompt": "a"})", "neither");
  expect_refused(R"({"text": null})", "neither");
  expect_refused(R"({"text": "a", "ids": [5]})", "both");
  expect_refused(R"({"text": "a", "text": "b"})", "occurs twice");
  expect_refused(R"({"text": 5})", "must be a string");
  expect_refused(R"({"ids": 5})", "not an array");
  expect_refused(R"({"ids": [5, -1]})", "entry 2 is not a token id");
  expect_refused(R"({"ids": [18446744073709551615]})", "entry 1 is not a token id");
  expect_refused(R"({"ids": [1.5]})", "entry 1 is not a token id");
  expect_refused(R"({"ids": ["a"]})", "entry 1 is not a token id");
}

TEST_F(Tokenize, WhatItCannotReadIsAnError) {
  EXPECT_EQ(run_program("tokenize").status, 2);
  EXPECT_EQ(run_program("tokenize --tokenizer /nowhere").status, 1);
  std::filesystem::remove(folder_ / "data.jsonl");
  const auto missing = run_program("tokenize --tokenizer '" + (folder_ / "tokenizer").string() + "' /none");
  EXPECT_NE(missing.error.find("/none"), std::string::npos) << missing.error;
  EXPECT_EQ(missing.status, 1);
}

TEST_F(Tokenize, AnswersOfManyLinesComeInOrder) {
  std::string lines;
  std::string expected;
  for (int i = 0; i < 20000; ++i) {
    const int letter = i % 26;
    lines += std::string("{\"text\":\"") + static_cast<char>('a' + letter) + "\"}\n";
    expected += "{\"ids\":[2," + std::to_string(5 + letter) + ",2]}\n";
  }
  EXPECT_EQ(run_program(arguments(lines)).output, expected);
}

}  // namespace
}  // namespace cola
