#include "model/weight_names.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "core/error.h"
#include "model/checkpoint_files.h"
#include "model/model_config.h"
#include "model/parameter_spec.h"
#include "support/vision_names.h"

namespace cola {
namespace {

using test::Checkpoint;

class WeightNames : public testing::Test {
 protected:
  /// The tensors that the parameters of `model` are found in, after writing `tensors` to a file.
  std::map<std::string, const SourceTensor*> match(const std::string& model, const Checkpoint& tensors) {
    std::filesystem::remove_all(folder / "file");
    std::filesystem::create_directories(folder / "file");
    test::write_tensors(folder / "file", tensors);
    source = open_checkpoint(folder / "file");
    return match_tensors(read_model_config(test::parity_folder(model)), *source);
  }

  std::string refusal(const std::string& model, const Checkpoint& tensors) {
    try {
      (void)match(model, tensors);
    } catch (const Error& error) {
      return error.what();
    }
    return "accepted";
  }

  test::TemporaryFolder folder;
  std::unique_ptr<TensorSource> source;
};

Checkpoint without_prefix(const Checkpoint& tensors) {
  Checkpoint renamed;
  for (const auto& [name, tensor] : tensors)
    renamed[name.starts_with("model.") ? name.substr(6) : name] = tensor;
  return renamed;
}

TEST_F(WeightNames, AreFoundWithAndWithoutThePrefix) {
  for (const auto& model : test::models_of_all_families()) {
    const auto tensors = test::parity_checkpoint(model);
    const auto config = read_model_config(test::parity_folder(model));
    EXPECT_EQ(match(model, tensors).size(), parameter_specs(config).size()) << model;
    const auto found = match(model, without_prefix(tensors));
    ASSERT_EQ(found.size(), parameter_specs(config).size()) << model;
    const std::string name = parameter_of(config, ParameterRole::attention_output, 1).name;
    const auto stems = stems_in_use(config, *source);
    const std::string in_file = stems.empty() ? name.substr(6) : name_in_file(stems, name);
    EXPECT_EQ(found.at(name), &source->tensors().at(in_file)) << model;
  }
}

TEST_F(WeightNames, ATiedTableMayHaveEitherNameOrBoth) {
  const std::string table = "model.decoder.embed_tokens.weight";
  auto both = test::parity_checkpoint("opt_tiny");
  both["lm_head.weight"] = both.at(table);
  auto found = match("opt_tiny", both);
  EXPECT_EQ(found.at(table), &source->tensors().at(table));

  auto head_only = both;
  head_only.erase(table);
  found = match("opt_tiny", head_only);
  EXPECT_EQ(found.at(table), &source->tensors().at("lm_head.weight"));
  EXPECT_FALSE(found.contains("lm_head.weight"));

  auto neither = head_only;
  neither.erase("lm_head.weight");
  EXPECT_NE(refusal("opt_tiny", neither).find("missing tensors: " + table), std::string::npos);
}

TEST_F(WeightNames, AnUntiedHeadIsNeeded) {
  auto tensors = test::parity_checkpoint("llama_tiny");
  EXPECT_EQ(match("llama_tiny", tensors).count("lm_head.weight"), 1U);
  tensors.erase("lm_head.weight");
  EXPECT_NE(refusal("llama_tiny", tensors).find("missing tensors: lm_head.weight"), std::string::npos);
}

TEST_F(WeightNames, TensorsWithoutWeightsArePassedOver) {
  auto llama = test::parity_checkpoint("llama_tiny");
  for (const char* block : {"0", "1"}) {
    llama[std::string("model.layers.") + block + ".self_attn.rotary_emb.inv_freq"] = {{8},
                                                                                      std::vector<float>(8)};
  }
  EXPECT_EQ(refusal("llama_tiny", llama), "accepted");
  auto opt = test::parity_checkpoint("opt_tiny");
  opt["decoder.version"] = {{1}, {3.0F}};
  EXPECT_EQ(refusal("opt_tiny", opt), "accepted");
}

Checkpoint in_style(const test::NameStyle& style, const Checkpoint& tensors) {
  Checkpoint renamed;
  for (const auto& [name, tensor] : tensors) renamed[style(name)] = tensor;
  return renamed;
}

TEST_F(WeightNames, EachStyleOfAVisionModelIsRead) {
  const auto config = read_model_config(test::parity_folder(test::vision_model));
  const auto fixture = test::parity_checkpoint(test::vision_model);
  const std::size_t others = fixture.size() - parameter_specs(config).size();
  for (const auto& style : test::vision_styles()) {
    const auto found = match(test::vision_model, in_style(style, fixture));
    ASSERT_EQ(found.size(), parameter_specs(config).size()) << style.name;
    const auto stems = stems_in_use(config, *source);
    for (const auto& [name, tensor] : found)
      EXPECT_EQ(tensor, &source->tensors().at(name_in_file(stems, name))) << style.name;
    const std::string norm = "language_model.model.layers.2.self_attn.k_norm.weight";
    EXPECT_EQ(found.at("model.language_model.layers.2.self_attn.k_norm.weight"),
              &source->tensors().at(style(norm)));
    EXPECT_EQ(name_in_file(stems, "lm_head.weight"), style("language_model.lm_head.weight"));
    const auto left = tensors_of_other_parts(config, *source);
    EXPECT_EQ(left.size(), others);
    for (const OtherTensor& other : left) {
      EXPECT_EQ(other.tensor, &source->tensors().at(other.in_file));
      EXPECT_TRUE(fixture.contains(other.in_memory.substr(6))) << other.in_memory;
    }
  }
}

TEST_F(WeightNames, ATensorUnderTwoNamesOfItsStylesIsRefused) {
  const auto fixture = test::parity_checkpoint(test::vision_model);
  const auto& memory = test::vision_styles().back();
  for (const auto& [name, tensor] : fixture) {
    auto twice = fixture;
    twice[memory(name)] = tensor;
    const std::string message = refusal(test::vision_model, twice);
    EXPECT_NE(message.find("is there twice"), std::string::npos) << message;
    EXPECT_NE(message.find("'" + name + "'"), std::string::npos) << message;
    EXPECT_NE(message.find("'" + memory(name) + "'"), std::string::npos) << message;
  }
  auto twice = fixture;
  twice["vision_tower.vision_model.head.layernorm.bias"] = fixture.at("vision_tower.head.layernorm.bias");
  EXPECT_NE(refusal(test::vision_model, twice).find("is there twice"), std::string::npos);
}

TEST_F(WeightNames, OnlyKnownPartsMayStandBesideADecoder) {
  auto unknown = test::parity_checkpoint(test::vision_model);
  const std::string name = "language_model.model.layers.4.mlp.up_proj.weight";
  unknown[name] = unknown.at("language_model.model.layers.3.mlp.up_proj.weight");
  std::string message = refusal(test::vision_model, unknown);
  EXPECT_NE(message.find("does not have: " + name), std::string::npos) << message;
  unknown.erase(name);
  unknown["audio_tower.weight"] = {{1}, {1.0F}};
  unknown["vision_tower_2.weight"] = {{1}, {1.0F}};
  message = refusal(test::vision_model, unknown);
  EXPECT_NE(message.find("audio_tower.weight, vision_tower_2.weight"), std::string::npos) << message;
  auto llama = test::parity_checkpoint("llama_tiny");
  llama["vision_tower.weight"] = {{1}, {1.0F}};
  message = refusal("llama_tiny", llama);
  EXPECT_NE(message.find("does not have: vision_tower.weight"), std::string::npos) << message;
}

TEST_F(WeightNames, ErrorsNameTheTensor) {
  const std::string name = "model.decoder.layers.1.fc1.weight";
  auto missing = test::parity_checkpoint("opt_tiny");
  missing.erase(name);
  std::string message = refusal("opt_tiny", missing);
  EXPECT_NE(message.find("missing tensors: " + name), std::string::npos) << message;
  EXPECT_NE(message.find("model.safetensors"), std::string::npos) << message;

  auto unknown = test::parity_checkpoint("opt_tiny");
  unknown["model.decoder.layers.2.fc1.weight"] = unknown.at(name);
  message = refusal("opt_tiny", unknown);
  EXPECT_NE(message.find("does not have: model.decoder.layers.2.fc1.weight"), std::string::npos) << message;

  auto turned = test::parity_checkpoint("opt_tiny");
  std::swap(turned.at(name).shape[0], turned.at(name).shape[1]);
  message = refusal("opt_tiny", turned);
  EXPECT_NE(message.find(name), std::string::npos) << message;
  EXPECT_NE(message.find("[64, 128], but config.json says [128, 64]"), std::string::npos) << message;

  auto twice = test::parity_checkpoint("opt_tiny");
  twice[name.substr(6)] = twice.at(name);
  message = refusal("opt_tiny", twice);
  EXPECT_NE(message.find("decoder.layers.1.fc1.weight' is there twice"), std::string::npos) << message;
}

TEST_F(WeightNames, ALongListIsCutShort) {
  auto missing = test::parity_checkpoint("opt_tiny");
  std::erase_if(missing,
                [](const auto& entry) { return entry.first.find(".layers.0.") != std::string::npos; });
  const std::string message = refusal("opt_tiny", missing);
  EXPECT_NE(message.find("and 13 more"), std::string::npos) << message;  // 16 tensors a block
}

TEST_F(WeightNames, IntegersAreNoWeights) {
  const auto tensors = test::parity_checkpoint("opt_tiny");
  const std::string name = "model.decoder.layers.0.fc1.bias";
  std::vector<TensorToWrite> list;
  for (const auto& [each, tensor] : tensors) {
    list.push_back(each == name ? test::tensor_as<std::int64_t>(each, tensor)
                                : test::tensor_as<float>(each, tensor));
  }
  write_checkpoint(folder.path(), list, std::int64_t{1} << 40);
  const auto integers = open_checkpoint(folder.path());
  try {
    (void)match_tensors(read_model_config(test::parity_folder("opt_tiny")), *integers);
    FAIL() << "accepted";
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find(name + "' holds i64"), std::string::npos) << error.what();
  }
}

}  // namespace
}  // namespace cola
