// The rotary fields of config.json, in both forms. What is read is what transformers 5.24.0
// reads; what it warns of and ignores, or fills in, is refused.
#include <gtest/gtest.h>

#include <functional>

#include "core/error.h"
#include "model/model_config.h"
#include "model/rope_config.h"
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

using Kind = RotarySpec::Kind;

RotarySpec read(const Json& fields) {
  return parse_model_config(config_with(fields), "config.json").rotary_tables.at(0);
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
      EXPECT_EQ(config.kind, Kind::plain) << key;
      EXPECT_EQ(config.theta, 10000.0);
    }
  }
  const auto other =
      read({{"rope_scaling", Json::object()},
            {"rope_parameters", {{"rope_type", "linear"}, {"factor", 4.0}, {"rope_theta", 500}}}});
  EXPECT_EQ(other.kind, Kind::linear);
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
  EXPECT_EQ(read({{"rope_scaling", {{"type", "linear"}, {"factor", 4}}}}).factor, 4.0);
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
  EXPECT_EQ(config.kind, Kind::llama3);
  EXPECT_EQ(config.factor, 8.0);
  EXPECT_EQ(config.low_freq_factor, 1.0);
  EXPECT_EQ(config.high_freq_factor, 4.0);
  EXPECT_EQ(config.original_max_position_embeddings, 64);
}

// transformers 5 reads the one beside the dictionary, 4 the one in it.
TEST(RopeConfig, OriginalLengthMayStandOutsideIfItAgrees) {
  const auto outside = read({{"rope_scaling", llama3_without("original_max_position_embeddings")},
                             {"original_max_position_embeddings", 64}});
  EXPECT_EQ(outside.original_max_position_embeddings, 64);
  EXPECT_EQ(read({{"rope_scaling", llama3}, {"original_max_position_embeddings", 64}}), outside);
  expect_refusal({{"rope_scaling", llama3}, {"original_max_position_embeddings", 32}},
                 "'original_max_position_embeddings' is 64, but 32 beside it");
}

TEST(RopeConfig, TypeAndRopeTypeMustAgree) {
  expect_refusal({{"rope_scaling", llama3_with("type", "linear")}}, "rope_type 'llama3' and type 'linear'");
  EXPECT_EQ(read({{"rope_scaling", llama3_with("type", "llama3")}}).kind, Kind::llama3);
  EXPECT_EQ(read({{"rope_scaling", {{"rope_type", nullptr}, {"type", "linear"}, {"factor", 2.0}}}}).kind,
            Kind::linear);
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
  EXPECT_EQ(config.kind, Kind::plain);
  EXPECT_EQ(config.factor, 1.0);
  EXPECT_EQ(config.theta, 500.0);
}

TEST(RopeConfig, RopeScalingReplacesRopeParametersWhole) {
  const Json linear = {{"rope_type", "linear"}, {"factor", 2.0}};
  const Json with_theta = {{"rope_type", "linear"}, {"factor", 3.0}, {"rope_theta", 500.0}};
  EXPECT_EQ(read({{"rope_scaling", llama3}, {"rope_parameters", linear}}).kind, Kind::llama3);
  EXPECT_EQ(read({{"rope_scaling", linear}, {"rope_parameters", {{"rope_type", "default"}}}}).factor, 2.0);
  EXPECT_EQ(read({{"rope_scaling", linear}, {"rope_parameters", with_theta}}).theta, 10000.0);
  EXPECT_EQ(read({{"rope_scaling", linear}, {"rope_parameters", with_theta}, {"rope_theta", 700}}).theta,
            700.0);
  EXPECT_EQ(read({{"rope_scaling", with_theta}, {"rope_theta", 700}}).theta, 500.0);
  EXPECT_EQ(read({{"rope_parameters", with_theta}, {"rope_theta", 10000.0}}).theta, 500.0);
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

const Json yarn = {{"rope_type", "yarn"}, {"factor", 4.0}, {"original_max_position_embeddings", 32}};

Json yarn_with(const std::string& key, const Json& value) {
  Json json = yarn;
  json[key] = value;
  return {{"rope_scaling", json}};
}

TEST(RopeConfig, YarnInBothForms) {
  const RotarySpec spec = read({{"rope_scaling", yarn}});
  EXPECT_EQ(spec.kind, Kind::yarn);
  EXPECT_EQ(spec.factor, 4.0);
  EXPECT_EQ(spec.original_max_position_embeddings, 32);
  EXPECT_EQ(spec.rotary_dim, 16);
  EXPECT_EQ(read({{"rope_parameters", yarn}}), spec);
  EXPECT_EQ(read({{"rope_parameters", yarn}, {"rope_scaling", yarn}}), spec);
  EXPECT_EQ(read(yarn_with("type", "yarn")), spec);
  for (const char* key : {"beta_fast", "beta_slow", "mscale", "mscale_all_dim", "attention_factor"})
    EXPECT_EQ(read(yarn_with(key, nullptr)), spec) << key;
  for (const char* key : {"beta_fast", "beta_slow", "mscale", "mscale_all_dim"})
    EXPECT_EQ(read(yarn_with(key, 0)), spec) << key;
}

TEST(RopeConfig, YarnsNumbersAreRefusedByName) {
  for (const char* key :
       {"factor", "beta_fast", "beta_slow", "mscale", "mscale_all_dim", "attention_factor"}) {
    for (const Json& value : {Json(-1.0), Json("1"), Json(true)})
      expect_refusal(yarn_with(key, value), std::string("'") + key + "'");
  }
  expect_refusal(yarn_with("attention_factor", 0), "'attention_factor' is 0");
  expect_refusal(yarn_with("beta_slow", 40.0), "beta_fast 32 is below beta_slow 40");
  expect_refusal(yarn_with("truncate", "no"), "'truncate'");
  expect_refusal(yarn_with("truncate", nullptr), "'truncate'");
  expect_refusal(yarn_with("original_max_position_embeddings", 0), "'original_max_position_embeddings' is 0");
  expect_refusal({{"rope_scaling", yarn}, {"original_max_position_embeddings", 64}},
                 "'original_max_position_embeddings' is 32, but 64 beside it");
}

std::string refusal_by(const std::function<void()>& reading) {
  try {
    reading();
  } catch (const Error& error) {
    return error.what();
  }
  return "accepted";
}

const Json six_numbers = {1.0, 1.1, 1.3, 1.6, 1.9, 2.3};

/// Phi-3's fields for heads of 16 of which 12 turn, but for `changes` in the dictionary.
Json phi3_with(const Json& changes) {
  Json scaling{{"type", "longrope"}, {"short_factor", six_numbers}, {"long_factor", six_numbers}};
  scaling.update(changes);
  return {
      {"rope_scaling", scaling}, {"partial_rotary_factor", 0.75}, {"original_max_position_embeddings", 24}};
}

void expect_phi3_refusal(const Json& fields, const std::string& what) {
  const std::string message =
      refusal_by([&] { (void)read_rotary(JsonReader(fields, "config.json"), 16, 192, phi3_rotary); });
  EXPECT_NE(message.find(what), std::string::npos) << fields.dump() << ": " << message;
}

TEST(RopeConfig, Phi3InBothForms) {
  const Json old_form = phi3_with(Json::object());
  Json parameters = old_form.at("rope_scaling");
  parameters.update({{"rope_type", "longrope"},
                     {"partial_rotary_factor", 0.75},
                     {"rope_theta", 10000},
                     {"original_max_position_embeddings", 24}});
  const Json new_form{{"rope_parameters", parameters}, {"original_max_position_embeddings", 24}};
  const auto spec = read_rotary(JsonReader(old_form, "config.json"), 16, 192, phi3_rotary);
  EXPECT_EQ(spec.kind, Kind::longrope);
  EXPECT_EQ(spec.rotary_dim, 12);
  EXPECT_EQ(spec.factor, 8.0);
  EXPECT_EQ(spec.short_factor, (std::vector<double>{1.0, 1.1, 1.3, 1.6, 1.9, 2.3}));
  EXPECT_EQ(read_rotary(JsonReader(new_form, "config.json"), 16, 192, phi3_rotary), spec);
}

TEST(RopeConfig, Phi3sFieldsAreRefusedByName) {
  for (const char* type : {"linear", "llama3", "dynamic", "mrope"})
    expect_phi3_refusal(phi3_with({{"type", type}}),
                        std::string("rope type '") + type + "' is not supported");
  expect_phi3_refusal(phi3_with({{"rope_type", "default"}}), "contradict each other");
  for (const char* key : {"short_factor", "long_factor"}) {
    const std::string quoted = std::string("'") + key + "'";
    expect_phi3_refusal(phi3_with({{key, nullptr}}), quoted + " is missing");
    expect_phi3_refusal(phi3_with({{key, {1.0, 2.0, 3.0}}}), quoted + " has 3 numbers, but there are 6");
    for (const Json& value : {Json(2.0), Json("1"), Json{1, 2, 3, 4, 5, "6"}, Json{1, 2, 3, 4, 5, 0},
                              Json{1, 2, 3, 4, 5, -6}, Json{1, 2, 3, 4, 5, nullptr}})
      expect_phi3_refusal(phi3_with({{key, value}}), quoted + " must be a list of positive numbers");
  }
  expect_phi3_refusal(phi3_with({{"factor", -2.0}}), "'factor' is -2");
  expect_phi3_refusal(phi3_with({{"attention_factor", -2.0}}), "'attention_factor' is -2");
  // The factor inside comes before the one beside it.
  expect_phi3_refusal(phi3_with({{"partial_rotary_factor", 0.5}}),
                      "'short_factor' has 6 numbers, but there are 4");
  Json fields = phi3_with(Json::object());
  for (const auto& [part, what] :
       std::vector<std::pair<Json, std::string>>{{1.5, "partial_rotary_factor is 1.5"},
                                                 {-0.5, "'partial_rotary_factor' is -0.5"},
                                                 {0.01, "0 of a head's 16 numbers cannot turn"},
                                                 {1.0, "'short_factor' has 6 numbers, but there are 8"}}) {
    fields["partial_rotary_factor"] = part;
    expect_phi3_refusal(fields, what);
  }
  fields = phi3_with(Json::object());
  fields["original_max_position_embeddings"] = 1;  // its logarithm divides
  expect_phi3_refusal(fields, "no finite frequencies");
}

void expect_gemma3_refusal(const Json& fields, const std::string& what) {
  const std::string message =
      refusal_by([&] { (void)read_rotary_by_attention(JsonReader(fields, "config.json"), 16, 192); });
  EXPECT_NE(message.find(what), std::string::npos) << fields.dump() << ": " << message;
}

TEST(RopeConfig, Gemma3InBothForms) {
  const Json linear = {{"rope_type", "linear"}, {"factor", 8.0}};
  const Json old_form{{"rope_theta", 1e6}, {"rope_local_base_freq", 1e4}, {"rope_scaling", linear}};
  Json full = linear;
  full["rope_theta"] = 1e6;
  const Json new_form{
      {"rope_parameters",
       {{"full_attention", full}, {"sliding_attention", {{"rope_type", "default"}, {"rope_theta", 10000}}}}}};
  const auto tables = read_rotary_by_attention(JsonReader(old_form, "config.json"), 16, 192);
  ASSERT_EQ(tables.size(), 2U);
  EXPECT_EQ(tables[0].kind, Kind::linear);
  EXPECT_EQ(tables[0].theta, 1e6);
  EXPECT_EQ(tables[1].kind, Kind::plain);
  EXPECT_EQ(tables[1].theta, 1e4);
  EXPECT_EQ(read_rotary_by_attention(JsonReader(new_form, "config.json"), 16, 192), tables);
  Json both = old_form;
  both.update(new_form);
  EXPECT_EQ(read_rotary_by_attention(JsonReader(both, "config.json"), 16, 192), tables);
  const Json half{{"rope_parameters", {{"full_attention", full}, {"sliding_attention", nullptr}}}};
  EXPECT_EQ(read_rotary_by_attention(JsonReader(half, "config.json"), 16, 192), tables);
}

TEST(RopeConfig, Gemma3sFieldsAreRefusedByName) {
  const Json plain = {{"rope_type", "default"}, {"rope_theta", 1e6}};
  expect_gemma3_refusal({{"rope_parameters", plain}}, "'rope_theta' is there, where only full_attention");
  expect_gemma3_refusal({{"rope_parameters", {{"chunked_attention", plain}}}}, "'chunked_attention'");
  expect_gemma3_refusal(
      {{"rope_parameters", {{"full_attention", {{"rope_type", "dynamic"}, {"factor", 2.0}}}}}},
      "rope_parameters: full_attention: rope type 'dynamic'");
  expect_gemma3_refusal({{"rope_parameters", {{"sliding_attention", {{"rope_type", "linear"}}}}}},
                        "sliding_attention: 'factor' is missing");
  expect_gemma3_refusal({{"rope_local_base_freq", nullptr}}, "'rope_local_base_freq'");
  expect_gemma3_refusal({{"partial_rotary_factor", 0.5}}, "partial_rotary_factor 0.5");
  expect_gemma3_refusal({{"rope_parameters", 3}}, "rope_parameters: must be a JSON object");
}

}  // namespace
}  // namespace cola
