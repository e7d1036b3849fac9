#include <gtest/gtest.h>

#include <fstream>

#include <sstream>
#include <string>

#include "bench/red_task.h"
#include "chain/tiny_checkpoint.h"
#include "cli/program.h"
#include "io/files.h"
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

TEST(Bench, StepOfTaskPrintsStableKeys) {
  const test::TemporaryFolder folder;
  const std::filesystem::path model = test::demo_model();
  const std::string arguments =
      "bench step --steps 2 --rounds 1 --batch-size 2 --lora-r 2 --num-train 4 --num-dev 1 --dtype f32 "
      "--task '" +
      test::write_red_task(folder.path()) + "' --tokenizer '" + model.string() + "' --shape '" +
      (model / "config.json").string() + "' --no-share-prefix --pad-batches";
  const auto result = run_program(arguments + " --json");
  ASSERT_EQ(result.status, 0) << result.error;
  const Json json = parse_json(result.output, "output");
  for (const char* key :
       {"questions_per_second", "seconds_per_step", "tokens_per_step", "loss_tokens_per_step", "loss",
        "fraction_of_peak", "reference_fraction_of_peak", "reference_flops_per_step"}) {
    ASSERT_TRUE(json.contains(key)) << key;
    EXPECT_GT(json.at(key), 0.0) << key;
  }
  EXPECT_EQ(json.at("questions_per_step"), 2.0);
  EXPECT_EQ(json.at("tokens_per_step"), json.at("reference_tokens_per_step"));
  EXPECT_EQ(json.at("share_prefix"), false);
  EXPECT_EQ(json.at("pad_batches"), true);
  EXPECT_FALSE(json.contains("seq_length"));
  const auto table = run_program(arguments);
  ASSERT_EQ(table.status, 0) << table.error;
  EXPECT_NE(table.output.find("questions per second"), std::string::npos) << table.output;
}

TEST(Bench, StepWritesItsBatches) {
  const test::TemporaryFolder folder;
  const std::filesystem::path model = test::demo_model();
  const auto result = run_program(
      "bench step --steps 2 --rounds 1 --batch-size 2 --num-train 4 --num-dev 1 --dtype f32 --task '" +
      test::write_red_task(folder.path()) + "' --tokenizer '" + model.string() + "' --shape '" +
      (model / "config.json").string() + "' --no-share-prefix --write-batches '" +
      (folder / "batches").string() + "' --json");
  ASSERT_EQ(result.status, 0) << result.error;
  std::istringstream lines(read_text_file(folder / "batches"));
  double tokens = 0.0;
  std::int64_t batches = 0;
  for (std::string line; std::getline(lines, line); ++batches) {
    const Json batch = parse_json(line, "batches");
    const std::size_t sequences = batch.at("ids").size();
    EXPECT_EQ(batch.at("question_offsets"), (Json{0, sequences / 2, sequences}));
    EXPECT_EQ(batch.at("gold").size(), 2U);
    ASSERT_EQ(batch.at("loss_positions").size(), sequences);
    for (std::size_t s = 0; s < sequences; ++s) {
      const std::size_t length = batch.at("ids").at(s).size();
      tokens += static_cast<double>(length);
      ASSERT_FALSE(batch.at("loss_positions").at(s).empty());
      EXPECT_EQ(batch.at("loss_positions").at(s).back(), length - 2);  // an answer ends its candidate
    }
  }
  EXPECT_EQ(batches, 2);
  EXPECT_EQ(parse_json(result.output, "output").at("tokens_per_step"), tokens / 2.0);
}

TEST(Bench, GemmPrintsStableKeys) {
  const test::TemporaryFolder folder;
  test::write_tiny_checkpoint(folder / "base", DType::f32);
  const std::string arguments = "bench gemm --rows 4,12 --dtype f32 --lora-r 2 --seconds 0 --shape '" +
                                (folder / "base" / "config.json").string() + "'";
  const auto result = run_program(arguments + " --json");
  ASSERT_EQ(result.status, 0) << result.error;
  const Json json = parse_json(result.output, "output");
  EXPECT_GT(json.at("peak_flops_per_second"), 0.0);
  EXPECT_TRUE(json.at("isa").is_string());
  EXPECT_EQ(json.at("results").size(), 16U);
  EXPECT_EQ(json.at("thin").size(), 4U);
  for (const char* list : {"results", "thin"}) {
    for (const Json& rate : json.at(list)) {
      EXPECT_TRUE(rate.at("direction") == "forward" || rate.at("direction") == "backward");
      for (const char* key :
           {"m", "n", "k", "seconds", "flops_per_second", "fraction_of_peak", "onednn_flops_per_second"})
        EXPECT_GT(rate.at(key), 0.0) << key;
    }
  }
  const auto table = run_program(arguments);
  ASSERT_EQ(table.status, 0) << table.error;
  EXPECT_NE(table.output.find("oneDNN"), std::string::npos) << table.output;
}

TEST(Bench, OpsPrintStableKeys) {
  const test::TemporaryFolder folder;
  test::write_tiny_checkpoint(folder / "base", DType::f32);
  const auto result =
      run_program("bench ops --batch-size 2 --seq-length 8 --lora-r 2 --seconds 0 --json --shape '" +
                  (folder / "base" / "config.json").string() + "'");
  ASSERT_EQ(result.status, 0) << result.error;
  const Json json = parse_json(result.output, "output");
  EXPECT_GT(json.at("peak_flops_per_second"), 0.0);
  EXPECT_GT(json.at("read_bytes_per_second"), 0.0);
  ASSERT_EQ(json.at("results").size(), 15U);
  for (const Json& rate : json.at("results")) {
    EXPECT_TRUE(rate.at("op").is_string());
    for (const char* key : {"rows", "cols", "seconds", "bytes", "bytes_per_second", "fraction_of_bandwidth"})
      EXPECT_GT(rate.at(key), 0.0) << key;
    EXPECT_EQ(rate.at("flops").is_null(), rate.at("fraction_of_peak").is_null());
  }
}

TEST(Bench, GeneratePrintsStableKeys) {
  const test::TemporaryFolder folder;
  test::write_tiny_checkpoint(folder / "base", DType::f32);
  const auto result =
      run_program("bench generate --prompt-tokens 4 --new-tokens 3 --rounds 1 --json --shape '" +
                  (folder / "base" / "config.json").string() + "'");
  ASSERT_EQ(result.status, 0) << result.error;
  const Json json = parse_json(result.output, "output");
  for (const char* key : {"tokens_per_second", "prompt_tokens_per_second", "weight_bytes",
                          "read_bytes_per_second", "fraction_of_bandwidth"})
    EXPECT_GT(json.at(key), 0.0) << key;
  EXPECT_EQ(json.at("new_tokens"), 3);
}

TEST(Bench, EvalPrintsStableKeys) {
  const test::TemporaryFolder folder;
  const std::string model = test::demo_model().string();
  const auto result = run_program("bench eval --num-test 3 --rounds 1 --json --dtype f32 --task '" +
                                  test::write_red_task(folder.path()) + "' --tokenizer '" + model +
                                  "' --shape '" + model + "/config.json'");
  ASSERT_EQ(result.status, 0) << result.error;
  const Json json = parse_json(result.output, "output");
  EXPECT_EQ(json.at("questions"), 3);
  EXPECT_GT(json.at("speedup"), 0.0);
  EXPECT_EQ(json.at("questions_per_second"), json.at("shared").at("questions_per_second"));
  for (const char* way : {"shared", "whole"}) {
    for (const char* key :
         {"seconds", "tokens", "tokens_per_second", "questions_per_second", "fraction_of_peak", "loss"})
      EXPECT_GT(json.at(way).at(key), 0.0) << key;
  }
}

TEST(Bench, TemplatePrintsStableKeys) {
  const test::TemporaryFolder folder;
  std::ofstream(folder / "chats.jsonl")
      << R"({"messages":[{"role":"user","content":"a"}]})" << "\n"
      << R"({"messages":[{"role":"user","content":"a"},{"role":"assistant","content":"b"}]})" << "\n";
  const std::string chats = " --data '" + (folder / "chats.jsonl").string() + "'";
  const auto result =
      run_program("bench template --chat-template chatml --rounds 2 --threads 2 --json" + chats);
  ASSERT_EQ(result.status, 0) << result.error;
  const Json json = parse_json(result.output, "output");
  EXPECT_EQ(json.at("template"), "chatml");
  EXPECT_EQ(json.at("chats"), 2);
  EXPECT_EQ(json.at("bytes"), 92);
  for (const char* key : {"chats_per_second", "chats_per_second_low", "bytes_per_second"})
    EXPECT_GT(json.at(key), 0.0) << key;
  std::ofstream(folder / "refused.jinja") << "{{ raise_exception('not so') if messages[1] else '' }}";
  const auto refused =
      run_program("bench template --chat-template '" + (folder / "refused.jinja").string() + "'" + chats);
  EXPECT_EQ(refused.status, 1);
  EXPECT_NE(refused.error.find("not so"), std::string::npos) << refused.error;
}

TEST(Bench, RefusesWrongUsage) {
  for (const char* arguments :
       {"bench",
        "bench step",
        "bench step --shape nope",
        "bench step --shape opt-125m --steps 0",
        "bench step --shape opt-125m --seq-length 2049",
        "bench step --shape opt-125m --batch-size many",
        "bench step --shape opt-125m --dtype f16",
        "bench step --shape opt-125m --method sgd",
        "bench step --shape opt-125m --method cola --tie knot",
        "bench step --shape opt-125m --method cola --links 0",
        "bench step --shape opt-125m --target-modules nothing",
        "bench step --shape opt-125m --threads -1",
        "bench gemm --rows 0",
        "bench gemm --rows",
        "bench gemm --shape nope",
        "bench gemm --dtype f16",
        "bench gemm --seconds -1",
        "bench gemm --target-modules nothing",
        "bench gemm --lora-r 4096",
        "bench nothing",
        "bench generate --new-tokens 1",
        "bench generate --prompt-tokens 2048",
        "bench generate --rounds 0",
        "bench eval",
        "bench eval --task cb",
        "bench eval --task nothing --tokenizer none",
        "bench eval --task squad --tokenizer none --task-data none",
        "bench ops --batch-size 0",
        "bench ops --seq-length 2049",
        "bench ops --dtype f16",
        "bench step --shape opt-125m --task cb",
        "bench step --shape opt-125m --task cb --task-data none",
        "bench step --shape opt-125m --pad-batches",
        "bench step --shape opt-125m --no-share-prefix",
        "bench step --shape opt-125m --write-batches none",
        "bench step --shape opt-125m --task cb --tokenizer none --task-data none --seq-length 8",
        "bench step --shape opt-125m --task cb --tokenizer none --task-data none --pad-batches",
        "bench step --shape opt-125m --task cb --tokenizer none --task-data none --rounds 0"}) {
    const auto result = run_program(arguments);
    EXPECT_EQ(result.status, 2) << arguments << "\n" << result.error;
    EXPECT_EQ(result.output, "") << arguments;
    EXPECT_NE(result.error, "") << arguments;
  }
}

}  // namespace
}  // namespace cola
