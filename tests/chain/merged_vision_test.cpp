// Merges of a model that has other parts than a decoder: what is no decoder stays as it is.
#include <gtest/gtest.h>

#include <algorithm>
#include <optional>

#include "chain/merged_checkpoint.h"
#include "chain/tiny_checkpoint.h"
#include "lora/adapter.h"
#include "model/base_model.h"
#include "support/parity.h"
#include "support/vision_names.h"

namespace cola {
namespace {

std::vector<std::byte> bytes_of(const SourceTensor& tensor) {
  return {tensor.data, tensor.data + tensor.bytes};
}

bool is_of_decoder(const std::string& name) { return name.find("language_model") != std::string::npos; }

class MergedVision : public testing::TestWithParam<test::NameStyle> {
 protected:
  /// The fixture under the style's names: the decoder in f32, the vision tower in bf16, and a buffer of
  /// integers.
  void SetUp() override {
    const auto fixture = test::parity_folder(test::vision_model);
    const auto source = open_checkpoint(fixture);
    std::vector<TensorToWrite> tensors;
    for (const auto& [name, tensor] : source->tensors()) {
      const DType dtype = name.starts_with("vision_tower.") ? DType::bf16 : DType::f32;
      tensors.push_back({GetParam()(name), dtype, tensor.shape, [&](std::span<std::byte> bytes) {
                           std::copy_n(tensor.data + (tensor.bytes - bytes.size()), bytes.size(),
                                       bytes.begin());
                         }});
    }
    tensors.push_back({GetParam()("vision_tower.embeddings.position_ids"),
                       DType::i64,
                       {1, 4},
                       [](std::span<std::byte> bytes) { std::ranges::fill(bytes, std::byte{3}); }});
    std::filesystem::create_directories(base());
    write_checkpoint(base(), tensors, 20'000);  // in shards
    std::filesystem::copy(fixture / "config.json", base());
    write_text_file(base() / "preprocessor_config.json", R"({"do_resize": true})");
    write_text_file(base() / "processor_config.json", R"({"image_seq_length": 4})");
  }
  [[nodiscard]] std::filesystem::path base() const { return folder_ / "base"; }

  void merge(std::vector<Link> links, std::optional<DType> dtype, const std::string& out) {
    ops::Context context;
    (void)write_merged_checkpoint(context, base(), std::move(links), {dtype}, folder_ / out);
  }

  void expect_other_parts_as_before(const TensorSource& merged) {
    const auto before = open_checkpoint(base());
    for (const auto& [name, tensor] : before->tensors()) {
      ASSERT_TRUE(merged.tensors().contains(name)) << name;
      if (is_of_decoder(name)) continue;
      const SourceTensor& after = merged.tensors().at(name);
      EXPECT_EQ(after.dtype, tensor.dtype) << name;
      EXPECT_EQ(after.shape, tensor.shape) << name;
      EXPECT_EQ(bytes_of(after), bytes_of(tensor)) << name;
    }
  }

  test::TemporaryFolder folder_;
};

TEST_P(MergedVision, KeepsNamesAndOtherPartsWhateverTheDtype) {
  for (const auto dtype : {std::optional<DType>(), std::optional(DType::bf16), std::optional(DType::f16)}) {
    const std::string out = dtype ? std::string(name_of(*dtype)) : "same";
    std::vector<Link> links;
    links.push_back(read_adapter(test::parity_folder(test::vision_model) / "adapter"));
    const std::string module = "model.language_model.layers.1.mlp.gate_proj";
    const auto delta = test::delta_of(links.front(), module);
    merge(std::move(links), dtype, out);
    const auto merged = open_checkpoint(folder_ / out);
    const auto before = open_checkpoint(base());
    ASSERT_EQ(merged->tensors().size(), before->tensors().size());
    expect_other_parts_as_before(*merged);
    for (const auto& [name, tensor] : merged->tensors()) {
      if (!is_of_decoder(name)) continue;
      EXPECT_EQ(tensor.dtype, dtype.value_or(DType::f32)) << name;
    }
    const std::string name = GetParam()("language_model.model.layers.1.mlp.gate_proj.weight");
    const auto old_values = test::floats_of(*before, name);
    const auto values = test::floats_of(*merged, name);
    ASSERT_EQ(values.size(), delta.size());
    for (std::size_t i = 0; i < values.size(); ++i)
      EXPECT_NEAR(values[i], static_cast<double>(old_values[i]) + delta[i], dtype ? 0x1p-7 : 1e-6);
  }
}

TEST_P(MergedVision, KeepsTheConfigurationAndTheProcessor) {
  std::vector<Link> links;
  links.push_back(read_adapter(test::parity_folder(test::vision_model) / "adapter"));
  merge(std::move(links), DType::bf16, "out");
  const Json before = read_json_file(base() / "config.json");
  const Json after = read_json_file(folder_ / "out" / "config.json");
  EXPECT_EQ(after.at("text_config"), before.at("text_config"));
  EXPECT_EQ(after.at("vision_config"), before.at("vision_config"));
  EXPECT_EQ(after.at("dtype"), "float32");  // the projector's
  for (const char* file : {"preprocessor_config.json", "processor_config.json"})
    EXPECT_EQ(read_text_file(folder_ / "out" / file), read_text_file(base() / file));
}

TEST_P(MergedVision, AnUntiedHeadIsNamedInTheStyle) {
  Link link;
  link.modules.push_back(
      {"lm_head", test::random_matrix(2, 32, 1, 0.1F), test::random_matrix(256, 2, 2, 0.1F), 2.0, 1.0});
  std::vector<Link> links;
  links.push_back(std::move(link));
  merge(std::move(links), {}, "out");
  const auto merged = open_checkpoint(folder_ / "out");
  EXPECT_TRUE(merged->tensors().contains(GetParam()("language_model.lm_head.weight")));
  EXPECT_EQ(read_json_file(folder_ / "out" / "config.json").at("tie_word_embeddings"), false);
  expect_other_parts_as_before(*merged);
  const BaseModel again = open_base_model(folder_ / "out");
  EXPECT_FALSE(again.config.tie_word_embeddings);
  EXPECT_NO_THROW(Weights(again.config, open_checkpoint(folder_ / "out"), DType::f32));
}

INSTANTIATE_TEST_SUITE_P(Styles, MergedVision, testing::ValuesIn(test::vision_styles()),
                         [](const auto& style) { return style.param.name; });

}  // namespace
}  // namespace cola
