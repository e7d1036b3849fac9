#include <gtest/gtest.h>

#include <fstream>

#include "cli/program.h"
#include "io/json.h"
#include "support/files.h"

namespace cola {
namespace {

using test::run_program;

TEST(Flops, TheCommandOfTable3) {
  if (!test::test_data()) GTEST_SKIP() << "COLA_TEST_DATA names no folder";
  const std::string arguments =
      "flops --task cb --task-data '" + (*test::test_data() / "data/CB").string() + "' --tokenizer '" +
      (*test::test_data() / "tokenizers/opt").string() +
      "' --shape opt-1.3b --ranks 8,6 --knots 3ep --epochs 5 --batch-size 8 --seed 0";
  const auto result = run_program(arguments + " --json");
  ASSERT_EQ(result.status, 0) << result.error;
  const Json json = parse_json(result.output, "output");
  for (const char* key : {"hf_flos", "hf_flos_saved", "hf_flos_saved_fraction", "real_flops",
                          "real_flops_saved", "real_flops_saved_fraction", "tokens", "unpadded_tokens",
                          "reference_tokens", "examples", "steps", "steps_per_epoch"}) {
    ASSERT_TRUE(json.contains(key)) << key;
    EXPECT_GT(json.at(key), 0.0) << key;
  }
  EXPECT_EQ(json.at("examples"), 150);
  EXPECT_EQ(json.at("steps"), 95);
  ASSERT_EQ(json.at("links").size(), 2U);
  const Json& second = json.at("links")[1];
  // 6 x tokens x the parameters of two ranks less on 48 projections [2048, 2048].
  EXPECT_EQ(json.at("hf_flos_saved"), 6.0 * second.at("reference_tokens").get<double>() * 24 * 2 * 4096 * 2);
  EXPECT_EQ(second.at("rank"), 6);
  const auto table = run_program(arguments);
  ASSERT_EQ(table.status, 0) << table.error;
  EXPECT_NE(table.output.find("tokens an epoch"), std::string::npos) << table.output;
  const auto whole = run_program(arguments + " --json --no-share-prefix");
  ASSERT_EQ(whole.status, 0) << whole.error;
  const Json unshared = parse_json(whole.output, "output");
  EXPECT_EQ(unshared.at("tokens"), json.at("unpadded_tokens"));
  EXPECT_EQ(unshared.at("hf_flos"), json.at("hf_flos"));
  EXPECT_GT(unshared.at("real_flops"), json.at("real_flops"));
}

TEST(Flops, RefusesWrongUsage) {
  const std::string needed = "flops --task-data none --tokenizer none ";
  for (const char* arguments :
       {"", "--task cb", "--task nothing --shape opt-125m", "--task cb --shape nothing",
        "--task cb --shape opt-125m --ranks 8,0", "--task cb --shape opt-125m --tie auto-matic",
        "--task cb --shape opt-125m --epochs 0", "--task cb --shape opt-125m --batch-size 0",
        "--task cb --shape opt-125m --seed -1", "--task cb --shape opt-125m --links 2 --knots 1ep",
        "--task cb --shape opt-125m --seed 4294967296", "--task cb --shape opt-125m --max-length 2049"}) {
    const auto result = run_program(needed + arguments);
    EXPECT_EQ(result.status, 2) << arguments << "\n" << result.error;
    EXPECT_EQ(result.output, "") << arguments;
    EXPECT_NE(result.error, "") << arguments;
  }
  const auto missing = run_program(needed + "--task cb --shape opt-125m");
  EXPECT_EQ(missing.status, 1) << missing.error;
}

}  // namespace
}  // namespace cola
