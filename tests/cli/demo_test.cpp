#include <gtest/gtest.h>

#include <cmath>

#include "cli/program.h"
#include "io/json.h"
#include "support/files.h"

namespace cola {
namespace {

using test::run_program;

std::string quoted(const std::filesystem::path& path) { return "'" + path.string() + "'"; }

void expect_every_run(const Json& demo) {
  const Json& methods = demo.at("methods");
  ASSERT_EQ(methods.size(), 4U);
  const std::vector<std::string> names{"LoRA", "COLA, 2 links", "COLA, 3 links", "full"};
  const std::vector<int> links{1, 2, 3, 0};
  for (std::size_t i = 0; i < methods.size(); ++i) {
    EXPECT_EQ(methods[i].at("name"), names[i]);
    EXPECT_EQ(methods[i].at("links"), links[i]);
    ASSERT_EQ(methods[i].at("dev_loss").at("values").size(), 2U);
    for (const Json& run : methods[i].at("runs")) {
      const std::filesystem::path folder = run.get<std::string>();
      EXPECT_TRUE(std::filesystem::exists(folder / "log.jsonl")) << folder;
      const Json manifest = read_json_file(folder / "chain.json");
      EXPECT_EQ(manifest.at("links").size(), static_cast<std::size_t>(links[i])) << folder;
    }
  }
  // 2 modules in each of 2 layers, A and B of rank 1 and width 128; and all weights.
  EXPECT_EQ(methods[0].at("trained_parameters"), 2 * 2 * (128 + 128));
  EXPECT_EQ(methods[2].at("trained_parameters"), 2 * 2 * (128 + 128));
  EXPECT_EQ(methods[3].at("trained_parameters"), 475904);
}

void expect_logged_measurements(const Json& demo) {
  for (const Json& row : demo.at("methods")) {
    for (std::size_t seed = 0; seed < 2; ++seed) {
      const std::filesystem::path folder = row.at("runs")[seed].get<std::string>();
      const std::string log = read_text_file(folder / "log.jsonl");
      const std::size_t start = log.rfind('\n', log.size() - 2) + 1;
      const Json end = parse_json(std::string_view(log).substr(start), "log.jsonl");
      ASSERT_EQ(end.at("event"), "end");
      // The demo evaluates the saved run, which is applied as factors of the chain, not as merged weights:
      // both in f32, in another order of additions.
      EXPECT_NEAR(row.at("dev_loss").at("values")[seed].get<double>(), end.at("dev_loss").get<double>(),
                  1e-4);
      EXPECT_EQ(row.at("real_flops").at("values")[seed], end.at("real_flops"));
    }
  }
}

void expect_full_learns(const Json& demo) {
  // The base model answers with the old names of the colours: none is right.
  EXPECT_LT(demo.at("before").at("accuracy").get<double>(), 0.05);
  const Json& full = demo.at("methods")[3];
  EXPECT_LT(full.at("dev_loss").at("mean").get<double>(), demo.at("before").at("dev_loss").get<double>() / 2);
}

void expect_stated_statistics(const Json& demo) {
  const Json& lora = demo.at("methods")[0].at("dev_loss");
  const Json& cola = demo.at("methods")[1].at("dev_loss");
  const auto value = [](const Json& row, std::size_t i) { return row.at("values")[i].get<double>(); };
  // Two values: the sample standard deviation is their distance over the square root of 2.
  EXPECT_NEAR(lora.at("mean").get<double>(), (value(lora, 0) + value(lora, 1)) / 2, 1e-12);
  EXPECT_NEAR(lora.at("spread").get<double>(), std::abs(value(lora, 0) - value(lora, 1)) / std::sqrt(2.0),
              1e-12);
  const Json& first = demo.at("differences")[0];
  EXPECT_EQ(first.at("method"), "COLA, 2 links");
  EXPECT_EQ(first.at("against"), "LoRA");
  const double difference = cola.at("mean").get<double>() - lora.at("mean").get<double>();
  EXPECT_NEAR(first.at("difference").get<double>(), difference, 1e-12);
  const double spread = std::max(lora.at("spread").get<double>(), cola.at("spread").get<double>());
  EXPECT_EQ(first.at("larger_than_spread").get<bool>(), std::abs(difference) > spread);
}

// The demo at its smallest, run once for everything: one epoch of every method, two seeds.
TEST(Demo, MeasuresComparesAndLeavesRuns) {
  const test::TemporaryFolder folder;
  const std::string out = quoted(folder / "demo");
  const auto result = run_program("demo --epochs 1 --seeds 2 --json --out " + out);
  ASSERT_EQ(result.status, 0) << result.error;
  const Json demo = parse_json(result.output, "output");
  expect_every_run(demo);
  expect_logged_measurements(demo);
  expect_full_learns(demo);
  expect_stated_statistics(demo);

  const auto again = run_program("demo --out " + out);
  EXPECT_EQ(again.status, 2);
  EXPECT_NE(again.error.find("not empty"), std::string::npos) << again.error;
  EXPECT_EQ(again.output, "");
}

TEST(Demo, RefusesNoSeeds) {
  const auto result = run_program("demo --seeds 0");
  EXPECT_EQ(result.status, 2);
  EXPECT_NE(result.error.find("--seeds is 0"), std::string::npos) << result.error;
}

}  // namespace
}  // namespace cola
