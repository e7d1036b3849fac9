#include "model/rotary_table.h"

#include <gtest/gtest.h>

#include <cmath>

#include "model/model_config.h"

namespace cola {
namespace {

RotarySpec llama(std::int64_t rotary_dim, double theta, const RopeScaling& scaling = {}) {
  return {rotary_dim, theta, scaling};
}

void expect_frequencies(const RotarySpec& config, const std::vector<double>& expected) {
  const auto frequencies = rotary_frequencies(config);
  ASSERT_EQ(frequencies.size(), expected.size());
  for (std::size_t i = 0; i < expected.size(); ++i)
    EXPECT_NEAR(frequencies[i], expected[i], 1e-12 * expected[i]) << i;
}

TEST(RotaryFrequencies, ArePowersOfTheta) { expect_frequencies(llama(8, 10000.0), {1.0, 0.1, 0.01, 0.001}); }

TEST(RotaryFrequencies, LinearScalingDividesAll) {
  expect_frequencies(llama(8, 10000.0, {RopeScaling::Kind::linear, 4.0, 1.0, 4.0, 8192}),
                     {0.25, 0.025, 0.0025, 0.00025});
}

// transformers' _compute_llama3_parameters by hand, factor 8, low 1, high 4, original 128 positions.
// Wavelengths 2 pi / f: 6.28, 62.8, 628, 6283. Below 128/4 kept; above 128/1 divided by 8; between:
// s = (128 / 62.83 - 1) / 3 = 0.345727, f = (1 - s) 0.1 / 8 + s 0.1 = 0.0427511787543076.
TEST(RotaryFrequencies, Llama3KeepsShortDividesLongAndBlendsBetween) {
  expect_frequencies(llama(8, 10000.0, {RopeScaling::Kind::llama3, 8.0, 1.0, 4.0, 128}),
                     {1.0, 0.0427511787543076, 0.00125, 0.000125});
}

// Llama 3.1: theta 500000, 64 frequencies, original 8192: the blend is from index 29 to 34.
TEST(RotaryFrequencies, OfLlama31) {
  const auto frequencies =
      rotary_frequencies(llama(128, 500000.0, {RopeScaling::Kind::llama3, 8.0, 1.0, 4.0, 8192}));
  const std::vector<std::pair<std::size_t, double>> expected{{0, 1.0},
                                                             {28, 0.003211445994752591},
                                                             {29, 0.002166570763503359},
                                                             {34, 0.0001785078127679964},
                                                             {35, 0.0007644969883171747 / 8.0},
                                                             {63, 2.455140791131609e-06 / 8.0}};
  ASSERT_EQ(frequencies.size(), 64U);
  for (const auto& [i, value] : expected) EXPECT_NEAR(frequencies[i], value, 1e-12 * value) << i;
}

TEST(RotaryTables, HoldCosineAndSineOfPositionTimesFrequency) {
  RotaryTable table(llama(8, 10000.0), 50, host_memory());
  table.reserve(50);
  ASSERT_EQ(table.cosines().rows, 50);
  ASSERT_EQ(table.cosines().cols, 4);
  for (const std::int64_t position : {0, 1, 17, 49}) {
    for (std::int64_t i = 0; i < 4; ++i) {
      const double angle = static_cast<double>(position) * std::pow(10.0, static_cast<double>(-i));
      const std::int64_t index = position * table.cosines().stride + i;
      // Half a unit in the last place of a float below 1.
      EXPECT_NEAR(static_cast<double>(table.cosines().as<float>()[index]), std::cos(angle), 6e-8);
      EXPECT_NEAR(static_cast<double>(table.sines().as<float>()[index]), std::sin(angle), 6e-8);
    }
  }
}

TEST(RotaryTables, HaveAsManyRowsAsPositionsInUse) {
  DecoderSpec config;
  config.rotary_tables = {llama(8, 10000.0)};
  config.max_position_embeddings = std::int64_t{1} << 22;
  RotaryTable table(config.rotary_tables[0], config.max_position_embeddings, host_memory());
  EXPECT_EQ(table.cosines().rows, 0);
  table.reserve(20);
  const std::int64_t rows = table.cosines().rows;
  EXPECT_GE(rows, 20);
  EXPECT_LE(rows, 4096);
  EXPECT_EQ(rotary_table_bytes(config, 20), 2 * rows * 4 * 4);
  const std::vector<float> before(table.sines().as<float>(), table.sines().as<float>() + rows * 4);
  table.reserve(5);
  EXPECT_EQ(table.cosines().rows, rows);
  table.reserve(5000);
  EXPECT_GE(table.cosines().rows, 5000);
  EXPECT_TRUE(std::equal(before.begin(), before.end(), table.sines().as<float>()));  // the same bits
  config.max_position_embeddings = 5001;
  EXPECT_EQ(rotary_table_bytes(config, 5000), 2 * 5001 * 4 * 4);
  EXPECT_EQ(rotary_table_bytes(spec_of_shape("opt-125m"), 5000), 0);
}

}  // namespace
}  // namespace cola
