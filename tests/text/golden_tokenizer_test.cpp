// Published tokenizers, which are not in the repository, against what the `tokenizers` package makes of
// texts.
#include <gtest/gtest.h>

#include "text/fixtures.h"

namespace cola::test {
namespace {

class GoldenTokenizer : public testing::TestWithParam<const char*> {
 protected:
  void SetUp() override {
    const auto data = test_data();
    if (!data) GTEST_SKIP() << "COLA_TEST_DATA is not set";
    const std::filesystem::path folder = *data / "tokenizers" / GetParam();
    if (!std::filesystem::exists(folder / "golden.json")) GTEST_SKIP() << folder << " has no golden.json";
    golden_ = Json::parse(std::ifstream(folder / "golden.json"));
    tokenizer_ = open_tokenizer(folder);
  }

  /// Checks what the ids of `record` decode to; `whole` where it says nothing.
  void expect_decoded(const Json& record, const std::string& whole) const {
    const Ids ids = record.at("ids").get<Ids>();
    const std::string decoded = record.value("decoded", whole);
    EXPECT_EQ(tokenizer_->decode(ids, false), decoded) << record;
    EXPECT_EQ(tokenizer_->decode(ids, true), record.value("decoded_without_special", decoded)) << record;
  }

  Json golden_;
  std::unique_ptr<Tokenizer> tokenizer_;
};

TEST_P(GoldenTokenizer, EncodesAndDecodesAsThePackage) {
  ASSERT_GT(golden_.at("cases").size(), 100U);
  for (const Json& record : golden_.at("cases")) {
    const auto text = record.at("text").get<std::string>();
    EXPECT_EQ(tokenizer_->encode(text), record.at("ids").get<Ids>()) << record.at("what");
    expect_decoded(record, text);
  }
  ASSERT_FALSE(golden_.at("decodes").empty());
  for (const Json& record : golden_.at("decodes")) expect_decoded(record, "");
  Ids first;
  if (tokenizer_->special().add_bos) first.push_back(*tokenizer_->special().bos);
  EXPECT_EQ(first, golden_.at("prefix").get<Ids>());
}

INSTANTIATE_TEST_SUITE_P(Published, GoldenTokenizer,
                         testing::Values("qwen3", "gemma3", "llama3_1", "deepseek_v3"),
                         [](const auto& name) { return std::string(name.param); });

}  // namespace
}  // namespace cola::test
