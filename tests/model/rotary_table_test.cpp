#include "model/rotary_table.h"

#include <gtest/gtest.h>

#include <cmath>

#include "core/error.h"

namespace cola {
namespace {

using Kind = RotarySpec::Kind;

RotarySpec plain(std::int64_t head_dim, double theta) {
  RotarySpec spec;
  spec.theta = theta;
  spec.rotary_dim = head_dim;
  spec.max_position_embeddings = 50;
  return spec;
}

RotarySpec llama3(std::int64_t head_dim, double theta, std::int64_t original) {
  RotarySpec spec = plain(head_dim, theta);
  spec.kind = Kind::llama3;
  spec.factor = 8.0;
  spec.original_max_position_embeddings = original;
  return spec;
}

/// From 6 positions on by the long factors.
RotarySpec longrope() {
  RotarySpec spec = plain(4, 100.0);
  spec.kind = Kind::longrope;
  spec.original_max_position_embeddings = 6;
  spec.attention_factor = 1.5;
  spec.short_factor = {1.0, 2.0};
  spec.long_factor = {4.0, 5.0};
  return spec;
}

void expect_frequencies(const RotarySpec& spec, const std::vector<double>& expected) {
  const auto frequencies = rotary_frequencies(spec);
  ASSERT_EQ(frequencies.size(), expected.size());
  for (std::size_t i = 0; i < expected.size(); ++i)
    EXPECT_NEAR(frequencies[i], expected[i], 1e-12 * expected[i]) << i;
}

TEST(RotaryFrequencies, ArePowersOfTheta) { expect_frequencies(plain(8, 10000.0), {1.0, 0.1, 0.01, 0.001}); }

TEST(RotaryFrequencies, LinearScalingDividesAll) {
  RotarySpec linear = plain(8, 10000.0);
  linear.kind = Kind::linear;
  linear.factor = 4.0;
  expect_frequencies(linear, {0.25, 0.025, 0.0025, 0.00025});
}

// transformers' _compute_llama3_parameters by hand, factor 8, low 1, high 4, original 128 positions.
// Wavelengths 2 pi / f: 6.28, 62.8, 628, 6283. Below 128/4 kept; above 128/1 divided by 8; between:
// s = (128 / 62.83 - 1) / 3 = 0.345727, f = (1 - s) 0.1 / 8 + s 0.1 = 0.0427511787543076.
TEST(RotaryFrequencies, Llama3KeepsShortDividesLongAndBlendsBetween) {
  expect_frequencies(llama3(8, 10000.0, 128), {1.0, 0.0427511787543076, 0.00125, 0.000125});
}

// Llama 3.1: theta 500000, 64 frequencies, original 8192: the blend is from index 29 to 34.
TEST(RotaryFrequencies, OfLlama31) {
  const auto frequencies = rotary_frequencies(llama3(128, 500000.0, 8192));
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
  RotaryTable table(plain(8, 10000.0), host_memory());
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
  RotarySpec spec = plain(8, 10000.0);
  spec.max_position_embeddings = std::int64_t{1} << 22;
  RotaryTable table(spec, host_memory());
  EXPECT_EQ(table.cosines().rows, 0);
  table.reserve(20);
  const std::int64_t rows = table.cosines().rows;
  EXPECT_GE(rows, 20);
  EXPECT_LE(rows, 4096);
  EXPECT_EQ(rotary_table_bytes(spec, 20), 2 * rows * 4 * 4);
  const std::vector<float> before(table.sines().as<float>(), table.sines().as<float>() + rows * 4);
  table.reserve(5);
  EXPECT_EQ(table.cosines().rows, rows);
  table.reserve(5000);
  EXPECT_GE(table.cosines().rows, 5000);
  EXPECT_TRUE(std::equal(before.begin(), before.end(), table.sines().as<float>()));  // the same bits
  spec.max_position_embeddings = 5001;
  EXPECT_EQ(rotary_table_bytes(spec, 5000), 2 * 5001 * 4 * 4);
}

TEST(RotaryTables, OfYarnAreTimesTheAttentionFactor) {
  RotarySpec spec = plain(4, 100.0);
  spec.kind = Kind::yarn;
  spec.factor = 4.0;
  spec.original_max_position_embeddings = 32;
  spec.attention_factor = 0.75;
  RotaryTable table(spec, host_memory());
  table.reserve(8);
  const auto frequencies = rotary_frequencies(spec);
  for (std::int64_t i = 0; i < 2; ++i) {
    const double angle = 7.0 * frequencies[static_cast<std::size_t>(i)];
    EXPECT_NEAR(static_cast<double>(table.cosines().as<float>()[14 + i]), 0.75 * std::cos(angle), 6e-8);
    EXPECT_NEAR(static_cast<double>(table.sines().as<float>()[14 + i]), 0.75 * std::sin(angle), 6e-8);
  }
}

TEST(RotaryTables, OfLongropeHaveTwoRowsAPosition) {
  const RotarySpec spec = longrope();
  RotaryTable table(spec, host_memory());
  table.reserve(10);
  ASSERT_EQ(table.cosines().rows, 100);  // all 50 positions
  EXPECT_EQ(rotary_table_bytes(spec, 10), 2 * 100 * 2 * 4);
  table.reserve(50);
  EXPECT_EQ(table.cosines().rows, 100);
  for (const std::int64_t position : {0, 3, 49}) {
    for (const bool is_long : {false, true}) {
      for (std::int64_t i = 0; i < 2; ++i) {
        const double factor = (is_long ? spec.long_factor : spec.short_factor)[static_cast<std::size_t>(i)];
        const double angle = static_cast<double>(position) * (i == 0 ? 1.0 : 0.1) / factor;
        const std::int64_t index = (2 * position + (is_long ? 1 : 0)) * 2 + i;
        EXPECT_NEAR(static_cast<double>(table.cosines().as<float>()[index]), 1.5 * std::cos(angle), 1.2e-7);
        EXPECT_NEAR(static_cast<double>(table.sines().as<float>()[index]), 1.5 * std::sin(angle), 1.2e-7);
      }
    }
  }
}

/// Sequences that begin and end at these positions; ends are not theirs.
RaggedBatch batch_of(const std::vector<std::pair<std::int32_t, std::int32_t>>& sequences,
                     std::vector<std::int32_t> prefixes = {}) {
  RaggedBatch batch;
  for (const auto& [begin, end] : sequences) {
    for (std::int32_t position = begin; position < end; ++position) batch.positions.push_back(position);
    batch.offsets.push_back(static_cast<std::int32_t>(batch.positions.size()));
  }
  batch.ids.resize(batch.positions.size());
  batch.prefixes = std::move(prefixes);
  return batch;
}

/// [S]: whether all rows of each sequence are those of the long factors; fails where they are mixed.
std::vector<bool> long_sequences(const RaggedBatch& batch, LongFactors rule) {
  const auto rows = rotary_rows(longrope(), batch, rule);
  std::vector<bool> result;
  for (std::size_t s = 0; s + 1 < batch.offsets.size(); ++s) {
    const auto begin = static_cast<std::size_t>(batch.offsets[s]);
    result.push_back(rows.at(begin) % 2 == 1);
    for (std::size_t row = begin; row < static_cast<std::size_t>(batch.offsets[s + 1]); ++row)
      EXPECT_EQ(rows.at(row), 2 * batch.positions[row] + (result.back() ? 1 : 0));
  }
  return result;
}

using Flags = std::vector<bool>;

TEST(RotaryRows, ArePositionsWithoutLongrope) {
  const RaggedBatch batch = batch_of({{0, 4}, {3, 9}});
  for (const LongFactors rule : {LongFactors::by_batch, LongFactors::by_sequence})
    EXPECT_EQ(rotary_rows(plain(8, 10000.0), batch, rule), batch.positions);
}

TEST(RotaryRows, ByTheLongestOfTheBatch) {
  EXPECT_EQ(long_sequences(batch_of({{0, 4}, {0, 6}}), LongFactors::by_batch), (Flags{false, false}));
  EXPECT_EQ(long_sequences(batch_of({{0, 4}, {0, 7}}), LongFactors::by_batch), (Flags{true, true}));
  EXPECT_EQ(long_sequences(batch_of({{0, 4}, {4, 7}, {4, 5}}, {-1, 0, 0}), LongFactors::by_batch),
            (Flags{true, true, true}));
  // A seventh token that is not computed.
  RaggedBatch without_last = batch_of({{0, 4}, {0, 6}});
  without_last.longest = 7;
  EXPECT_EQ(long_sequences(without_last, LongFactors::by_batch), (Flags{true, true}));
  // Padding makes no sequence longer.
  EXPECT_EQ(long_sequences(padded_to(batch_of({{0, 4}}), 20), LongFactors::by_batch), (Flags{false, false}));
}

TEST(RotaryRows, ByEachSequencesOwnLength) {
  EXPECT_EQ(long_sequences(batch_of({{0, 7}, {0, 6}, {0, 1}}), LongFactors::by_sequence),
            (Flags{true, false, false}));
  // What goes on from a cache: the sixth and the seventh token.
  EXPECT_EQ(long_sequences(batch_of({{5, 6}, {6, 7}}), LongFactors::by_sequence), (Flags{false, true}));
}

TEST(RotaryRows, APrefixTurnsAsWhatContinuesIt) {
  EXPECT_EQ(long_sequences(batch_of({{0, 4}, {4, 7}, {4, 8}, {0, 3}, {3, 4}}, {-1, 0, 0, -1, 3}),
                           LongFactors::by_sequence),
            (Flags{true, true, true, false, false}));
  const RaggedBatch mixed = batch_of({{0, 4}, {4, 7}, {4, 5}}, {-1, 0, 0});
  EXPECT_THROW((void)rotary_rows(longrope(), mixed, LongFactors::by_sequence), Error);
}

TEST(RotaryRows, LongFactorsAreForMoreThanTheOriginalLength) {
  EXPECT_FALSE(turns_by_long_factors(longrope(), 6));
  EXPECT_TRUE(turns_by_long_factors(longrope(), 7));
  EXPECT_FALSE(turns_by_long_factors(llama3(8, 10000.0, 6), 7));
}

}  // namespace
}  // namespace cola
