// cola generate --chat, cola chat
#include <gtest/gtest.h>

#include <fstream>

#include "cli/program.h"
#include "io/json.h"
#include "support/files.h"

namespace cola {
namespace {

using test::run_program;

/// A model trained to say "cat big." to "Say cat." in ChatML.
class Chat : public testing::Test {
 protected:
  void SetUp() override {
    const auto inputs = test::test_files() / "cases" / "chat-with-end-of-turn";
    const auto trained = run_program("train --model '" + (inputs / "model").string() + "' --train '" +
                                     (inputs / "chat.jsonl").string() + "' --out " + at("run") +
                                     " --batch-size 4 --learning-rate 1e-2 --dtype f32 --quiet --method full "
                                     "--chat-template chatml --epochs 60");
    ASSERT_EQ(trained.status, 0) << trained.error;
  }
  [[nodiscard]] std::string at(const std::string& name) const {
    return "'" + (folder_ / name).string() + "'";
  }
  void write(const std::string& name, const std::string& text) const {
    std::ofstream(folder_ / name, std::ios::binary) << text;
  }
  [[nodiscard]] test::ProgramResult answer(const std::string& chat, const std::string& options = "") const {
    write("chat.json", chat);
    return run_program("generate --run " + at("run") + " --dtype f32 --max-new-tokens 40 --json --chat " +
                       at("chat.json") + " " + options);
  }

  test::TemporaryFolder folder_;
};

TEST_F(Chat, AChatIsAnsweredByTheTrainedTemplate) {
  for (const char* chat : {R"([{"role":"user","content":"Say cat."}])",
                           "{\"messages\":\n [{\"role\":\"user\",\"content\":\"Say cat.\"}]}\n"}) {
    const auto result = answer(chat);
    ASSERT_EQ(result.status, 0) << result.error;
    const Json json = parse_json(result.output, "output");
    EXPECT_EQ(json.at("text"), "cat big.");
    EXPECT_EQ(json.at("stopped_at_eos"), true);
  }
}

TEST_F(Chat, WhatAsksForNoAnswerIsRefused) {
  for (const char* chat : {"", "[]", "{}", R"({"text":"a"})", R"([{"role":"assistant","content":"a"}])",
                           R"([{"role":"asistant","content":"a"}])", R"([{"role":"user"}])"}) {
    const auto result = answer(chat);
    EXPECT_EQ(result.status, 1) << chat;
    EXPECT_NE(result.error.find("the chat"), std::string::npos) << result.error;
  }
  const std::string asked = R"([{"role":"user","content":"a"}])";
  EXPECT_EQ(answer(asked, "--prompt b").status, 2);
  EXPECT_EQ(answer(asked, "--chat-template nowhere").status, 2);
  EXPECT_EQ(run_program("generate --run " + at("run") + " --prompt a --chat-template chatml").status, 2);
}

TEST_F(Chat, AConversationByLines) {
  write("lines", "Say cat.\n/save " + (folder_ / "saved.jsonl").string() +
                     "\n/system Be kind.\nSay cat.\n/reset\n/save " + (folder_ / "kind.jsonl").string() +
                     "\n/exit\nSay cat.\n");
  const auto result = run_program("chat --run " + at("run") + " --dtype f32 < " + at("lines"));
  ASSERT_EQ(result.status, 0) << result.error;
  EXPECT_TRUE(result.output.starts_with("cat big.\n")) << result.output;
  const Json expected = {
      {"messages",
       {{{"role", "user"}, {"content", "Say cat."}}, {{"role", "assistant"}, {"content", "cat big."}}}}};
  EXPECT_EQ(read_json_file(folder_ / "saved.jsonl"), expected);
  EXPECT_EQ(read_json_file(folder_ / "kind.jsonl").at("messages").size(), 1U);
  write("again", "/save " + (folder_ / "saved.jsonl").string() + "\n");
  EXPECT_EQ(run_program("chat --run " + at("run") + " < " + at("again")).status, 1);
  write("wrong", "/shout\n");
  EXPECT_EQ(run_program("chat --run " + at("run") + " < " + at("wrong")).status, 1);
}

}  // namespace
}  // namespace cola
