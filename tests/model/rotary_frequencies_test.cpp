// Frequencies and attention factors of rope parameters as transformers 5.24.0 computes them, in f32, for
// LlamaConfig, Phi3Config and Gemma3TextConfig (rotary embedding's inv_freq and attention_scaling).
#include <gtest/gtest.h>

#include "model/rope_config.h"
#include "model/rotary_table.h"

namespace cola {
namespace {

using Numbers = std::vector<double>;

void expect_near(const Numbers& values, const Numbers& expected, const std::string& what) {
  ASSERT_EQ(values.size(), expected.size()) << what;
  for (std::size_t i = 0; i < expected.size(); ++i)
    EXPECT_NEAR(values[i], expected[i], 2e-6 * expected[i]) << what << " " << i;
}

void expect_table(const RotarySpec& spec, double attention_factor, const Numbers& frequencies,
                  const std::string& what) {
  expect_near(rotary_frequencies(spec), frequencies, what);
  EXPECT_NEAR(rotary_attention_factor(spec), attention_factor, 1e-8) << what;
}

RotarySpec read(const Json& fields, std::int64_t head_dim, std::int64_t positions,
                const RotaryRules& rules = {}) {
  return read_rotary(JsonReader(fields, "config.json"), head_dim, positions, rules);
}

/// `changes` to YaRN by 4 from 32 positions; a null key is left null.
void expect_yarn(const Json& changes, double attention_factor, const Numbers& frequencies,
                 std::int64_t head_dim = 16, std::int64_t positions = 128) {
  Json yarn{{"rope_type", "yarn"}, {"rope_theta", 1e4}, {"factor", 4.0}};
  yarn["original_max_position_embeddings"] = 32;
  yarn.update(changes);
  const Json config{{"rope_parameters", yarn}};
  expect_table(read(config, head_dim, positions), attention_factor, frequencies, changes.dump());
}

TEST(RotaryFrequencies, OfTheDefaultLinearAndLlama3) {
  const Json plain{{"rope_theta", 500}};
  expect_table(read(plain, 8, 128), 1.0, {1, 0.21147424, 0.0447213612, 0.0094574159}, "default");
  const Json linear{{"rope_theta", 5000.0}, {"rope_scaling", {{"type", "linear"}, {"factor", 2.5}}}};
  expect_table(read(linear, 12, 128), 1.0,
               {0.400000006, 0.0967308432, 0.0233921409, 0.00565685425, 0.0013679805, 0.000330814917},
               "linear");
  const Json llama3{{"rope_scaling",
                     {{"rope_type", "llama3"},
                      {"factor", 4.0},
                      {"low_freq_factor", 1.0},
                      {"high_freq_factor", 4.0},
                      {"original_max_position_embeddings", 32}}}};
  expect_table(read(llama3, 12, 128), 1.0,
               {1, 0.0590985343, 0.011603971, 0.00249999994, 0.000538608583, 0.000116039737}, "llama3");
}

TEST(RotaryFrequencies, OfYarn) {
  expect_yarn(Json::object(), 1.13862944,
              {1, 0.197642356, 0.0250000004, 0.00790569466, 0.00249999994, 0.000790569466, 0.000250000012,
               7.90569466e-05});
  expect_yarn({{"rope_theta", 1e6}, {"original_max_position_embeddings", 32768}}, 1.13862944,
              {1, 0.421696514, 0.177827939, 0.0749894157, 0.0316227786, 0.0133352149, 0.00477990136,
               0.00165996165, 0.000549999997, 0.000168678584, 4.44569851e-05, 1.87473561e-05, 7.90569356e-06,
               3.33380353e-06, 1.40585337e-06, 5.92843435e-07},
              32, 131072);
}

TEST(RotaryFrequencies, OfYarnWithoutTruncation) {
  expect_yarn({{"truncate", false}}, 1.13862944,
              {1, 0.14849025, 0.0250000004, 0.00790569466, 0.00249999994, 0.000790569466, 0.000250000012,
               7.90569466e-05});
  // Both ends of the ramp at one place.
  expect_yarn(
      {{"original_max_position_embeddings", 2048}, {"beta_fast", 4}, {"beta_slow", 4}, {"truncate", false}},
      1.13862944,
      {1, 0.316227764, 0.100000001, 0.0316227786, 0.00249999994, 0.000790569466, 0.000250000012,
       7.90569466e-05});
}

TEST(RotaryFrequencies, OfYarnWithOtherBetas) {
  expect_yarn(
      {{"original_max_position_embeddings", 256}, {"beta_fast", 8}, {"beta_slow", 2}}, 1.13862944,
      {1, 0.316227764, 0.0625, 0.00790569466, 0.00249999994, 0.000790569466, 0.000250000012, 7.90569466e-05});
  expect_yarn(
      {{"original_max_position_embeddings", 256}, {"beta_fast", nullptr}, {"beta_slow", 0}}, 1.13862944,
      {1, 0.25693506, 0.0625, 0.0138349654, 0.00249999994, 0.000790569466, 0.000250000012, 7.90569466e-05});
}

TEST(RotaryFrequencies, OfYarnWithTheFactorOfTheLengths) {
  expect_yarn({{"factor", nullptr}, {"original_max_position_embeddings", 64}}, 1.11394343,
              {1, 0.244549453, 0.0546666682, 0.0101192892, 0.00319999992, 0.00101192889, 0.000319999992,
               0.000101192891},
              16, 200);
  expect_yarn({{"factor", 0.5}}, 1.0,
              {1, 0.474341631, 0.200000003, 0.0632455572, 0.0199999996, 0.00632455572, 0.00200000009,
               0.000632455572});
}

TEST(RotaryFrequencies, OfYarnWithoutAnOriginalLengthAreOfTheWhole) {
  expect_yarn({{"original_max_position_embeddings", nullptr}}, 1.13862944,
              {1, 0.316227764, 0.0812500045, 0.0197642371, 0.00437500002, 0.000790569466, 0.000250000012,
               7.90569466e-05},
              16, 1024);
}

TEST(RotaryFrequencies, YarnsAttentionFactor) {
  const Numbers same{1,
                     0.197642356,
                     0.0250000004,
                     0.00790569466,
                     0.00249999994,
                     0.000790569466,
                     0.000250000012,
                     7.90569466e-05};
  expect_yarn({{"attention_factor", 0.75}}, 0.75, same);
  expect_yarn({{"attention_factor", 0.75}, {"mscale", 0.707}, {"mscale_all_dim", 1.0}}, 0.75, same);
  expect_yarn({{"mscale", 0.707}}, 1.13862944, same);
  expect_yarn({{"mscale", 0.707}, {"mscale_all_dim", 0}}, 1.13862944, same);
  expect_yarn({{"factor", 40}, {"mscale", 0.707}, {"mscale_all_dim", 1.0}}, 0.921042355,
              {1, 0.162066728, 0.00249999994, 0.000790569466, 0.000250000012, 7.90569466e-05, 2.49999994e-05,
               7.90569447e-06});
}

Json longrope(const Json& inside, const Json& beside) {
  Json scaling{{"type", "longrope"},
               {"short_factor", {1.0, 1.1, 1.3, 1.6, 1.9, 2.3}},
               {"long_factor", {1.2, 1.9, 3.1, 5.5, 9.0, 14.0}}};
  scaling.update(inside);
  Json config{{"rope_scaling", scaling}, {"partial_rotary_factor", 0.75}};
  config.update(beside);
  return config;
}

void expect_longrope(const Json& inside, const Json& beside, std::int64_t original, double attention_factor,
                     std::int64_t positions = 128) {
  const RotarySpec spec = read(longrope(inside, beside), 16, positions, phi3_rotary);
  EXPECT_EQ(spec.kind, RotarySpec::Kind::longrope);
  EXPECT_EQ(spec.original_max_position_embeddings, original);
  expect_table(spec, attention_factor,
               {1, 0.195857689, 0.0357045271, 0.00625000009, 0.00113391283, 0.00020180826}, "short");
  expect_near(rotary_frequencies(spec, true),
              {0.833333313, 0.113391295, 0.0149728656, 0.00181818183, 0.000239381596, 3.31542105e-05},
              "long");
}

TEST(RotaryFrequencies, OfLongrope) {
  const Json from_24{{"original_max_position_embeddings", 24}};
  expect_longrope(Json::object(), from_24, 24, 1.23560918);
  expect_longrope({{"factor", 2.0}}, from_24, 24, 1.10367762);
  expect_longrope({{"attention_factor", 1.25}}, from_24, 24, 1.25);
  expect_longrope(Json::object(), {{"original_max_position_embeddings", 4096}}, 4096, 1.0);
  // What stands inside is not read.
  expect_longrope(from_24, Json::object(), 4096, 1.19023807, 131072);
  for (const char* name : {"yarn", "su"}) expect_longrope({{"type", name}}, from_24, 24, 1.23560918);
  expect_longrope({{"type", "su"}, {"rope_type", "longrope"}}, from_24, 24, 1.23560918);
}

TEST(RotaryFrequencies, OfAPartOfTheHead) {
  expect_table(read({{"partial_rotary_factor", 0.75}, {"rope_theta", 500.0}}, 16, 128, phi3_rotary), 1.0,
               {1, 0.354953676, 0.125992104, 0.0447213612, 0.0158740096, 0.00563453929}, "3/4 of 16");
  // 5 of 10: the sixth turns too.
  expect_table(read({{"partial_rotary_factor", 0.5}}, 10, 128, phi3_rotary), 1.0,
               {1, 0.0251188632, 0.000630957307}, "1/2 of 10");
}

std::vector<RotarySpec> gemma3(const Json& fields) {
  return read_rotary_by_attention(JsonReader(fields, "config.json"), 8, 131072);
}

TEST(RotaryFrequencies, OfGemma3) {
  auto tables = gemma3(Json::object());
  expect_table(tables.at(0), 1.0, {1, 0.0316227786, 0.00100000005, 3.16227743e-05}, "full");
  expect_table(tables.at(1), 1.0, {1, 0.100000001, 0.00999999978, 0.00100000005}, "sliding");
  tables = gemma3({{"rope_scaling", {{"rope_type", "linear"}, {"factor", 8.0}}}});
  expect_table(tables.at(0), 1.0, {0.125, 0.00395284733, 0.000125000006, 3.95284678e-06}, "linear, full");
  expect_table(tables.at(1), 1.0, {1, 0.100000001, 0.00999999978, 0.00100000005}, "linear, sliding");
  tables = gemma3({{"rope_parameters",
                    {{"full_attention",
                      {{"rope_type", "yarn"},
                       {"factor", 4.0},
                       {"original_max_position_embeddings", 32},
                       {"rope_theta", 1e6}}},
                     {"sliding_attention", {{"rope_type", "linear"}, {"factor", 2.0}}}}}});
  expect_table(tables.at(0), 1.13862944, {1, 0.00790569466, 0.000250000012, 7.90569356e-06}, "yarn, full");
  expect_table(tables.at(1), 1.0, {0.5, 0.0500000007, 0.00499999989, 0.000500000024}, "linear, sliding");
  tables =
      gemma3({{"rope_parameters", {{"sliding_attention", {{"rope_type", "default"}, {"rope_theta", 500}}}}},
              {"rope_theta", 2000}});
  expect_table(tables.at(0), 1.0, {1, 0.149534881, 0.0223606806, 0.00334370136}, "theta, full");
  expect_table(tables.at(1), 1.0, {1, 0.21147424, 0.0447213612, 0.0094574159}, "theta, sliding");
}

}  // namespace
}  // namespace cola
