#include <gtest/gtest.h>

#include "chain/tiny_checkpoint.h"
#include "cli/program.h"
#include "support/files.h"

namespace cola {
namespace {

using test::run_program;

TEST(Bench, StepPrintsStableKeys) {
  const test::TemporaryFolder folder;
  test::write_tiny_checkpoint(folder / "base", DType::f32);
  const std::string shape = " --shape '" + (folder / "base" / "config.json").string() + "'";
  const auto result =
      run_program("bench step --batch-size 2 --seq-length 8 --dtype f32 --steps 2 --lora-r 2 --json" + shape);
  ASSERT_EQ(result.status, 0) << result.error;
  const Json json = parse_json(result.output, "output");
  for (const char* key : {"seconds_per_step", "tokens_per_second", "flops_per_step", "peak_flops_per_second",
                          "fraction_of_peak", "peak_rss_bytes"}) {
    ASSERT_TRUE(json.contains(key)) << key;
    EXPECT_GT(json.at(key), 0.0) << key;
  }
  EXPECT_TRUE(json.at("isa").is_string());
  const auto table =
      run_program("bench step --batch-size 2 --seq-length 8 --dtype bf16 --steps 1 --method full" + shape);
  ASSERT_EQ(table.status, 0) << table.error;
  EXPECT_NE(table.output.find("fraction of peak"), std::string::npos) << table.output;
}

TEST(Bench, RefusesWrongUsage) {
  for (const char* arguments :
       {"bench", "bench step", "bench step --shape nope", "bench step --shape opt-125m --steps 0",
        "bench step --shape opt-125m --seq-length 2049", "bench step --shape opt-125m --batch-size many",
        "bench step --shape opt-125m --dtype f16", "bench step --shape opt-125m --method cola",
        "bench step --shape opt-125m --target-modules nothing", "bench step --shape opt-125m --threads -1"}) {
    const auto result = run_program(arguments);
    EXPECT_EQ(result.status, 2) << arguments << "\n" << result.error;
    EXPECT_EQ(result.output, "") << arguments;
    EXPECT_NE(result.error, "") << arguments;
  }
}

}  // namespace
}  // namespace cola
