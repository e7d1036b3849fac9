// The rotary fields of config.json, in both forms. What is read is what transformers 5.24.0 reads; what it
// warns of and ignores, or fills in, is refused.
#include <gtest/gtest.h>

#include "core/error.h"
#include "model/model_config.h"
#include "support/parity.h"

namespace cola {
namespace {

Json config_with(const Json& fields) {
  Json json = read_json_file(test::parity_folder("llama_tiny") / "config.json");
  json.erase("rope_theta");
  json.erase("rope_scaling");
  json.update(fields);
  return json;
}

RotarySpec read(const Json& fields) {
  return parse_model_config(config_with(fields), "config.json").rotary_tables.front();
}

std::string refusal(const Json& fields) {
  try {
    (void)read(fields);
  } catch (const Error& error) {
    return error.what();
  }
  return "accepted";
}

void expect_refusal(const Json& fields, const std::string& what) {
  const std::string message = refusal(fields);
  EXPECT_NE(message.find(what), std::string::npos) << fields.dump() << ": " << message;
  EXPECT_NE(message.find("config.json"), std::string::npos) << message;
}

const Json llama3 = {{"rope_type", "llama3"},
                     {"factor", 8.0},
                     {"low_freq_factor", 1.0},
                     {"high_freq_factor", 4.0},
                     {"original_max_position_embeddings", 64}};

Json llama3_without(const std::string& key) {
  Json json = llama3;
  json.erase(key);
  return json;
}

Json llama3_with(const std::string& key, const Json& value) {
  Json json = llama3;
  json[key] = value;
  return json;
}

TEST(RopeConfig, EmptyAndNullCountAsAbsent) {
  for (const char* key : {"rope_scaling", "rope_parameters"}) {
    for (const Json& nothing : {Json::object(), Json(nullptr)}) {
      const auto config = read({{key, nothing}});
      EXPECT_EQ(config.scaling, RopeScaling()) << key;
      EXPECT_EQ(config.theta, 10000.0);
    }
  }
  const auto other =
      read({{"rope_scaling", Json::object()},
            {"rope_parameters", {{"rope_type", "linear"}, {"factor", 4.0}, {"rope_theta", 500}}}});
  EXPECT_EQ(other.scaling.kind, RopeScaling::Kind::linear);
  EXPECT_EQ(other.theta, 500.0);
}

TEST(RopeConfig, AScalingNeedsItsFactor) {
  for (const char* type : {"linear", "dynamic", "yarn", "longrope", "llama3"}) {
    for (const char* key : {"type", "rope_type"}) {
      expect_refusal({{"rope_scaling", {{key, type}}}}, "'factor'");
      expect_refusal({{"rope_scaling", {{key, type}, {"factor", nullptr}}}}, "'factor'");
    }
    expect_refusal({{"rope_parameters", {{"rope_type", type}, {"rope_theta", 1e4}}}}, "'factor'");
  }
  for (const Json& factor : {Json(0), Json(-2.0), Json("4"), Json(true)}) {
    expect_refusal({{"rope_scaling", {{"type", "linear"}, {"factor", factor}}}}, "'factor'");
    expect_refusal({{"rope_parameters", llama3_with("factor", factor)}}, "'factor'");
  }
  EXPECT_EQ(read({{"rope_scaling", {{"type", "linear"}, {"factor", 4}}}}).scaling.factor, 4.0);
}

TEST(RopeConfig, Llama3NeedsAllItsFieldsInTheirOrder) {
  for (const char* key :
       {"factor", "low_freq_factor", "high_freq_factor", "original_max_position_embeddings"})
    expect_refusal({{"rope_scaling", llama3_without(key)}}, std::string("'") + key + "' is missing");
  expect_refusal({{"rope_scaling", llama3_with("low_freq_factor", 4.0)}}, "high_freq_factor must be above");
  expect_refusal({{"rope_scaling", llama3_with("low_freq_factor", 0.0)}}, "'low_freq_factor' is 0");
  expect_refusal({{"rope_scaling", llama3_with("original_max_position_embeddings", 0)}},
                 "'original_max_position_embeddings' is 0");
  const auto config = read({{"rope_scaling", llama3}});
  EXPECT_EQ(config.scaling, (RopeScaling{RopeScaling::Kind::llama3, 8.0, 1.0, 4.0, 64}));
}

// transformers 5 reads the one beside the dictionary, 4 the one in it.
TEST(RopeConfig, OriginalLengthMayStandOutsideIfItAgrees) {
  const auto outside = read({{"rope_scaling", llama3_without("original_max_position_embeddings")},
                             {"original_max_position_embeddings", 64}});
  EXPECT_EQ(outside.scaling.original_max_position_embeddings, 64);
  EXPECT_EQ(read({{"rope_scaling", llama3}, {"original_max_position_embeddings", 64}}).scaling,
            outside.scaling);
  expect_refusal({{"rope_scaling", llama3}, {"original_max_position_embeddings", 32}},
                 "'original_max_position_embeddings' is 64, but 32 beside it");
}

TEST(RopeConfig, TypeAndRopeTypeMustAgree) {
  expect_refusal({{"rope_scaling", llama3_with("type", "linear")}}, "rope_type 'llama3' and type 'linear'");
  EXPECT_EQ(read({{"rope_scaling", llama3_with("type", "llama3")}}).scaling.kind, RopeScaling::Kind::llama3);
  EXPECT_EQ(
      read({{"rope_scaling", {{"rope_type", nullptr}, {"type", "linear"}, {"factor", 2.0}}}}).scaling.kind,
      RopeScaling::Kind::linear);
}

TEST(RopeConfig, WithoutATypeNothingMayScale) {
  expect_refusal({{"rope_scaling", {{"factor", 4.0}}}}, "'factor' is there, but 'rope_type' is missing");
  expect_refusal({{"rope_parameters", {{"rope_theta", 1e4}, {"factor", 4.0}}}}, "'rope_type' is missing");
  EXPECT_EQ(read({{"rope_scaling", {{"rope_theta", 5e5}}}}).theta, 5e5);
}

// All readers ignore what stands beside it.
TEST(RopeConfig, TheDefaultTypeIsNoScaling) {
  const auto config =
      read({{"rope_parameters", {{"rope_type", "default"}, {"rope_theta", 500.0}, {"factor", 4.0}}}});
  EXPECT_EQ(config.scaling, RopeScaling());
  EXPECT_EQ(config.theta, 500.0);
}

TEST(RopeConfig, BothFormsMustAgree) {
  const Json linear = {{"rope_type", "linear"}, {"factor", 2.0}};
  const Json with_theta = {{"rope_type", "linear"}, {"factor", 2.0}, {"rope_theta", 500.0}};
  EXPECT_EQ(read({{"rope_scaling", linear}, {"rope_parameters", with_theta}, {"rope_theta", 500}}).theta,
            500.0);
  expect_refusal({{"rope_scaling", llama3}, {"rope_parameters", linear}}, "rope_scaling and rope_parameters");
  expect_refusal({{"rope_scaling", linear}, {"rope_parameters", {{"rope_type", "default"}}}},
                 "rope_scaling and rope_parameters");
  expect_refusal({{"rope_parameters", with_theta}, {"rope_theta", 10000.0}}, "'rope_theta' is 500");
  // rope_scaling replaces rope_parameters, its theta too: that would be 10000.
  expect_refusal({{"rope_scaling", linear}, {"rope_parameters", with_theta}}, "'rope_theta' is 10000");
}

TEST(RopeConfig, ThetaIsAPositiveNumber) {
  for (const Json& theta : {Json(0), Json(-10.0), Json("10000"), Json(nullptr)}) {
    expect_refusal({{"rope_theta", theta}}, "'rope_theta'");
    if (!theta.is_null()) {
      expect_refusal({{"rope_parameters", {{"rope_type", "default"}, {"rope_theta", theta}}}},
                     "'rope_theta'");
    }
  }
  EXPECT_EQ(read({{"rope_theta", 500}}).theta, 500.0);
}

// transformers 5.24 ignores it for Llama (the loss is the same to the last bit), vLLM obeys it.
TEST(RopeConfig, APartOfAHeadIsRefused) {
  expect_refusal({{"partial_rotary_factor", 0.5}}, "partial_rotary_factor 0.5");
  expect_refusal({{"rope_parameters", {{"rope_type", "default"}, {"partial_rotary_factor", 0.5}}}},
                 "rope_parameters: partial_rotary_factor 0.5");
  EXPECT_EQ(refusal({{"partial_rotary_factor", 1}}), "accepted");
  EXPECT_EQ(refusal({{"rope_parameters", {{"rope_type", "default"}, {"partial_rotary_factor", 1.0}}}}),
            "accepted");
}

TEST(RopeConfig, ParametersPerLayerTypeAreRefused) {
  const Json table = {{"rope_type", "default"}, {"rope_theta", 1e4}};
  expect_refusal({{"rope_parameters", {{"full_attention", table}, {"sliding_attention", table}}}},
                 "'full_attention' has parameters of its own");
}

TEST(RopeConfig, IsADictionary) {
  for (const Json& value : {Json("linear"), Json::array(), Json(false), Json(4.0)})
    expect_refusal({{"rope_scaling", value}}, "rope_scaling: must be a JSON object");
  expect_refusal({{"rope_scaling", {{"type", 3}, {"factor", 2.0}}}}, "'type' must be a string");
}

}  // namespace
}  // namespace cola
