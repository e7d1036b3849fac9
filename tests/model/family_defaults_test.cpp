// Each family's own defaults of keys that config.json leaves out, and what it refuses by name.
#include <gtest/gtest.h>

#include "core/error.h"
#include "model/family.h"
#include "model/model_config.h"
#include "support/parity.h"

namespace cola {
namespace {

/// The fixture's config.json with other values, and without the keys whose value is null.
Json config_with(const std::string& model, const Json& change) {
  Json json = read_json_file(test::parity_folder(model) / "config.json");
  for (const auto& [key, value] : change.items()) {
    if (value.is_null()) {
      json.erase(key);
    } else {
      json[key] = value;
    }
  }
  return json;
}

DecoderSpec spec_of(const Json& json) { return parse_model_config(json, "config.json"); }

DecoderSpec spec_with(Json json, const std::string& key, const Json& value) {
  json[key] = value;
  return spec_of(json);
}

struct Default {
  std::string model;
  std::string key;
  Json value;    ///< what its absence means
  Json another;  ///< a value that means something else
  Json change = Json::object();
};

const Json no_types = {{"layer_types", nullptr}};
const Json slides_from_0 = {
    {"layer_types", nullptr}, {"use_sliding_window", true}, {"max_window_layers", 0}, {"sliding_window", 8}};
const Json top_level_rope = {{"rope_parameters", nullptr}};

/// Keys whose absence means the same in every family.
std::vector<Default> common_defaults(const std::string& model) {
  return {{model, "attention_dropout", 0.0, 0.5}};
}

std::vector<Default> llama_defaults() {
  const std::string model = "llama_gqa_tiny";
  return {{model, "num_key_value_heads", 4, 2, {{"num_attention_heads", 4}, {"hidden_size", 64}}},
          {model, "num_key_value_heads", nullptr, 2},
          {model, "head_dim", 16, 32, {{"num_attention_heads", 4}, {"hidden_size", 64}}},
          {model, "head_dim", nullptr, 32},
          {model, "rms_norm_eps", 1e-6, 1e-5},
          {model, "tie_word_embeddings", false, true},
          {model, "attention_bias", false, true},
          {model, "mlp_bias", false, true},
          {model, "pad_token_id", nullptr, 3},
          {model, "rope_theta", 10000.0, 20000.0, top_level_rope}};
}

std::vector<Default> mistral_defaults() {
  const std::string model = "mistral_full";
  const Json sixteen_heads = {{"num_attention_heads", 16}};
  return {{model, "num_key_value_heads", 8, 16, sixteen_heads},
          {model, "head_dim", 8, 12},
          {model, "head_dim", nullptr, 12},
          {model, "sliding_window", 4096, nullptr},
          {model, "rms_norm_eps", 1e-6, 1e-5},
          {model, "tie_word_embeddings", false, true},
          {model, "pad_token_id", nullptr, 3},
          {model, "rope_theta", 10000.0, 20000.0, top_level_rope}};
}

std::vector<Default> qwen_defaults(const std::string& model, Json heads) {
  Json whole_model = slides_from_0;
  whole_model["num_hidden_layers"] = 30;
  heads["num_attention_heads"] = 64;
  return {{model, "num_key_value_heads", 32, 64, heads},
          {model, "use_sliding_window", false, true, slides_from_0},
          {model, "max_window_layers", 28, 1, whole_model},
          {model, "sliding_window", 4096, 8, slides_from_0},
          {model, "rms_norm_eps", 1e-6, 1e-5},
          {model, "tie_word_embeddings", false, true},
          {model, "pad_token_id", nullptr, 3},
          {model, "rope_theta", 10000.0, 20000.0, top_level_rope}};
}

std::vector<Default> smollm3_defaults() {
  const std::string model = "smollm3_layers";
  const Json windows = {{"layer_types", nullptr}, {"use_sliding_window", true}};
  Json with_window = windows;
  with_window["sliding_window"] = 8;
  return {{model, "num_key_value_heads", 4, 8, {{"num_attention_heads", 8}, {"hidden_size", 64}}},
          {model, "head_dim", 6, 8},
          {model, "no_rope_layers", {1, 1, 1, 0}, {0, 0, 0, 1}},  // 1 has rotary
          {model, "no_rope_layers", nullptr, {0, 0, 0, 1}},
          {model, "no_rope_layer_interval", 4, 2, {{"no_rope_layers", nullptr}}},
          {model, "use_sliding_window", false, true, with_window},
          {model, "sliding_window", nullptr, 8, windows},
          {model, "rms_norm_eps", 1e-6, 1e-5},
          {model, "tie_word_embeddings", true, false},
          {model, "attention_bias", false, true},
          {model, "mlp_bias", false, true},
          {model, "pad_token_id", 128004, nullptr, {{"vocab_size", 128256}}},
          {model, "rope_theta", 2000000.0, 10000.0, top_level_rope}};
}

std::vector<Default> gemma_defaults(const std::string& model, const Json& types) {
  return {{model, "num_key_value_heads", 4, 8, {{"num_attention_heads", 8}, {"hidden_size", 64}}},
          {model, "head_dim", 256, 12},
          {model, "query_pre_attn_scalar", 256, 10},
          {model, "sliding_window", 4096, 8},
          {model, "layer_types", types, Json(types.size(), "full_attention")},
          {model, "rms_norm_eps", 1e-6, 1e-5},
          {model, "tie_word_embeddings", true, false},
          {model, "attention_bias", false, true},
          {model, "pad_token_id", 0, nullptr}};
}

std::vector<Default> gemma2_defaults() {
  const std::string model = "gemma2_alternate";
  const std::string slides = "sliding_attention";
  auto list = gemma_defaults(model, {slides, "full_attention", slides});
  list.push_back({model, "attn_logit_softcapping", 50.0, nullptr});
  list.push_back({model, "final_logit_softcapping", 30.0, nullptr});
  list.push_back({model, "rope_theta", 10000.0, 20000.0, top_level_rope});
  return list;
}

std::vector<Default> gemma3_defaults() {
  const std::string model = "gemma3_pattern";
  Json types(5, "sliding_attention");
  types.push_back("full_attention");
  auto list = gemma_defaults(model, types);
  list.push_back({model, "final_logit_softcapping", nullptr, 30.0});
  list.push_back({model, "sliding_window_pattern", 6, 2, no_types});
  list.push_back({model, "rope_theta", 1000000.0, 10000.0, top_level_rope});
  list.push_back({model, "rope_local_base_freq", 10000.0, 20000.0, top_level_rope});
  list.push_back({model, "vocab_size", 262208, 256});
  list.push_back({model, "hidden_size", 2304, 28});
  list.push_back({model, "intermediate_size", 9216, 40});
  list.push_back({model, "num_hidden_layers", 26, 6, no_types});
  list.push_back({model, "num_attention_heads", 8, 4, {{"hidden_size", 64}}});
  list.push_back({model, "max_position_embeddings", 131072, 128});
  return list;
}

std::vector<Default> phi3_defaults() {
  const std::string model = "phi3_plain";
  const Json long_rope = {
      {"max_position_embeddings", 8192},
      {"rope_parameters",
       {{"rope_type", "longrope"}, {"short_factor", Json(5, 1.0)}, {"long_factor", Json(5, 2.0)}}}};
  return {{model, "num_key_value_heads", 5, 1},
          {model, "num_key_value_heads", nullptr, 1},
          {model, "head_dim", 10, 12},
          {model, "sliding_window", nullptr, 8},
          {model, "original_max_position_embeddings", 4096, 2048, long_rope},
          {model, "partial_rotary_factor", 1.0, 0.8, top_level_rope},
          {model, "resid_pdrop", 0.0, 0.5},
          {model, "rms_norm_eps", 1e-5, 1e-6},
          {model, "tie_word_embeddings", false, true},
          {model, "pad_token_id", 32000, nullptr, {{"vocab_size", 32064}}},
          {model, "rope_theta", 10000.0, 20000.0, top_level_rope}};
}

std::vector<Default> granite_defaults() {
  const std::string model = "granite_tied";
  return {{model, "num_key_value_heads", 6, 2},
          {model, "head_dim", 8, 12},
          {model, "embedding_multiplier", 1.0, 12.0},
          {model, "attention_multiplier", 1.0, 0.35},  // not 1 / sqrt(head_dim)
          {model, "residual_multiplier", 1.0, 0.22},
          {model, "logits_scaling", 1.0, 8.0},
          {model, "rms_norm_eps", 1e-6, 1e-5},
          {model, "tie_word_embeddings", false, true},
          {model, "attention_bias", false, true},
          {model, "mlp_bias", false, true},
          {model, "pad_token_id", nullptr, 3},
          {model, "rope_theta", 10000.0, 20000.0, top_level_rope}};
}

std::vector<Default> olmo2_defaults() {
  const std::string model = "olmo2_gqa";
  return {{model, "num_key_value_heads", 6, 2},
          {model, "head_dim", 8, 12},
          {model, "rms_norm_eps", 1e-5, 1e-6},
          {model, "tie_word_embeddings", false, true},
          {model, "attention_bias", false, true},
          {model, "pad_token_id", 1, nullptr},
          {model, "rope_theta", 10000.0, 20000.0, top_level_rope}};
}

class FamilyDefaults : public testing::TestWithParam<std::vector<Default>> {};

// The absent key is that value, and is not another one, which the family would have obeyed.
TEST_P(FamilyDefaults, AbsentKeysAreTheFamilysOwn) {
  auto defaults = GetParam();
  for (const Default& common : common_defaults(defaults.front().model)) defaults.push_back(common);
  for (const auto& [model, key, value, another, change] : defaults) {
    SCOPED_TRACE(model + ": " + key);
    Json json = config_with(model, change);
    json.erase(key);
    const DecoderSpec without = spec_of(json);
    EXPECT_TRUE(without == spec_with(json, key, value)) << "is not " << value;
    EXPECT_FALSE(without == spec_with(json, key, another)) << "is " << another;
  }
}

INSTANTIATE_TEST_SUITE_P(Families, FamilyDefaults,
                         testing::Values(llama_defaults(), mistral_defaults(),
                                         qwen_defaults("qwen2_untied", {{"hidden_size", 128}}),
                                         qwen_defaults("qwen3_tied", Json::object()), smollm3_defaults(),
                                         gemma2_defaults(), gemma3_defaults(), phi3_defaults(),
                                         granite_defaults(), olmo2_defaults()),
                         [](const auto& info) { return info.param.front().model; });

TEST(FamilyConfigurations, Qwen3HasHeadsOf128AndBiasesByItsKey) {
  Json json = config_with("qwen3_tied", {{"head_dim", nullptr}, {"attention_bias", nullptr}});
  const AttentionSpec attention = spec_of(json).block(0).attention;
  EXPECT_EQ(attention.head_dim, 128);
  EXPECT_FALSE(attention.bias || attention.output_bias);
  const AttentionSpec biased = spec_with(json, "attention_bias", true).block(0).attention;
  EXPECT_TRUE(biased.bias && biased.output_bias);
}

TEST(FamilyConfigurations, Qwen2HasBiasesWithoutAKey) {
  const AttentionSpec attention = spec_of(config_with("qwen2_untied", {})).block(0).attention;
  EXPECT_TRUE(attention.bias);
  EXPECT_FALSE(attention.output_bias);
}

/// [layers]: the window of each block's attention.
std::vector<std::int64_t> windows_of(const DecoderSpec& spec) {
  std::vector<std::int64_t> windows;
  for (std::int64_t index = 0; index < spec.num_hidden_layers(); ++index)
    windows.push_back(spec.block(index).attention.window);
  return windows;
}

TEST(FamilyConfigurations, WindowsAreEachFamilys) {
  using Windows = std::vector<std::int64_t>;
  const auto windows = [](const std::string& model, const Json& change) {
    return windows_of(spec_of(config_with(model, change)));
  };
  const Json types = {"full_attention", "sliding_attention"};
  const Json absent = {{"sliding_window", nullptr}};
  EXPECT_EQ(windows("mistral_window", {}), (Windows{8, 8, 8}));
  EXPECT_EQ(windows("mistral_window", absent), (Windows{4096, 4096, 4096}));
  EXPECT_EQ(windows("mistral_full", {{"layer_types", types}}), (Windows{0, 0}));  // it ignores the list
  EXPECT_EQ(windows("llama_tiny", {{"sliding_window", 8}}).front(), 0);
  for (const char* qwen : {"qwen2_untied", "qwen3_tied"}) {
    Json from_1 = slides_from_0;
    from_1["max_window_layers"] = 1;
    EXPECT_EQ(windows(qwen, from_1), (Windows{0, 8}));
    from_1["layer_types"] = {"sliding_attention", "full_attention"};  // wins
    EXPECT_EQ(windows(qwen, from_1), (Windows{8, 0}));
    EXPECT_EQ(windows(qwen, {{"sliding_window", 8}}), (Windows{0, 0}));  // use_sliding_window is off
  }
  // The layers without rotary slide.
  EXPECT_EQ(windows("smollm3_layers",
                    {{"use_sliding_window", true}, {"sliding_window", 8}, {"layer_types", nullptr}}),
            (Windows{0, 8, 0, 0}));
  EXPECT_EQ(windows("gemma2_alternate", no_types), (Windows{8, 0, 8}));
  EXPECT_EQ(windows("gemma3_pattern", no_types), (Windows{8, 8, 8, 8, 8, 0}));
  EXPECT_EQ(windows("gemma3_pattern", {{"layer_types", nullptr}, {"_sliding_window_pattern", 2}}),
            (Windows{8, 8, 8, 8, 8, 0}));  // written by transformers, not read
  EXPECT_EQ(windows("gemma3_pattern", {{"layer_types", nullptr}, {"sliding_window_pattern", 2}}),
            (Windows{8, 0, 8, 0, 8, 0}));
  EXPECT_EQ(windows("phi3_plain", {{"sliding_window", 8}}), (Windows{8, 8}));
}

TEST(FamilyConfigurations, Gemma3ReadsNoCapOfScores) {
  EXPECT_TRUE(spec_with(config_with("gemma3_pattern", {}), "attn_logit_softcapping", 50.0) ==
              spec_of(config_with("gemma3_pattern", {})));
}

TEST(FamilyConfigurations, WhatIsTooMuchInAListOfRotaryLayersCountsForNothing) {
  const Json json = config_with("smollm3_layers", {});
  EXPECT_TRUE(spec_with(json, "no_rope_layers", {1, 0, 1, 1, 7}) == spec_of(json));
}

struct Refusal {
  std::string model;
  Json change;
  std::string message;        ///< part of it
  std::string null_key = {};  ///< a key that is null
};

const std::vector<Refusal>& refusals() {
  static const std::vector<Refusal> list{
      {"mistral_full", {}, "'num_key_value_heads' is missing", "num_key_value_heads"},
      {"gemma2_alternate", {}, "'num_key_value_heads' is missing", "num_key_value_heads"},
      {"gemma3_pattern", {}, "'num_key_value_heads' is missing", "num_key_value_heads"},
      {"qwen3_tied", {}, "'head_dim' is missing", "head_dim"},
      {"gemma2_alternate", {}, "'head_dim' is missing", "head_dim"},
      {"gemma3_pattern", {}, "'head_dim' is missing", "head_dim"},
      // Heads that do not divide.
      {"mistral_full", {{"num_key_value_heads", 2}}, "not divisible by num_key_value_heads 2"},
      {"qwen2_untied", {{"num_key_value_heads", 2}}, "not divisible by num_key_value_heads 2"},
      {"qwen3_tied", {{"num_key_value_heads", 4}}, "not divisible by num_key_value_heads 4"},
      {"smollm3_layers", {{"num_key_value_heads", 2}}, "not divisible by num_key_value_heads 2"},
      {"gemma2_alternate", {{"num_key_value_heads", 2}}, "not divisible by num_key_value_heads 2"},
      {"gemma3_pattern", {{"num_key_value_heads", 3}}, "not divisible by num_key_value_heads 3"},
      {"phi3_plain", {{"num_key_value_heads", 2}}, "not divisible by num_key_value_heads 2"},
      {"granite_tied", {{"num_key_value_heads", 4}}, "not divisible by num_key_value_heads 4"},
      {"olmo2_gqa", {{"num_key_value_heads", 4}}, "not divisible by num_key_value_heads 4"},
      {"gemma2_alternate", {{"hidden_size", 41}}, "hidden_size 41 is not divisible by num_attention_heads 5"},
      {"gemma3_pattern", {{"hidden_size", 30}}, "hidden_size 30 is not divisible by num_attention_heads 4"},
      {"phi3_plain", {{"hidden_size", 51}}, "hidden_size 51 is not divisible by num_attention_heads 5"},
      // Activations.
      {"mistral_full", {{"hidden_act", "gelu"}}, "Mistral uses silu"},
      {"qwen2_untied", {{"hidden_act", "gelu"}}, "Qwen2 uses silu"},
      {"qwen3_tied", {{"hidden_act", "gelu"}}, "Qwen3 uses silu"},
      {"smollm3_layers", {{"hidden_act", "gelu"}}, "SmolLM3 uses silu"},
      {"gemma2_alternate", {{"hidden_activation", "gelu"}}, "Gemma 2 uses gelu_pytorch_tanh"},
      {"gemma3_pattern", {{"hidden_activation", "silu"}}, "Gemma 3 uses gelu_pytorch_tanh"},
      {"phi3_plain", {{"hidden_act", "gelu"}}, "Phi-3 uses silu"},
      {"granite_tied", {{"hidden_act", "gelu"}}, "Granite uses silu"},
      {"olmo2_gqa", {{"hidden_act", "gelu"}}, "OLMo 2 uses silu"},
      // Windows.
      {"mistral_window", {{"sliding_window", 0}}, "'sliding_window' is 0"},
      {"phi3_plain", {{"sliding_window", -1}}, "'sliding_window' is -1"},
      {"gemma2_alternate", {}, "'sliding_window' is null", "sliding_window"},
      {"gemma3_pattern", {}, "'sliding_window' is null", "sliding_window"},
      {"qwen3_tied", slides_from_0, "'sliding_window' is null", "sliding_window"},
      {"smollm3_layers",
       {{"use_sliding_window", true},
        {"layer_types", Json(4, "sliding_attention")},
        {"sliding_window", nullptr}},
       "'sliding_window' is missing"},
      {"qwen2_untied", {{"layer_types", Json(2, "sliding_attention")}}, "'use_sliding_window' is off"},
      {"qwen3_tied",
       {{"layer_types", {"full_attention", "sliding_attention"}}},
       "'use_sliding_window' is off"},
      {"smollm3_layers", {{"layer_types", Json(4, "sliding_attention")}}, "'use_sliding_window' is off"},
      {"qwen3_tied", {{"layer_types", {"full_attention"}}}, "one for each of the 2 layers"},
      {"gemma2_alternate", {{"layer_types", Json(4, "full_attention")}}, "one for each of the 3 layers"},
      {"gemma3_pattern", {{"layer_types", "full_attention"}}, "one for each of the 6 layers"},
      {"gemma2_alternate", {{"layer_types", Json(3, "chunked_attention")}}, "\"chunked_attention\""},
      // The rest.
      {"smollm3_layers", {{"no_rope_layers", {1, 0}}}, "'no_rope_layers'"},
      {"smollm3_layers", {{"no_rope_layers", {1, 0, 2, 1}}}, "'no_rope_layers'"},
      {"gemma2_alternate", {{"use_bidirectional_attention", true}}, "use_bidirectional_attention"},
      {"gemma3_pattern", {{"use_bidirectional_attention", true}}, "use_bidirectional_attention"},
      {"qwen2_untied",
       {{"rope_parameters", {{"rope_type", "dynamic"}, {"factor", 2.0}}}},
       "'dynamic' is not supported"},
      {"phi3_plain", {{"rope_scaling", {{"type", "linear"}, {"factor", 2.0}}}}, "'linear' is not supported"},
      {"gemma2_alternate", {{"attn_logit_softcapping", -1.0}}, "'attn_logit_softcapping' is -1"},
      {"granite_tied", {{"logits_scaling", 0.0}}, "'logits_scaling' is 0"},
  };
  return list;
}

TEST(FamilyConfigurations, WhatTheLayersCannotDoIsRefusedByName) {
  for (const Refusal& refusal : refusals()) {
    SCOPED_TRACE(refusal.model + ": " + refusal.message);
    Json json = config_with(refusal.model, refusal.change);
    if (!refusal.null_key.empty()) json[refusal.null_key] = nullptr;
    try {
      (void)spec_of(json);
      ADD_FAILURE() << "accepted";
    } catch (const Error& error) {
      EXPECT_NE(std::string(error.what()).find(refusal.message), std::string::npos) << error.what();
    }
  }
}

}  // namespace
}  // namespace cola
