#include <gtest/gtest.h>

#include "core/error.h"
#include "model/family.h"
#include "model/model_config.h"
#include "support/parity.h"

namespace cola {
namespace {

Json config_json(const std::string& model) {
  return read_json_file(test::parity_folder(model) / "config.json");
}

/// The message about the parity model's config with `key` set to `value`.
std::string refusal(const std::string& model, const std::string& key, const Json& value) {
  Json json = config_json(model);
  json[key] = value;
  try {
    (void)parse_model_config(json, "folder/config.json");
  } catch (const Error& error) {
    return error.what();
  }
  return "accepted";
}

void expect_refusal(const std::string& model, const std::string& key, const Json& value,
                    const std::string& what) {
  const std::string message = refusal(model, key, value);
  EXPECT_NE(message.find(what), std::string::npos) << message;
  EXPECT_NE(message.find("folder/config.json"), std::string::npos) << message;
}

TEST(ModelConfig, ReadsTheFourParityModels) {
  const auto opt = read_model_config(test::parity_folder("opt_tiny"));
  EXPECT_EQ(opt.family, find_family("opt"));
  EXPECT_EQ(opt.block(0).mlp.intermediate_size, 128);
  EXPECT_TRUE(opt.final_norm && opt.block(0).attention.bias && opt.tie_word_embeddings);
  EXPECT_FALSE(opt.has_projections());
  const auto opt350 = read_model_config(test::parity_folder("opt350_tiny") / "config.json");
  EXPECT_TRUE(opt350.has_projections());
  EXPECT_EQ(opt350.block(0).placement, NormPlacement::after_sum);
  EXPECT_FALSE(opt350.final_norm);
  const auto llama = read_model_config(test::parity_folder("llama_gqa_tiny"));
  EXPECT_EQ(llama.family, find_family("llama"));
  EXPECT_EQ(llama.block(0).attention.num_key_value_heads, 2);
  EXPECT_EQ(llama.block(0).attention.head_dim, 16);
  EXPECT_FALSE(llama.tie_word_embeddings || llama.block(0).attention.bias);
}

TEST(ModelConfig, RefusesSizesThatAreNotSound) {
  expect_refusal("opt_tiny", "hidden_size", -64, "'hidden_size' is -64");
  expect_refusal("opt_tiny", "vocab_size", 0, "'vocab_size' is 0");
  expect_refusal("opt_tiny", "num_hidden_layers", 1'000'000, "'num_hidden_layers' is 1000000");
  expect_refusal("llama_tiny", "intermediate_size", std::int64_t{1} << 62, "intermediate_size");
  expect_refusal("llama_tiny", "hidden_size", "64", "hidden_size");
  expect_refusal("llama_tiny", "hidden_size", nullptr, "hidden_size");
  expect_refusal("llama_tiny", "max_position_embeddings", 1.5, "max_position_embeddings");
  expect_refusal("llama_tiny", "rms_norm_eps", 0.0, "rms_norm_eps");
  expect_refusal("llama_tiny", "rope_theta", -1.0, "rope_theta");
}

TEST(ModelConfig, RefusesHeadsThatDoNotDivide) {
  expect_refusal("opt_tiny", "num_attention_heads", 5,
                 "hidden_size 64 is not divisible by num_attention_heads 5");
  expect_refusal("llama_tiny", "num_attention_heads", 5, "not divisible by num_attention_heads 5");
  expect_refusal("llama_tiny", "num_key_value_heads", 3, "not divisible by num_key_value_heads 3");
  expect_refusal("llama_tiny", "head_dim", 15, "head size 15 is odd");
}

TEST(ModelConfig, RefusesOtherArchitecturesByName) {
  Json json = config_json("llama_tiny");
  json["model_type"] = "mixtral";
  json["architectures"] = {"MixtralForCausalLM"};
  try {
    (void)parse_model_config(json, "config.json");
    FAIL() << "accepted";
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("'MixtralForCausalLM' (model_type 'mixtral')"),
              std::string::npos);
  }
  EXPECT_THROW((void)parse_model_config(Json::object(), "config.json"), Error);
  EXPECT_THROW((void)parse_model_config(Json::array(), "config.json"), Error);
  json.erase("model_type");
  json["architectures"] = {"LlamaForCausalLM"};
  EXPECT_EQ(parse_model_config(json, "config.json").family, find_family("llama"));
  expect_refusal("opt_tiny", "activation_function", "gelu", "'gelu'");
  expect_refusal("llama_tiny", "hidden_act", "gelu", "'gelu'");
  expect_refusal("opt_tiny", "layer_norm_elementwise_affine", false, "layer_norm_elementwise_affine");
}

TEST(ModelConfig, ReadsRotarySpecUnderEitherKey) {
  const auto scaling_of = [](const Json& scaling) {
    Json json = config_json("llama_tiny");
    json["rope_scaling"] = scaling;
    return parse_model_config(json, "config.json").rotary_tables.front();
  };
  EXPECT_EQ(scaling_of(nullptr).kind, RotarySpec::Kind::plain);
  EXPECT_EQ(scaling_of({{"rope_type", "default"}}).kind, RotarySpec::Kind::plain);
  const auto old_key = scaling_of({{"type", "linear"}, {"factor", 4.0}});
  EXPECT_EQ(old_key.kind, RotarySpec::Kind::linear);
  EXPECT_EQ(old_key.factor, 4.0);
  EXPECT_EQ(scaling_of({{"rope_type", "linear"}, {"factor", 2.0}}).kind, RotarySpec::Kind::linear);
  const auto llama3 = scaling_of({{"rope_type", "llama3"},
                                  {"factor", 8.0},
                                  {"low_freq_factor", 1.0},
                                  {"high_freq_factor", 4.0},
                                  {"original_max_position_embeddings", 8192}});
  EXPECT_EQ(llama3.kind, RotarySpec::Kind::llama3);
  EXPECT_EQ(llama3.original_max_position_embeddings, 8192);
}

TEST(ModelConfig, ReadsRopeParametersOfTransformers5) {
  const auto config_of = [](const Json& parameters) {
    Json json = config_json("llama_tiny");
    json.erase("rope_theta");
    json["rope_parameters"] = parameters;
    return parse_model_config(json, "config.json").rotary_tables.front();
  };
  EXPECT_EQ(config_of({{"rope_theta", 5e5}}).theta, 5e5);
  EXPECT_EQ(config_of({{"rope_theta", 5e5}, {"rope_type", "default"}}).kind, RotarySpec::Kind::plain);
  const auto linear = config_of({{"rope_theta", 2e4}, {"rope_type", "linear"}, {"factor", 4.0}});
  EXPECT_EQ(linear.theta, 2e4);
  EXPECT_EQ(linear.kind, RotarySpec::Kind::linear);
  EXPECT_EQ(linear.factor, 4.0);
  expect_refusal("llama_tiny", "rope_parameters", {{"rope_theta", 1e4}, {"rope_type", "dynamic"}},
                 "rope_parameters: rope type 'dynamic' is not supported");
}

TEST(ModelConfig, DropoutIsAProbability) {
  for (const double value : {1.5, 1.0, -1.0}) {
    expect_refusal("opt_tiny", "dropout", value, "'dropout' is");
    expect_refusal("llama_tiny", "attention_dropout", value, "'attention_dropout' is");
  }
}

TEST(ModelConfig, RefusesOtherRotarySpec) {
  for (const char* kind : {"dynamic", "proportional", "longrope"}) {
    for (const char* key : {"type", "rope_type"}) {
      expect_refusal("llama_tiny", "rope_scaling", {{key, kind}, {"factor", 2.0}},
                     std::string("rope type '") + kind + "' is not supported");
    }
  }
  expect_refusal("llama_tiny", "rope_scaling", {{"factor", 2.0}}, "'rope_type' is missing");
  expect_refusal("llama_tiny", "rope_scaling", {{"type", "linear"}, {"factor", 0.0}}, "'factor' is 0");
  expect_refusal("llama_tiny", "rope_scaling",
                 {{"rope_type", "llama3"},
                  {"factor", 8.0},
                  {"low_freq_factor", 4.0},
                  {"high_freq_factor", 4.0},
                  {"original_max_position_embeddings", 8192}},
                 "high_freq_factor must be above low_freq_factor");
}

// Arithmetic: opt-125m 50272 768 + 2050 768 + 12 (4 (768^2 + 768) + 2 768 3072 + 3072 + 768 + 4 768) + 2 768;
// llama-2-7b 2 32000 4096 + 32 (4 4096^2 + 3 4096 11008 + 2 4096) + 4096; gemma-3-270m 262144 640
// + 18 (640 (2 1024 + 2 256) + 3 640 2048 + 4 640 + 2 256) + 640; the others likewise.
TEST(ModelConfig, PublishedShapesHaveTheirPublishedSizes) {
  const std::vector<std::pair<std::string, std::int64_t>> sizes{
      {"llama-3.1-8b", 8'030'261'248},    {"llama-3.2-1b", 1'235'814'400},
      {"smollm2-135m", 134'515'008},      {"mistral-7b-v0.1", 7'241'732'096},
      {"qwen3-8b", 8'190'735'360},        {"opt-125m", 125'239'296},
      {"opt-350m", 331'196'416},          {"opt-1.3b", 1'315'758'080},
      {"opt-6.7b", 6'658'473'984},        {"llama-2-7b", 6'738'415'616},
      {"llama-2-13b", 13'015'864'320},    {"llama-2-70b", 68'976'648'192},
      {"tinyllama-1.1b", 1'100'048'384},  {"qwen2.5-0.5b", 494'032'768},
      {"qwen2.5-1.5b", 1'543'714'304},    {"qwen2.5-7b", 7'615'616'512},
      {"qwen3-0.6b", 596'049'920},        {"qwen3-1.7b", 1'720'574'976},
      {"mistral-7b-v0.3", 7'248'023'552}, {"mistral-nemo-12b", 12'247'782'400},
      {"smollm3-3b", 3'075'098'624},      {"gemma-2-2b", 2'614'341'888},
      {"gemma-3-270m", 268'098'176},      {"gemma-3-1b", 999'885'952},
      {"phi-3-mini-4k", 3'821'079'552},   {"olmo-2-1b", 1'484'916'736},
      {"gemma-2-9b", 9'241'705'984},      {"phi-4", 14'659'507'200},
      {"granite-3.1-2b", 2'533'531'648},  {"granite-3.1-8b", 8'170'848'256},
      {"olmo-2-7b", 7'298'617'344}};
  for (const auto& [name, size] : sizes) EXPECT_EQ(parameter_count(spec_of_shape(name)), size) << name;
  EXPECT_THROW((void)spec_of_shape("opt-126m"), UsageError);
}

TEST(ModelConfig, Opt350mHasProjectionsAndNoFinalNorm) {
  const auto config = spec_of_shape("opt-350m");
  EXPECT_EQ(config.block(0).placement, NormPlacement::after_sum);
  std::map<std::string, std::vector<std::int64_t>> shapes;
  for (const auto& spec : parameter_specs(config)) shapes[spec.name] = spec.shape;
  using Shape = std::vector<std::int64_t>;
  EXPECT_EQ(shapes.at("model.decoder.embed_tokens.weight"), (Shape{50272, 512}));
  EXPECT_EQ(shapes.at("model.decoder.embed_positions.weight"), (Shape{2050, 1024}));
  EXPECT_EQ(shapes.at("model.decoder.project_in.weight"), (Shape{1024, 512}));
  EXPECT_EQ(shapes.at("model.decoder.project_out.weight"), (Shape{512, 1024}));
  EXPECT_EQ(shapes.count("model.decoder.project_in.bias"), 0U);
  EXPECT_EQ(shapes.count("model.decoder.final_layer_norm.weight"), 0U);
  EXPECT_EQ(shapes.count("lm_head.weight"), 0U);
  EXPECT_EQ(shapes.size(), 4U + 24U * 16U);
}

// Every family has some, but for a text part, which is the text-only family's; their texts say all that
// `init` writes.
TEST(ModelConfig, PublishedShapesAreReadByTheirFamilies) {
  for (const Family* family : all_families()) {
    const std::size_t fewest = !family->other_parts.empty() ? 0 : family->name == "SmolLM3" ? 1 : 2;
    EXPECT_GE(family->published.size(), fewest) << family->name;
    for (const auto& [name, text] : family->published) {
      const DecoderSpec spec = spec_of_shape(std::string(name));
      EXPECT_EQ(spec.family, family) << name;
      EXPECT_EQ(config_json_of_shape(std::string(name)).at("model_type"), family->model_type);
      EXPECT_FALSE(parameter_specs(spec).empty());
    }
  }
}

}  // namespace
}  // namespace cola
