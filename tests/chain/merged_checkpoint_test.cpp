#include "chain/merged_checkpoint.h"

#include <gtest/gtest.h>

#include <cmath>

#include "chain/chain.h"
#include "chain/tiny_checkpoint.h"
#include "core/error.h"
#include "io/tensor_source.h"
#include "model/model_config.h"
#include "support/files.h"

namespace cola {
namespace {

using test::TemporaryFolder;

const std::string q0 = "model.decoder.layers.0.self_attn.q_proj";
const std::string v1 = "model.decoder.layers.1.self_attn.v_proj";

std::vector<float> values_of(const TensorSource& source, const std::string& name) {
  const SourceTensor& tensor = source.tensors().at(name);
  std::vector<float> values(static_cast<std::size_t>(tensor.size()));
  read_as_f32(tensor, values);
  return values;
}

std::vector<Link> two_links() {
  std::vector<Link> links;
  links.push_back(test::random_link("q_proj", 2, 1.7, 1));
  links.push_back(test::random_link("v_proj", 3, 0.5, 2));
  links.push_back(test::random_link("q_proj", 1, 2.0, 3));
  return links;
}

float rounded_to(DType dtype, float value) {
  if (dtype == DType::bf16) return static_cast<float>(BFloat16(value));
  if (dtype == DType::f16) return static_cast<float>(Float16(value));
  return value;
}

/// Unit roundoff of a dtype.
double roundoff(DType dtype) {
  return dtype == DType::bf16 ? 0x1p-8 : dtype == DType::f16 ? 0x1p-11 : 0x1p-24;
}

struct Dtypes {
  DType file;
  std::optional<DType> merged;
};

class MergedCheckpoint : public testing::TestWithParam<Dtypes> {};

TEST_P(MergedCheckpoint, HoldsTheSumOfFileAndLinksRoundedOnce) {
  const TemporaryFolder folder;
  const auto [file, merged] = GetParam();
  test::write_tiny_checkpoint(folder / "base", file);
  ops::Context context;
  const auto report =
      write_merged_checkpoint(context, folder / "base", two_links(), {merged}, folder / "out");

  const DType written = merged.value_or(file);
  EXPECT_EQ(report.dtype, written);
  EXPECT_EQ(report.modules, 4);  // q and v of two blocks
  const auto base = open_checkpoint(folder / "base");
  const auto out = open_checkpoint(folder / "out");
  const auto links = two_links();
  ASSERT_EQ(out->tensors().size(), base->tensors().size());
  for (const auto& [name, tensor] : out->tensors()) {
    EXPECT_EQ(tensor.dtype, written) << name;
    const auto before = values_of(*base, name);
    const auto after = values_of(*out, name);
    std::vector<double> delta(before.size());
    bool changed = false;
    for (const Link& link : links) {
      const auto part = test::delta_of(link, name.substr(0, name.rfind('.')));
      if (!name.ends_with(".weight") || part.empty()) continue;
      changed = true;
      for (std::size_t i = 0; i < delta.size(); ++i) delta[i] += part[i];
    }
    for (std::size_t i = 0; i < before.size(); ++i) {
      if (!changed) {
        ASSERT_EQ(after[i], rounded_to(written, before[i])) << name;
        continue;
      }
      // One rounding to the written dtype, and a few in f32 of terms of at most 0.2.
      const double expected = static_cast<double>(before[i]) + delta[i];
      ASSERT_NEAR(after[i], expected, std::abs(expected) * roundoff(written) + 8 * 0.2 * 0x1p-24)
          << name << " " << i;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Dtypes, MergedCheckpoint,
                         testing::Values(Dtypes{DType::f32, std::nullopt}, Dtypes{DType::bf16, std::nullopt},
                                         Dtypes{DType::f16, std::nullopt}, Dtypes{DType::f32, DType::bf16},
                                         Dtypes{DType::bf16, DType::f32}, Dtypes{DType::f16, DType::bf16}));

TEST(MergedCheckpoint, HasTheBitsOfAChainThatMergesInF32) {
  const TemporaryFolder folder;
  test::write_tiny_checkpoint(folder / "base", DType::bf16);
  ops::Context context;
  (void)write_merged_checkpoint(context, folder / "base", two_links(), {DType::f32}, folder / "out");

  const DecoderSpec config = test::tiny_config();
  Decoder model(config, Weights(config, open_checkpoint(folder / "base"), DType::f32));
  Chain chain(model, TieMode::merge);
  for (Link& link : two_links()) chain.add_tied(context, std::move(link));
  const auto out = open_checkpoint(folder / "out");
  int compared = 0;
  for (Linear* linear : model.linears()) {
    if (!linear->weight().is_merged()) continue;
    const auto written = values_of(*out, linear->name() + ".weight");
    const auto merged = linear->weight().values().owned()->floats();
    ASSERT_TRUE(std::equal(merged.begin(), merged.end(), written.begin(), written.end())) << linear->name();
    ++compared;
  }
  EXPECT_EQ(compared, 4);
}

TEST(MergedCheckpoint, ReportsNormAndRoundingError) {
  const TemporaryFolder folder;
  test::write_tiny_checkpoint(folder / "base", DType::f32);
  ops::Context context;
  std::vector<Link> links;
  links.push_back(test::random_link("q_proj", 2, 1.0, 1, 0.01F));
  double squared_delta = 0.0;
  double squared_error = 0.0;
  const auto base = open_checkpoint(folder / "base");
  for (const auto& module : links.front().modules) {
    const auto delta = test::delta_of(links.front(), module.name);
    const auto before = values_of(*base, module.name + ".weight");
    for (std::size_t i = 0; i < delta.size(); ++i) {
      const double sum = static_cast<double>(before[i]) + delta[i];
      const double error = static_cast<double>(rounded_to(DType::bf16, static_cast<float>(sum))) - sum;
      squared_delta += delta[i] * delta[i];
      squared_error += error * error;
    }
  }
  const auto report =
      write_merged_checkpoint(context, folder / "base", std::move(links), {DType::bf16}, folder / "out");
  EXPECT_NEAR(report.delta_norm, std::sqrt(squared_delta), 1e-5 * std::sqrt(squared_delta));  // f32 products
  // bf16 steps are 2^16 times those of f32, in which the merge sums: at ties one may go the other way.
  EXPECT_NEAR(report.rounding_error_norm, std::sqrt(squared_error), 1e-2 * std::sqrt(squared_error));
  EXPECT_NEAR(report.relative_rounding_error(), std::sqrt(squared_error / squared_delta), 1e-2);
}

TEST(MergedCheckpoint, TakesBiasesOfTheLastLinkThatHasThem) {
  const TemporaryFolder folder;
  test::write_tiny_checkpoint(folder / "base", DType::f32);
  ops::Context context;
  auto links = two_links();
  links[0].biases.push_back({q0, test::random_matrix(1, 16, 90, 1.0F)});
  links[2].biases.push_back({q0, test::random_matrix(1, 16, 91, 1.0F)});
  (void)write_merged_checkpoint(context, folder / "base", std::move(links), {}, folder / "out");
  const auto out = open_checkpoint(folder / "out");
  const Matrix last = test::random_matrix(1, 16, 91, 1.0F);
  const auto expected = last.floats();
  const auto written = values_of(*out, q0 + ".bias");
  EXPECT_TRUE(std::equal(expected.begin(), expected.end(), written.begin(), written.end()));
  for (const float value : values_of(*out, v1 + ".bias")) EXPECT_EQ(value, 0.0F);
}

TEST(MergedCheckpoint, RefusesALinkThatDoesNotFitAndWritesNothing) {
  const TemporaryFolder folder;
  test::write_tiny_checkpoint(folder / "base", DType::f32);
  ops::Context context;
  auto unknown = two_links();
  unknown[1].modules[0].name = "model.decoder.layers.9.self_attn.q_proj";
  EXPECT_THROW(
      (void)write_merged_checkpoint(context, folder / "base", std::move(unknown), {}, folder / "out"), Error);
  auto misshaped = two_links();
  misshaped[1].modules[0].a = test::random_matrix(3, 17, 5, 1.0F);
  EXPECT_THROW(
      (void)write_merged_checkpoint(context, folder / "base", std::move(misshaped), {}, folder / "out"),
      Error);
  EXPECT_FALSE(std::filesystem::exists(folder / "out"));
}

TEST(MergedCheckpoint, WithoutLinksCopiesTheModelInShards) {
  const TemporaryFolder folder;
  test::write_tiny_checkpoint(folder / "base", DType::f16);
  ops::Context context;
  const auto report =
      write_merged_checkpoint(context, folder / "base", {}, {std::nullopt, 2000}, folder / "out");
  EXPECT_EQ(report.modules, 0);
  EXPECT_EQ(report.relative_rounding_error(), 0.0);
  EXPECT_TRUE(std::filesystem::exists(folder / "out" / "model.safetensors.index.json"));
  const auto base = open_checkpoint(folder / "base");
  const auto out = open_checkpoint(folder / "out");
  for (const auto& [name, tensor] : base->tensors())
    EXPECT_EQ(values_of(*out, name), values_of(*base, name)) << name;
  EXPECT_EQ(read_model_config(folder / "out").hidden_size, 16);
}

}  // namespace
}  // namespace cola
