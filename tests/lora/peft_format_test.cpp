#include "lora/peft_format.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <fstream>

#include "core/error.h"
#include "core/random.h"
#include "io/json.h"
#include "io/safetensors_writer.h"
#include "support/files.h"

namespace cola {
namespace {

const std::string q = "model.layers.0.self_attn.q_proj";
const std::string v = "model.layers.1.self_attn.v_proj";

Matrix random_matrix(std::int64_t rows, std::int64_t cols, std::uint64_t stream) {
  Matrix matrix(DType::f32, rows, cols);
  RandomStream random(3, RandomPurpose::benchmark, stream);
  for (float& value : matrix.floats()) value = random.next_normal();
  return matrix;
}

LoraModule module_of(const std::string& name, std::int64_t rank, double alpha) {
  return {name, random_matrix(rank, 6, name.size()), random_matrix(5, rank, name.size() + 1), alpha,
          alpha / static_cast<double>(rank)};
}

void expect_same(const Matrix& actual, const Matrix& expected) {
  EXPECT_EQ(actual.rows(), expected.rows());
  EXPECT_EQ(actual.cols(), expected.cols());
  EXPECT_TRUE(std::ranges::equal(actual.floats(), expected.floats()));
}

/// An adapter folder made by hand: A = 1, B = 1 of the given shapes.
class PeftFormat : public testing::Test {
 protected:
  PeftFormat() {
    add(q, 4, 6, 5);
    add(v, 4, 6, 5);
  }

  void add(const std::string& module, std::int64_t rank, std::int64_t in, std::int64_t out) {
    shapes[peft_key_a(module)] = {rank, in};
    shapes[peft_key_b(module)] = {out, rank};
  }

  Link read() {
    std::vector<TensorToWrite> tensors;
    for (const auto& [key, shape] : shapes) {
      std::int64_t size = 1;
      for (const std::int64_t extent : shape) size *= extent;
      ones.assign(std::max(ones.size(), static_cast<std::size_t>(size)), 1.0F);
    }
    for (const auto& [key, shape] : shapes) {
      std::int64_t size = 1;
      for (const std::int64_t extent : shape) size *= extent;
      tensors.push_back(tensor_of_floats(key, shape, std::span(ones).first(static_cast<std::size_t>(size))));
    }
    write_safetensors(folder / "adapter_model.safetensors", tensors);
    std::ofstream(folder / "adapter_config.json") << config.dump();
    return read_adapter(folder.path());
  }

  std::string refusal() {
    try {
      (void)read();
    } catch (const Error& error) {
      EXPECT_NE(std::string(error.what()).find(folder.path().string()), std::string::npos) << error.what();
      return error.what();
    }
    return "accepted";
  }
  void expect_refusal(const std::string& what) {
    const std::string message = refusal();
    EXPECT_NE(message.find(what), std::string::npos) << message;
  }

  test::TemporaryFolder folder;
  Json config{{"peft_type", "LORA"}, {"r", 4}, {"lora_alpha", 8}, {"target_modules", {"q_proj", "v_proj"}}};
  std::map<std::string, std::vector<std::int64_t>> shapes;
  std::vector<float> ones;
};

TEST_F(PeftFormat, WhatIsWrittenIsReadAgain) {
  Link link;
  link.modules.push_back(module_of(q, 4, 8.0));
  link.modules.push_back(module_of(v, 2, 3.0));
  link.biases.push_back({q, random_matrix(1, 5, 9)});
  link.target_modules = {q, v};
  write_adapter(folder.path(), link, "facebook/opt-125m");
  const Link again = read_adapter(folder.path());
  ASSERT_EQ(again.modules.size(), 2U);
  for (std::size_t i = 0; i < 2; ++i) {
    EXPECT_EQ(again.modules[i].name, link.modules[i].name);
    EXPECT_EQ(again.modules[i].alpha, link.modules[i].alpha);
    EXPECT_EQ(again.modules[i].scale, link.modules[i].scale);
    expect_same(again.modules[i].a, link.modules[i].a);
    expect_same(again.modules[i].b, link.modules[i].b);
  }
  ASSERT_EQ(again.biases.size(), 1U);
  EXPECT_EQ(again.biases[0].module, q);
  expect_same(again.biases[0].value, link.biases[0].value);
  EXPECT_EQ(again.target_modules, link.target_modules);
  EXPECT_EQ(again.parameter_count(), 4 * 11 + 2 * 11 + 5);

  const Json written = read_json_file(folder / "adapter_config.json");
  EXPECT_EQ(written.at("peft_type"), "LORA");
  EXPECT_EQ(written.at("base_model_name_or_path"), "facebook/opt-125m");
  EXPECT_EQ(written.at("bias"), "lora_only");
  // PEFT makes every module of rank r and alpha lora_alpha but those that the patterns name.
  const auto of = [&](const char* pattern, const char* common, const std::string& name) {
    return written.at(pattern).value(name, written.at(common).get<double>());
  };
  EXPECT_EQ(of("rank_pattern", "r", q), 4.0);
  EXPECT_EQ(of("rank_pattern", "r", v), 2.0);
  EXPECT_EQ(of("alpha_pattern", "lora_alpha", q), 8.0);
  EXPECT_EQ(of("alpha_pattern", "lora_alpha", v), 3.0);
}

// rsLoRA's scale alpha / sqrt(r) is written as the alpha that has it as alpha / r.
TEST_F(PeftFormat, AScaleSurvivesWithoutRslora) {
  config["use_rslora"] = true;
  const Link link = read();
  EXPECT_DOUBLE_EQ(link.modules[0].scale, 8.0 / std::sqrt(4.0));
  std::filesystem::create_directories(folder / "again");
  write_adapter(folder / "again", link, "");
  EXPECT_DOUBLE_EQ(read_adapter(folder / "again").modules[0].scale, 8.0 / std::sqrt(4.0));
}

TEST_F(PeftFormat, ScalesComeFromTheConfiguration) {
  Link link = read();
  EXPECT_EQ(link.modules[0].scale, 2.0);
  EXPECT_EQ(link.modules[0].rank(), 4);

  add(v, 2, 6, 5);
  config["rank_pattern"] = {{"v_proj", 2}};
  link = read();
  EXPECT_EQ(link.modules[1].rank(), 2);
  EXPECT_EQ(link.modules[1].scale, 4.0);  // alpha 8 is not scaled with the rank
  EXPECT_EQ(link.modules[0].scale, 2.0);

  config["alpha_pattern"] = {{"v_proj", 3}};
  link = read();
  EXPECT_EQ(link.modules[1].alpha, 3.0);
  EXPECT_EQ(link.modules[1].scale, 1.5);
  EXPECT_EQ(link.modules[0].scale, 2.0);

  config["alpha_pattern"] = {{q, 1.0}, {"proj", 100}};  // "proj" ends q_proj, but is no component
  link = read();
  EXPECT_EQ(link.modules[0].scale, 0.25);
  EXPECT_EQ(link.modules[1].scale, 4.0);
}

TEST_F(PeftFormat, RefusesVariantsByName) {
  const Json plain = config;
  for (const char* key : {"use_dora", "lora_bias", "use_qalora"}) {
    config = plain;
    config[key] = true;
    expect_refusal(std::string("'") + key + "' is not supported");
    config[key] = false;
    EXPECT_EQ(refusal(), "accepted");
  }
  config = plain;
  config["peft_type"] = "IA3";
  expect_refusal("peft_type 'IA3' is not supported");
  config = plain;
  config["alpha_pattern"] = {{"q_proj", "three"}};
  expect_refusal("alpha_pattern: 'q_proj' must be a number");
  config["alpha_pattern"] = Json::array({1});
  expect_refusal("alpha_pattern");
  config = plain;
  config.erase("lora_alpha");
  expect_refusal("lora_alpha");
}

TEST_F(PeftFormat, RefusesARankThatTheConfigurationDoesNotSay) {
  config["r"] = 8;
  expect_refusal("' has rank 4, but adapter_config.json says 8");
  config["rank_pattern"] = {{q, 4}, {v, 4}};
  EXPECT_EQ(refusal(), "accepted");
}

TEST_F(PeftFormat, RefusesPairsThatAreNotPairs) {
  const auto good = shapes;
  shapes.erase(peft_key_b(v));
  expect_refusal("'" + v + "' has no lora_B");
  shapes = good;
  shapes.erase(peft_key_a(v));
  expect_refusal("'" + v + "' has no lora_A");
  shapes = good;
  shapes[peft_key_b(v)] = {5, 3};
  expect_refusal("lora_A [4, 6] and lora_B [5, 3], which do not fit together");
  shapes = good;
  shapes[peft_key_b(v)] = {5, 2, 2};
  expect_refusal("has the shape [5, 2, 2]");
  shapes = good;
  shapes["base_model.model." + q + ".lora_magnitude_vector"] = {5};
  expect_refusal("DoRA's magnitudes");
  shapes = good;
  shapes["model.layers.0.self_attn.q_proj.lora_A.weight"] = {4, 6};
  expect_refusal("is not part of a LoRA adapter");
  shapes.clear();
  shapes["base_model.model." + q + ".base_layer.bias"] = {5};
  expect_refusal("has no lora_A and lora_B");
}

// PEFT writes the frozen weight of a head that is a target beside its A and B.
TEST_F(PeftFormat, CopiesOfHeadAndTableAreLeftOutWithAWordWhereTheBaseIsNotKnown) {
  config["target_modules"] = {"q_proj", "v_proj", "lm_head"};
  add("lm_head", 4, 6, 9);
  shapes["base_model.model.lm_head.base_layer.weight"] = {9, 6};
  (void)read();
  const Adapter adapter = open_adapter(folder.path(), nullptr);
  ASSERT_EQ(adapter.link.modules.size(), 3U);
  EXPECT_EQ(adapter.link.modules.front().name, "lm_head");
  ASSERT_FALSE(adapter.notes.empty());
  EXPECT_NE(adapter.notes.front().find("lm_head.base_layer.weight' is taken to be a copy"), std::string::npos)
      << adapter.notes.front();
  shapes["base_model.model." + q + ".base_layer.weight"] = {5, 6};
  expect_refusal("is not part of a LoRA adapter");
  shapes.erase("base_model.model." + q + ".base_layer.weight");
  shapes["base_model.model.model.norm.weight"] = {6};
  expect_refusal("norm.weight' is not part of a LoRA adapter");
}

TEST_F(PeftFormat, MisspeltNamesShowOneAsFoundAndOneAsExpected) {
  const auto good = shapes;
  for (const char* found : {"base_model.model.model.layers.0.self_attn.k_proj.lora_A.default.weight",
                            "model.layers.0.self_attn.k_proj.lora_A.weight",
                            "base_model.model._orig_mod.model.layers.0.self_attn.k_proj.lora_A.weigth"}) {
    shapes = good;
    shapes[found] = {4, 6};
    expect_refusal(std::string("'") + found + "'");
    expect_refusal("'base_model.model.model.layers.0.self_attn.k_proj.lora_A.weight'");
  }
  shapes = good;
  shapes["base_model.model.model.layers.0.self_attn.k_proj.lora_up"] = {4, 6};
  expect_refusal("'base_model.model.model.layers.0.self_attn.k_proj.lora_B.weight'");
}

TEST_F(PeftFormat, RefusesNumbersThatAreNotByTensorAndFile) {
  (void)read();
  for (const float bad : {std::nanf(""), INFINITY, -INFINITY}) {
    ones[3] = bad;
    std::vector<TensorToWrite> tensors;
    for (const auto& [key, shape] : shapes)
      tensors.push_back(
          tensor_of_floats(key, shape, std::span(ones).first(static_cast<std::size_t>(shape[0] * shape[1]))));
    write_safetensors(folder / "adapter_model.safetensors", tensors);
    try {
      (void)read_adapter(folder.path());
      ADD_FAILURE() << "accepted";
    } catch (const Error& error) {
      EXPECT_NE(
          std::string(error.what()).find("adapter_model.safetensors: tensor '" + peft_key_a(q) + "' holds"),
          std::string::npos)
          << error.what();
    }
  }
}

TEST_F(PeftFormat, RefusesAProductBeyondF32) {
  config["lora_alpha"] = 3e38;
  EXPECT_EQ(refusal(), "accepted");  // 7.5e37 times 4
  config["lora_alpha"] = 3.4e38;
  config["rank_pattern"] = {{"proj", 1}};
  config["use_rslora"] = true;  // 1.7e38 times 4
  expect_refusal("the product of scale");
}

TEST_F(PeftFormat, RefusesAFolderThatIsNoAdapter) {
  try {
    (void)read_adapter(folder.path());
    FAIL() << "accepted";
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("not a PEFT or mlx-lm adapter folder"), std::string::npos);
  }
}

TEST_F(PeftFormat, ReadsBiasesUnderBothNames) {
  shapes["base_model.model." + q + ".base_layer.bias"] = {5};
  shapes["base_model.model." + v + ".bias"] = {5};
  const Link link = read();
  ASSERT_EQ(link.biases.size(), 2U);
  EXPECT_EQ(link.biases[0].module, q);
  EXPECT_EQ(link.biases[1].module, v);
  EXPECT_EQ(link.biases[1].value.cols(), 5);
}

// The fixtures of PEFT itself.
TEST_F(PeftFormat, ReadsAdaptersOfPeft) {
  for (const char* model : {"opt_tiny", "llama_gqa_tiny"}) {
    const Link link = read_adapter(test::test_files() / "parity" / model / "adapter");
    ASSERT_EQ(link.modules.size(), 4U);
    for (const auto& module : link.modules) {
      EXPECT_EQ(module.rank(), 4);
      EXPECT_EQ(module.scale, 2.0);
    }
  }
}

}  // namespace
}  // namespace cola
