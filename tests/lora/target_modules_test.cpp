#include "lora/target_modules.h"

#include <gtest/gtest.h>

#include "core/error.h"

namespace cola {
namespace {

using Indices = std::vector<std::size_t>;

std::vector<LinearName> linears() {
  std::vector<LinearName> list;
  for (const std::string name :
       {"model.decoder.project_in",                        // 0
        "model.decoder.layers.0.self_attn.k_proj",         // 1
        "model.decoder.layers.0.self_attn.v_proj",         // 2
        "model.decoder.layers.0.self_attn.q_proj",         // 3
        "model.decoder.layers.0.fc1",                      // 4
        "model.decoder.layers.11.self_attn.q_proj",        // 5
        "model.decoder.layers.11.self_attn.extra_q_proj",  // 6: ends with q_proj, but not .q_proj
        "lm_head"}) {                                      // 7
    const bool in_block = name != "model.decoder.project_in" && name != "lm_head";
    list.push_back({name, 4, 4, in_block});
  }
  return list;
}

Indices select(const std::vector<std::string>& selectors) {
  return select_target_modules(linears(), selectors);
}

std::string refusal(const std::vector<std::string>& selectors) {
  try {
    (void)select(selectors);
  } catch (const UsageError& error) {
    return error.what();
  }
  return "accepted";
}

TEST(TargetModules, MatchesNamesAsPeftDoes) {
  EXPECT_EQ(select({"q_proj"}), (Indices{3, 5}));
  EXPECT_EQ(select({"v_proj", "q_proj", "q_proj"}), (Indices{2, 3, 5}));
  EXPECT_EQ(select({"0.self_attn.q_proj"}), (Indices{3}));
  EXPECT_EQ(select({"model.decoder.layers.0.fc1"}), (Indices{4}));
  EXPECT_EQ(select({"lm_head"}), (Indices{7}));
}

TEST(TargetModules, AllLinearIsTheBlocks) { EXPECT_EQ(select({"all-linear"}), (Indices{1, 2, 3, 4, 5, 6})); }

TEST(TargetModules, PatternsMatchWholeNames) {
  EXPECT_EQ(select({R"(.*\.[qv]_proj)"}), (Indices{2, 3, 5}));
  EXPECT_EQ(select({R"(.*layers\.\d+\.fc1)"}), (Indices{4}));
  EXPECT_EQ(select({R"(.*\.layers\.\d{2}\..*)"}), (Indices{5, 6}));
  EXPECT_NE(refusal({R"(layers\.\d+\.fc1)"}).find("matches no linear layer"), std::string::npos);
}

TEST(TargetModules, NamesWhatMatchesNothingAndWhatExists) {
  const std::string message = refusal({"q_proj", "o_proj"});
  EXPECT_NE(message.find("'o_proj' matches no linear layer"), std::string::npos) << message;
  EXPECT_NE(message.find("fc1, k_proj, lm_head"), std::string::npos) << message;
  EXPECT_NE(refusal({""}).find("matches no"), std::string::npos);
  EXPECT_NE(refusal({}).find("none given"), std::string::npos);
  EXPECT_NE(refusal({"all-linear", "q_proj"}).find("stands alone"), std::string::npos);
}

TEST(TargetModules, RefusesPatternsThatAreInvalidOrTooLarge) {
  EXPECT_NE(refusal({"(q_proj"}).find("not a valid pattern"), std::string::npos);
  EXPECT_NE(refusal({"*q"}).find("not a valid pattern"), std::string::npos);
  EXPECT_NE(refusal({std::string(300, '(')}).find("too long"), std::string::npos);
  EXPECT_NE(refusal({"((a{100}){100}){100}"}).find("repeats too much"), std::string::npos);
  EXPECT_NE(refusal({"a{99999999999999999999}"}).find("repeats too much"), std::string::npos);
}

// Backtracking needs 2^40 steps for this; the test's time limit is what fails.
TEST(TargetModules, ExponentialPatternsEnd) {
  EXPECT_NE(refusal({"(([a-z._0-9])*)*!"}).find("matches no"), std::string::npos);
}

}  // namespace
}  // namespace cola
