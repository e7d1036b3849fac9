#include "model/huggingface_folder.h"

#include <gtest/gtest.h>

#include "io/files.h"
#include "io/json.h"
#include "model/base_model.h"
#include "support/files.h"

namespace cola {
namespace {

/// What transformers 4 saved of a model that sees images: nothing that equals the library's default.
Json config_without_defaults() {
  return {{"architectures", {"Gemma3ForConditionalGeneration"}},
          {"model_type", "gemma3"},
          {"text_config",
           {{"hidden_size", 2560},
            {"intermediate_size", 10240},
            {"model_type", "gemma3_text"},
            {"num_hidden_layers", 34},
            {"rope_scaling", {{"factor", 8.0}, {"rope_type", "linear"}}},
            {"sliding_window", 1024}}},
          {"torch_dtype", "bfloat16"},
          {"vision_config", {{"hidden_size", 1152}, {"model_type", "siglip_vision_model"}}}};
}

TEST(HuggingfaceFolder, AVisionModelsConfigurationMayLeaveOutDefaults) {
  const DecoderSpec spec = parse_model_config(config_without_defaults(), "config.json");
  EXPECT_EQ(spec.vocab_size, 262208);
  EXPECT_EQ(spec.max_position_embeddings, 131072);
  EXPECT_TRUE(spec.tie_word_embeddings);
  const AttentionSpec& attention = spec.block(0).attention;
  EXPECT_EQ(attention.num_attention_heads, 8);
  EXPECT_EQ(attention.num_key_value_heads, 4);
  EXPECT_EQ(attention.head_dim, 256);
  EXPECT_EQ(attention.window, 1024);
  EXPECT_EQ(spec.block(5).attention.window, 0);
  EXPECT_EQ(parameter_count(spec), 3'880'263'168);  // google/gemma-3-4b's text part
}

TEST(HuggingfaceFolder, AVisionModelsTextPartIsWrittenAndReadWithoutAnyOther) {
  const test::TemporaryFolder folder;
  Json config = config_without_defaults();
  config["text_config"].update(
      {{"hidden_size", 16}, {"intermediate_size", 8}, {"num_hidden_layers", 1}, {"vocab_size", 12}});
  write_text_file(folder / "config.json", config.dump());
  const Weights weights(parse_model_config(config, "config.json"), 1, DType::f32);
  std::filesystem::create_directory(folder / "out");
  write_huggingface_folder(
      folder / "out", folder.path(), weights, DType::f32, "--dtype", default_max_shard_bytes,
      [&](const Parameter& parameter, std::span<float> values) { weights.read_original(parameter, values); });
  BaseModel base = open_base_model(folder / "out");
  EXPECT_TRUE(base.tensors->tensors().contains("model.language_model.layers.0.self_attn.q_norm.weight"));
  const Weights read(base.config, std::move(base.tensors), DType::f32);
  for (const auto& parameter : read.all()) {
    const auto values = weights.at(parameter->spec.name).vector();
    for (std::int64_t i = 0; i < parameter->spec.size(); ++i)
      ASSERT_EQ(parameter->vector().data()[i], values.data()[i]) << parameter->spec.name;
  }
}

}  // namespace
}  // namespace cola
