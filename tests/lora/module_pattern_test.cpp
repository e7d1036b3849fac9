#include "lora/module_pattern.h"

#include <gtest/gtest.h>

#include "core/error.h"

namespace cola {
namespace {

const std::string q0 = "model.layers.0.self_attn.q_proj";

bool matches(const std::string& key, const std::string& module) {
  return ModulePattern(key, "config").matches(module);
}

std::string refusal(const std::string& key) {
  try {
    (void)ModulePattern(key, "config");
  } catch (const Error& error) {
    return error.what();
  }
  return "accepted";
}

// Each as Python 3.11 says of re.match(rf"(.*\.)?({key})$", name).
TEST(ModulePattern, MatchesAsPythonDoes) {
  for (const char* key : {"q_proj",
                          "self_attn.q_proj",
                          "0.self_attn.q_proj",
                          "model.layers.0.self_attn.q_proj",
                          "q.proj",
                          "layers.0.self.attn.q.proj",
                          ".....j",
                          "[qk]_proj",
                          "(q|k)_proj",
                          ".*",
                          "^model.*",
                          ".*q_proj$",
                          R"(layers\.\d+\.self_attn\.\w+)",
                          R"(layers\.(0|1)\..*)",
                          "(?:q|v)_proj",
                          "(?!k).*_proj",
                          "q_{1,2}proj",
                          "q_proj|v_proj",
                          "[^k]_proj",
                          "q.+?j"}) {
    EXPECT_TRUE(matches(key, q0)) << key;
  }
  for (const char* key :
       {"proj", "_proj", "attn.q_proj", "q_proj.", "q_pro", "k_proj", "odel.layers.0.self_attn.q_proj",
        "layers", "model", R"(layers\.1\..*)", "(?!q).?_proj", "Q_PROJ", "", "......j.",
        "xmodel.layers.0.self_attn.q_proj", "q_proj{2}"}) {
    EXPECT_FALSE(matches(key, q0)) << key;
  }
  EXPECT_FALSE(matches("1.q_proj", "model.layers.11.q_proj"));  // "11" is not the part "1"
  EXPECT_TRUE(matches("1.q_proj", "model.layers.1.q_proj"));
  EXPECT_TRUE(matches("lm_head", "lm_head"));
}

TEST(ModulePattern, RefusesWhatEnginesReadDifferently) {
  for (const char* key :
       {"(?i)q_proj", "(?P<a>q)_proj", R"(\1q)", R"(\hq)", R"(\Qq)",    "a)|(b",  "(q", "[q",
        "[q[k]]",     "[a&&b]",        "q*+",    "q{2}?",  "q{,3}",     "q{2",    "*q", "[]q]",
        "q++",        "(?>q)",         "q\\",    "q]",     "\xc3\xa9+", "q{1000}"}) {
    EXPECT_NE(refusal(key).find("config: the pattern '"), std::string::npos) << key << ": " << refusal(key);
  }
}

TEST(ModulePattern, EndsWithAnErrorWhereAPatternWouldNotEnd) {
  const ModulePattern pattern("((a|aa)+)+[bc]", "config");
  EXPECT_THROW((void)pattern.matches(std::string(64, 'a')), Error);
}

}  // namespace
}  // namespace cola
