#include "lora/peft_targets.h"

#include <gtest/gtest.h>

#include "core/error.h"

namespace cola {
namespace {

const std::string q0 = "model.layers.0.self_attn.q_proj";
const std::string q1 = "model.layers.1.self_attn.q_proj";
const std::string up1 = "model.layers.1.mlp.up_proj";

std::string left_out_by(const Json& config, const std::string& module) {
  return std::string(PeftTargets(JsonReader(config, "config")).left_out_by(module, module != "lm_head"));
}

std::string refusal(const Json& config) {
  try {
    (void)PeftTargets(JsonReader(config, "config"));
  } catch (const Error& error) {
    return error.what();
  }
  return "accepted";
}

// As PEFT's check_target_module_exists decides.
TEST(PeftTargets, NamesAreWholeOrEndAfterADot) {
  const Json config{{"target_modules", {"q_proj", "layers.1.mlp.up_proj", "lm_head"}}};
  for (const auto& module : {q0, q1, up1, std::string("lm_head")}) EXPECT_EQ(left_out_by(config, module), "");
  EXPECT_EQ(left_out_by(config, "model.layers.0.mlp.up_proj"), "target_modules");
  EXPECT_EQ(left_out_by(config, "model.layers.0.self_attn.xq_proj"), "target_modules");
}

TEST(PeftTargets, AStringIsAPatternOfTheWholeName) {
  EXPECT_EQ(left_out_by({{"target_modules", R"(.*\.(q|v)_proj)"}}, q0), "");
  EXPECT_EQ(left_out_by({{"target_modules", "q_proj"}}, q0), "target_modules");
  EXPECT_EQ(left_out_by({{"target_modules", "ALL-linear"}}, up1), "");
  EXPECT_EQ(left_out_by({{"target_modules", "all-linear"}}, "lm_head"), "target_modules");
  EXPECT_NE(refusal({{"target_modules", "(?i).*Q_PROJ"}}).find("target_modules"), std::string::npos);
}

TEST(PeftTargets, NoTargetsAreTheDefaultOnes) {
  for (const Json& none : {Json(nullptr), Json::array(), Json("")}) {
    EXPECT_EQ(left_out_by({{"target_modules", none}}, q0), "");
    EXPECT_EQ(left_out_by({{"target_modules", none}}, up1), "target_modules");
  }
  const Json parameters{{"target_modules", nullptr}, {"target_parameters", {"mlp.up_proj.weight"}}};
  EXPECT_EQ(left_out_by(parameters, up1), "");
  EXPECT_EQ(left_out_by(parameters, q0), "target_modules");
}

TEST(PeftTargets, LayersAreOneOrSeveral) {
  Json config{{"target_modules", {"q_proj"}}, {"layers_to_transform", 1}};
  EXPECT_EQ(left_out_by(config, q1), "");
  EXPECT_EQ(left_out_by(config, q0), "layers_to_transform");
  config["layers_to_transform"] = {0, 1};
  EXPECT_EQ(left_out_by(config, q0), "");
  config["layers_to_transform"] = Json::array();
  EXPECT_EQ(left_out_by(config, q0), "");
  config["layers_to_transform"] = {1};
  config["layers_pattern"] = "h";
  EXPECT_EQ(left_out_by(config, q1), "layers_to_transform");
  config["layers_pattern"] = {"h", "layers"};
  EXPECT_EQ(left_out_by(config, q1), "");
  config["target_modules"] = {q0};  // a whole name counts in every layer
  EXPECT_EQ(left_out_by(config, q0), "");
}

// The first number after two parts is the layer's, not an expert's behind it.
TEST(PeftTargets, TheLayersNumberIsTheFirst) {
  const Json config{{"target_modules", {"up_proj"}}, {"layers_to_transform", {0}}};
  EXPECT_EQ(left_out_by(config, "model.layers.1.experts.0.up_proj"), "layers_to_transform");
  EXPECT_EQ(left_out_by(config, "model.layers.0.experts.1.up_proj"), "");
  EXPECT_EQ(left_out_by(config, "layers.0.up_proj"), "layers_to_transform");
}

TEST(PeftTargets, ExcludedAndSavedModulesGetNone) {
  EXPECT_EQ(left_out_by({{"target_modules", {"q_proj"}}, {"exclude_modules", {"1.self_attn.q_proj"}}}, q1),
            "exclude_modules");
  EXPECT_EQ(left_out_by({{"target_modules", {"q_proj"}}, {"exclude_modules", ".*1.*"}}, q1),
            "exclude_modules");
  EXPECT_EQ(left_out_by({{"target_modules", {"q_proj"}}, {"exclude_modules", ""}}, q1), "");
  EXPECT_EQ(left_out_by({{"target_modules", {"q_proj"}}, {"modules_to_save", {"self_attn"}}}, q1),
            "modules_to_save");
}

TEST(PeftTargets, WhatPeftRefusesIsRefused) {
  EXPECT_NE(refusal({{"target_modules", ".*"}, {"layers_to_transform", {0}}}).find("layers_to_transform"),
            std::string::npos);
  EXPECT_NE(refusal({{"target_modules", {"q_proj"}}, {"layers_pattern", "layers"}}).find("layers_pattern"),
            std::string::npos);
  EXPECT_NE(refusal({{"target_modules", 3}}).find("target_modules"), std::string::npos);
  EXPECT_NE(refusal({{"target_modules", {"q"}}, {"layers_to_transform", {"0"}}}).find("layers_to_transform"),
            std::string::npos);
  EXPECT_NE(refusal({{"target_modules", {"q"}}, {"layers_to_transform", false}}).find("layers_to_transform"),
            std::string::npos);
}

}  // namespace
}  // namespace cola
