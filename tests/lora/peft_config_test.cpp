#include "lora/peft_config.h"

#include <gtest/gtest.h>

namespace cola {
namespace {

// The 41 fields that PEFT 0.21.2 saves for a LoRA, and runtime_config, which it removes.
TEST(PeftConfig, KnowsTheFieldsOfPeft) {
  std::vector<std::string> names;
  for (const auto& field : peft_fields()) names.emplace_back(field.name);
  EXPECT_EQ(names.size(), 42U);
  EXPECT_TRUE(std::ranges::is_sorted(names));
}

TEST(PeftConfig, PatternsKeepTheOrderOfTheFile) {
  const PeftConfig config = parse_peft_config(
      R"({"r": 4, "lora_alpha": 8, "alpha_pattern": {"z": 1, "a": 2, "z": 3}, "rank_pattern": {"b": 5, "a": 6}})",
      "file");
  ASSERT_EQ(config.alpha_pattern.size(), 2U);
  EXPECT_EQ(config.alpha_pattern[0].first.key(), "z");
  EXPECT_EQ(config.alpha_pattern[0].second,
            3.0);  // of a key that occurs twice the last value, in the first place
  EXPECT_EQ(config.alpha_pattern[1].first.key(), "a");
  EXPECT_EQ(config.ranks_of("model.a"), (std::set<std::int64_t>{6}));
  EXPECT_EQ(config.ranks_of("model.c"), (std::set<std::int64_t>{4}));
}

TEST(PeftConfig, SeveralKeysThatMatchAreKnown) {
  const PeftConfig config = parse_peft_config(
      R"({"lora_alpha": 8, "alpha_pattern": {"q": 1, "0.q": 2}, "rank_pattern": {"q": 5, "0.q": 6}})",
      "file");
  EXPECT_EQ(config.ranks_of("layers.0.q"), (std::set<std::int64_t>{5, 6}));
  const auto alpha = config.alpha_of("layers.0.q");
  EXPECT_EQ(alpha.value, 1.0);
  EXPECT_EQ(alpha.key, "q");
  EXPECT_EQ(alpha.other, "0.q");
  EXPECT_EQ(config.alpha_of("layers.1.q").other, "");
  EXPECT_EQ(config.alpha_of("v").value, 8.0);
}

}  // namespace
}  // namespace cola
