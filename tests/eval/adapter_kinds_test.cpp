// Adapters whose files mean more than A and B: what is read has the loss that PEFT gives (5.541990 for the
// base alone), and what PEFT computes in another way is refused by name.
#include <gtest/gtest.h>

#include <fstream>

#include "cola/language_model.h"
#include "core/error.h"
#include "io/files.h"
#include "io/json.h"
#include "support/files.h"

namespace cola {
namespace {

std::filesystem::path cases() { return test::test_files() / "cases"; }

struct Outcome {
  double loss = 0.0;
  std::string notes, refusal;
};

Outcome evaluate(const std::filesystem::path& adapter, const std::string& base = "llama") {
  ModelSource source;
  source.model = cases() / "base" / base;
  source.adapters = {adapter};
  source.dtype = "f32";
  source.device = "cpu";
  Outcome outcome;
  try {
    LanguageModel model(source);
    outcome.loss = model.evaluate(cases() / "base" / "data.jsonl").loss;
    for (const auto& note : model.notes()) outcome.notes += note + "\n";
  } catch (const Error& error) {
    outcome.refusal = error.what();
  }
  return outcome;
}

/// An adapter of the cases with other fields in its configuration.
class AdapterKinds : public testing::Test {
 protected:
  Outcome with(const std::string& adapter, const Json& fields, const std::string& base = "llama") {
    std::filesystem::remove_all(folder_ / "adapter");
    std::filesystem::create_directories(folder_ / "adapter");
    for (const auto& entry : std::filesystem::directory_iterator(cases() / adapter))
      std::filesystem::copy_file(entry.path(), folder_ / "adapter" / entry.path().filename().string());
    Json config = read_json_file(folder_ / "adapter" / "adapter_config.json");
    config.update(fields);
    write_text_file(folder_ / "adapter" / "adapter_config.json", config.dump());
    return evaluate(folder_ / "adapter", base);
  }
  /// As `with`, the text of alpha_pattern in the order given.
  Outcome with_alpha_pattern(const std::string& pattern) {
    (void)with("adapters/rank_8", Json::object());
    Json config = read_json_file(folder_ / "adapter" / "adapter_config.json");
    config.erase("alpha_pattern");
    std::string text = config.dump();
    text.insert(1, "\"alpha_pattern\": " + pattern + ", ");
    write_text_file(folder_ / "adapter" / "adapter_config.json", text);
    return evaluate(folder_ / "adapter");
  }

  test::TemporaryFolder folder_;
};

constexpr double tolerance = 1e-5;
constexpr double plain_loss = 5.44517288007766;

void expect_refusal(const Outcome& outcome, const std::string& word) {
  EXPECT_NE(outcome.refusal.find(word), std::string::npos) << outcome.refusal << " loss " << outcome.loss;
}

TEST_F(AdapterKinds, OrdinaryLoraHasPeftsLoss) {
  EXPECT_NEAR(evaluate(cases() / "base/adapter").loss, plain_loss, tolerance);
  EXPECT_EQ(evaluate(cases() / "base/adapter").notes, "");
  EXPECT_NEAR(evaluate(cases() / "adapters/converted_from_pissa").loss, 5.541989889705998, tolerance);
  EXPECT_NEAR(evaluate(cases() / "adapters/mica").loss, 5.582203019270317, tolerance);
  EXPECT_NEAR(evaluate(cases() / "adapters/loha_as_lora").loss, 5.536510012154919, tolerance);
}

// Written by PEFT 0.21.2, which reloads them with these losses.
TEST_F(AdapterKinds, WhatTheConfigurationSelectsAndScalesIsAsInPeft) {
  for (const auto& [name, loss] : {std::pair("rank_and_alpha_patterns", 5.538161100890001),
                                   std::pair("excluded_by_a_pattern", 5.533785479201109),
                                   std::pair("layers_pattern", 5.515581455796244)}) {
    const Outcome outcome = evaluate(cases() / "adapters" / name);
    EXPECT_NEAR(outcome.loss, loss, tolerance) << name << outcome.refusal;
    EXPECT_EQ(outcome.notes, "") << name;
  }
  const Outcome head = evaluate(cases() / "adapters/head_with_its_copy");
  EXPECT_NEAR(head.loss, 5.548925986228426, tolerance) << head.refusal;
  EXPECT_NE(head.notes.find("lm_head.base_layer.weight' is a copy"), std::string::npos) << head.notes;
  const Outcome biases = evaluate(cases() / "adapters/biases_of_all_layers", "opt");
  EXPECT_NEAR(biases.loss, 5.583024793223758, tolerance) << biases.refusal;
  EXPECT_EQ(biases.notes, "");
}

TEST_F(AdapterKinds, InitialisationsThatLeaveTheBaseAreRead) {
  for (const Json& kind : {Json(true), Json(false), Json(nullptr), Json("gaussian"), Json("Gaussian"),
                           Json("eva"), Json("orthogonal"), Json("MiCA")}) {
    EXPECT_NEAR(with("base/adapter", {{"init_lora_weights", kind}}).loss, plain_loss, tolerance) << kind;
  }
}

TEST_F(AdapterKinds, InitialisationsThatChangeTheBaseAreRefused) {
  for (const char* kind :
       {"pissa", "PiSSA", "pissa_niter_4", "olora", "OLoRA", "corda", "loftq", "lora_ga", "True", "xyz"})
    expect_refusal(with("base/adapter", {{"init_lora_weights", kind}}), "init_lora_weights");
}

TEST_F(AdapterKinds, TheFirstMatchingAlphaInTheFileCounts) {
  const Outcome first = with_alpha_pattern(R"({"q_proj": 32, "layers.0.self_attn.q_proj": 64})");
  EXPECT_NEAR(first.loss, 5.525096735102141, tolerance);
  EXPECT_NE(first.notes.find("'q_proj' (32) comes first"), std::string::npos) << first.notes;
  EXPECT_NEAR(with_alpha_pattern(R"({"layers.0.self_attn.q_proj": 64, "q_proj": 32})").loss,
              5.543488910136112, tolerance);
  EXPECT_NEAR(with_alpha_pattern(R"({"v_proj": 1, "self_attn.q_proj": 2, "1.self_attn.q_proj": 3,
                                     "layers.1.self_attn.q_proj": 5})")
                  .loss,
              5.5228778386470605, tolerance);
}

TEST_F(AdapterKinds, AlphaKeysAreRegularExpressions) {
  EXPECT_NEAR(with_alpha_pattern(R"({"q_pro.": 32, ".*": 16})").loss, 5.525096735102141, tolerance);
  EXPECT_NEAR(with_alpha_pattern(R"({"^model\\.layers\\.(0|1)\\..*q_proj": 32})").loss, 5.525096735102141,
              tolerance);
  expect_refusal(with_alpha_pattern(R"({"(?i)Q_PROJ": 32})"), "(?i");
}

TEST_F(AdapterKinds, ATensorsOwnRankCountsWhereSeveralRankKeysMatch) {
  EXPECT_NEAR(evaluate(cases() / "adapters/rank_keys_saved_sorted").loss, 5.487736654611774, tolerance);
  expect_refusal(with("base/adapter", {{"r", 8}}), "has rank 4, but adapter_config.json says 8");
  expect_refusal(with("base/adapter", {{"rank_pattern", {{"q_proj", 2}}}}), "says 2");
}

TEST_F(AdapterKinds, TensorsThatTheConfigurationLeavesOutAreRefused) {
  expect_refusal(with("adapters/rank_8", {{"layers_to_transform", {0}}}), "layers_to_transform");
  expect_refusal(with("adapters/rank_8", {{"layers_to_transform", 1}}), "layers_to_transform");
  expect_refusal(with("adapters/rank_8", {{"exclude_modules", {"v_proj"}}}), "exclude_modules");
  expect_refusal(with("adapters/rank_8", {{"exclude_modules", ".*layers.1.*"}}), "exclude_modules");
  expect_refusal(with("adapters/rank_8", {{"target_modules", {"q_proj"}}}), "target_modules");
  expect_refusal(with("adapters/rank_8", {{"target_modules", ".*\\.v_proj"}}), "target_modules");
}

TEST_F(AdapterKinds, TargetsThatTheFileLacksAreSaid) {
  const Outcome some = with("base/adapter", {{"target_modules", {"q_proj", "v_proj", "k_proj"}}});
  EXPECT_NEAR(some.loss, plain_loss, tolerance);
  EXPECT_NE(some.notes.find("target_modules names 2 modules"), std::string::npos) << some.notes;
  EXPECT_NE(some.notes.find("layers.0.self_attn.k_proj"), std::string::npos) << some.notes;
  EXPECT_NE(
      with("base/adapter", {{"target_modules", "all-linear"}}).notes.find("target_modules names 10 modules"),
      std::string::npos);
}

TEST_F(AdapterKinds, AlphasThatUndoOrTurnTheChangeAreRefused) {
  for (const Json& alpha : {Json(0), Json(-8), Json(1e-39), Json(1e39), Json("8")}) {
    expect_refusal(with("base/adapter", {{"lora_alpha", alpha}}), "lora_alpha");
    expect_refusal(with("base/adapter", {{"alpha_pattern", {{"q_proj", alpha}}}}), "alpha_pattern");
  }
}

TEST_F(AdapterKinds, AlphasThatAreNoNumbersAreRefusedByTheirField) {
  expect_refusal(with_alpha_pattern(R"({"q_proj": NaN})"), "'alpha_pattern' 'q_proj' is NaN");
  expect_refusal(with_alpha_pattern(R"({"q_proj": 1e999})"), "'alpha_pattern' 'q_proj' is 1e999");
  expect_refusal(with_alpha_pattern(R"({}, "lora_alpha": -Infinity)"), "'lora_alpha' is -Infinity");
}

TEST_F(AdapterKinds, FieldsOfAnotherFunctionAreRefusedByName) {
  const Json set{{"alora_invocation_tokens", {5, 6}},
                 {"arrow_config", {{"top_k", 2}}},
                 {"kasa_config", Json::object()},
                 {"layer_replication", {{0, 2}, {1, 2}}},
                 {"lora_bias", true},
                 {"megatron_config", {{"a", 1}}},
                 {"trainable_token_indices", {1}},
                 {"use_bdlora", {{"nblocks", 2}}},
                 {"use_dora", true},
                 {"use_qalora", true},
                 {"some_new_config", {{"scale", 2}}},
                 {"some_new_flag", true},
                 {"bias", "some"},
                 {"peft_type", "lora"}};
  for (const auto& [field, value] : set.items())
    expect_refusal(with("base/adapter", {{field, value}}), field);
}

TEST_F(AdapterKinds, EmptyAndHarmlessFieldsLoad) {
  const Json set{{"alora_invocation_tokens", Json::array()},
                 {"kasa_config", nullptr},
                 {"layer_replication", Json::array()},
                 {"trainable_token_indices", Json::object()},
                 {"some_new_config", Json::object()},
                 {"some_new_flag", false},
                 {"some_new_name", ""},
                 {"peft_version", "9.9.9"},
                 {"eva_config", {{"rho", 2.0}}},
                 {"loftq_config", {{"loftq_bits", 4}}},
                 {"corda_config", {{"verbose", true}}},
                 {"lora_ga_config", {{"direction", "ArBr"}}},
                 {"monteclora_config", {{"num_samples", 8}}},
                 {"velora_config", {{"num_groups", 4}}},
                 {"use_bdlora", {{"nblocks", 1}, {"match_strict", false}}},
                 {"fan_in_fan_out", true},
                 {"ensure_weight_tying", true},
                 {"lora_dropout", 0.5},
                 {"target_parameters", {"self_attn.q_proj.weight"}},
                 {"target_modules", nullptr},
                 {"layers_to_transform", Json::array()},
                 {"auto_mapping", {{"base_model_class", "X"}}}};
  for (const auto& [field, value] : set.items()) {
    const Outcome outcome = with("base/adapter", {{field, value}});
    EXPECT_NEAR(outcome.loss, plain_loss, tolerance) << field << ": " << outcome.refusal;
  }
}

TEST_F(AdapterKinds, CopiesOfTheBaseAreComparedWithIt) {
  const Outcome equal = evaluate(cases() / "adapters/copy_of_the_table");
  EXPECT_NEAR(equal.loss, plain_loss, tolerance);
  EXPECT_NE(equal.notes.find("embed_tokens.weight' is a copy"), std::string::npos) << equal.notes;
  expect_refusal(evaluate(cases() / "adapters/head_with_another_row"),
                 "lm_head.base_layer.weight' is not a copy");
}

TEST_F(AdapterKinds, BiasesThatWereNotSavedAreSaid) {
  const Outcome outcome = evaluate(cases() / "adapters/biases_not_saved", "opt");
  EXPECT_NEAR(outcome.loss, 4.428514320761525, tolerance) << outcome.refusal;
  EXPECT_NE(outcome.notes.find("bias is 'lora_only', and the file lacks 4"), std::string::npos)
      << outcome.notes;
}

TEST_F(AdapterKinds, AnMlxAdapterIsReadAndItsOtherKindsRefused) {
  EXPECT_NEAR(evaluate(cases() / "adapters/mlx").loss, 5.554729071777087, tolerance);
  expect_refusal(with("adapters/mlx", {{"fine_tune_type", "dora"}}), "fine_tune_type 'dora'");
  expect_refusal(with("adapters/mlx", {{"fine_tune_type", "full"}}), "fine_tune_type 'full'");
  expect_refusal(with("adapters/mlx", {{"lora_parameters", {{"rank", 4}}}}), "scale");
}

}  // namespace
}  // namespace cola
