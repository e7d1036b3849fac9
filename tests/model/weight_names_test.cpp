#include "model/weight_names.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "core/error.h"
#include "model/checkpoint_files.h"
#include "model/model_config.h"
#include "model/parameter_spec.h"

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
    const auto specs = parameter_specs(config);
    ASSERT_EQ(found.size(), specs.size()) << model;
    const std::string name = std::ranges::find(specs, 1, &ParameterSpec::block)->name;
    EXPECT_EQ(found.at(name), &source->tensors().at(name.substr(6)));
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
