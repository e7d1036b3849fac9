// Chats that end: what was trained as the end of a turn stops generation, and travels with the model.
#include <gtest/gtest.h>

#include <fstream>

#include "cli/program.h"
#include "io/json.h"
#include "support/files.h"

namespace cola {
namespace {

using test::run_program;

class ChatEnd : public testing::Test {
 protected:
  static std::filesystem::path inputs() { return test::test_files() / "cases" / "chat-with-end-of-turn"; }
  static std::string quoted(const std::filesystem::path& path) { return "'" + path.string() + "'"; }
  [[nodiscard]] std::filesystem::path at(const std::string& name) const { return folder_ / name; }

  /// Trains the base model on ChatML turns into the run folder `name`.
  void train(const std::string& name, const std::string& options) const {
    const auto result = run_program("train --model " + quoted(inputs() / "model") + " --train " +
                                    quoted(inputs() / "chat.jsonl") + " --out " + quoted(at(name)) +
                                    " --batch-size 4 --learning-rate 1e-2 --dtype f32 --quiet " + options);
    ASSERT_EQ(result.status, 0) << result.error;
  }
  [[nodiscard]] static Json generated(const std::string& options) {
    const auto result =
        run_program("generate " + options +
                    " --prompt '<|im_start|>user\nSay cat.<|im_end|>\n<|im_start|>assistant\n'"
                    " --max-new-tokens 40 --dtype f32 --json");
    EXPECT_EQ(result.status, 0) << result.error;
    return parse_json(result.output, "output");
  }
  static void expect_end(const std::string& options) {
    const Json result = generated(options);
    EXPECT_EQ(result.at("stopped_at_eos"), true) << options;
    EXPECT_LE(result.at("tokens"), 10) << options;
  }
  static Json end_tokens(const std::filesystem::path& folder) {
    return read_json_file(folder / "generation_config.json").at("eos_token_id");
  }

  test::TemporaryFolder folder_;
};

const Json both = Json::array({298, 300});  // </s> and <|im_end|>

TEST_F(ChatEnd, AFullRunStopsAtItsEndOfTurn) {
  train("run", "--method full --chat-template chatml --epochs 60");
  expect_end("--run " + quoted(at("run")));
  expect_end("--model " + quoted(at("run") / "last"));
  EXPECT_EQ(end_tokens(at("run") / "last"), both);
  const auto merged = run_program("merge --run " + quoted(at("run")) + " --out " + quoted(at("merged")));
  ASSERT_EQ(merged.status, 0) << merged.error;
  EXPECT_EQ(end_tokens(at("merged")), both);
  // Texts end it as well, before they come.
  const std::string run = "--run " + quoted(at("run"));
  EXPECT_EQ(generated(run).at("text"), "cat big.");
  const Json stopped = generated(run + " --stop nothing --stop ' big'");
  EXPECT_EQ(stopped.at("text"), "cat");
  EXPECT_EQ(stopped.at("stopped_at_text"), " big");
  EXPECT_EQ(stopped.at("stopped_at_eos"), false);
  EXPECT_EQ(run_program("generate " + run + " --prompt a --stop ''").status, 2);
}

TEST_F(ChatEnd, AdaptersAndMergedFoldersCarryIt) {
  train("run", "--method cola --links 2 --chat-template chatml --epochs 2 --target-modules all-linear");
  const std::string run = "--run " + quoted(at("run"));
  const std::string base = "--model " + quoted(inputs() / "model");
  ASSERT_EQ(run_program("export " + run + " --out " + quoted(at("adapter"))).status, 0);
  ASSERT_EQ(run_program("export " + run + " --each-link --out " + quoted(at("links"))).status, 0);
  ASSERT_EQ(run_program("merge " + run + " --out " + quoted(at("merged"))).status, 0);
  ASSERT_EQ(run_program("merge " + run + " --up-to-link 1 --out " + quoted(at("merged1"))).status, 0);
  ASSERT_EQ(
      run_program("merge " + base + " --adapter " + quoted(at("adapter")) + " --out " + quoted(at("merged2")))
          .status,
      0);
  std::string expected;
  for (const auto& folder :
       {at("run"), at("run") / "last", at("run") / "links" / "1", at("adapter"), at("links") / "1",
        at("links") / "2", at("merged"), at("merged1"), at("merged2")}) {
    EXPECT_EQ(end_tokens(folder), both) << folder;
    const std::string jinja = read_text_file(folder / "chat_template.jinja");
    EXPECT_TRUE(jinja.starts_with("{{- bos_token }}\n")) << jinja;  // as trained: the tokenizer adds BOS
    if (expected.empty()) expected = jinja;
    EXPECT_EQ(jinja, expected) << folder;
  }
  // A merged folder's chats are read as they were trained, without naming the template.
  const auto by_name = run_program("inspect --json --chat-template chatml " + base + " --data " +
                                   quoted(inputs() / "chat.jsonl"));
  const auto by_folder = run_program("inspect --json --model " + quoted(at("merged")) + " --data " +
                                     quoted(inputs() / "chat.jsonl"));
  ASSERT_EQ(by_folder.status, 0) << by_folder.error;
  EXPECT_EQ(by_folder.output, by_name.output);
}

TEST_F(ChatEnd, AnAdapterStopsAtItsEndOfTurn) {
  train("run",
        "--method lora --chat-template chatml --epochs 150 --lora-r 16 --target-modules "
        "q_proj,k_proj,v_proj,o_proj,gate_proj,up_proj,down_proj,lm_head");
  expect_end("--run " + quoted(at("run")));
  expect_end("--run " + quoted(at("run")) + " --up-to-link 1");
  expect_end("--model " + quoted(inputs() / "model") + " --adapter " + quoted(at("run") / "last"));
}

TEST_F(ChatEnd, AFoldersOwnTemplateIsKeptToTheByte) {
  const std::string own =
      "{{ bos_token }}{% for m in messages %}<|im_start|>{{ m.role + '\\n' + m.content }}<|im_end|>\n{% "
      "endfor %}";
  std::filesystem::copy(inputs() / "model", at("model"));
  Json config = read_json_file(at("model") / "tokenizer_config.json");
  config["chat_template"] = own;
  const std::string written = config.dump(1);
  std::ofstream(at("model") / "tokenizer_config.json") << written;
  const auto run = at("run");
  const auto trained =
      run_program("train --model " + quoted(at("model")) + " --train " + quoted(inputs() / "chat.jsonl") +
                  " --out " + quoted(run) + " --method full --max-steps 1 --quiet");
  ASSERT_EQ(trained.status, 0) << trained.error;
  EXPECT_EQ(read_text_file(run / "last" / "tokenizer_config.json"), written);
  EXPECT_FALSE(std::filesystem::exists(run / "last" / "chat_template.jinja"));
  EXPECT_EQ(end_tokens(run / "last"), both);
}

TEST_F(ChatEnd, AnotherTemplateInAFolderGivesWayToTheTrainedOne) {
  std::filesystem::copy(inputs() / "model", at("model"));
  std::ofstream(at("model") / "tokenizer_config.json")
      << R"({"bos_token": "<s>", "eos_token": "</s>", "chat_template": "{{ tools | shout }}"})";
  const std::string train = "train --model " + quoted(at("model")) + " --train " +
                            quoted(inputs() / "chat.jsonl") + " --method full --max-steps 1 --quiet --out ";
  const auto refused = run_program(train + quoted(at("none")));
  EXPECT_EQ(refused.status, 2);
  EXPECT_NE(refused.error.find("tokenizer_config.json"), std::string::npos) << refused.error;
  EXPECT_NE(refused.error.find("line 1, column 12: the filter 'shout' is not known"), std::string::npos)
      << refused.error;
  EXPECT_FALSE(std::filesystem::exists(at("none")));
  ASSERT_EQ(run_program(train + quoted(at("run")) + " --chat-template plain").status, 0);
  const std::string jinja = read_text_file(at("run") / "last" / "chat_template.jinja");
  EXPECT_NE(jinja.find("'User: '"), std::string::npos);
  EXPECT_EQ(read_json_file(at("run") / "last" / "tokenizer_config.json").at("chat_template"), jinja);
  EXPECT_EQ(end_tokens(at("run") / "last"), 298);  // </s> alone ends a turn there: the file stays as it is
}

TEST_F(ChatEnd, WhatIsNoChatCarriesNothing) {
  std::ofstream(at("text.jsonl")) << R"({"text": "Say cat."})" << "\n";
  const auto trained = run_program("train --model " + quoted(inputs() / "model") + " --train " +
                                   quoted(at("text.jsonl")) + " --out " + quoted(at("run")) +
                                   " --method lora --max-steps 1 --quiet --chat-template chatml");
  ASSERT_EQ(trained.status, 0) << trained.error;
  EXPECT_FALSE(std::filesystem::exists(at("run") / "generation_config.json"));
  EXPECT_FALSE(std::filesystem::exists(at("run") / "last" / "chat_template.jinja"));
}

TEST_F(ChatEnd, ATemplateWhoseTokensTheVocabularyLacksIsRefused) {
  const std::string data = " --chat-template llama3 --model " + quoted(inputs() / "model");
  const auto train = run_program("train" + data + " --train " + quoted(inputs() / "chat.jsonl") + " --out " +
                                 quoted(at("run")));
  const auto eval = run_program("eval" + data + " --data " + quoted(inputs() / "chat.jsonl"));
  for (const auto& refused : {train, eval}) {
    EXPECT_EQ(refused.status, 2);
    EXPECT_NE(refused.error.find("<|eot_id|>"), std::string::npos) << refused.error;
    EXPECT_NE(refused.error.find("--chat-template plain"), std::string::npos) << refused.error;
  }
  EXPECT_FALSE(std::filesystem::exists(at("run")));
  // Inspect shows the pieces, and says what becomes of them elsewhere.
  const auto shown = run_program("inspect" + data + " --data " + quoted(inputs() / "chat.jsonl"));
  EXPECT_EQ(shown.status, 0) << shown.error;
  EXPECT_NE(shown.error.find("--chat-template plain"), std::string::npos) << shown.error;
  EXPECT_EQ(run_program("eval --chat-template plain --model " + quoted(inputs() / "model") + " --data " +
                        quoted(inputs() / "chat.jsonl"))
                .status,
            0);
}

}  // namespace
}  // namespace cola
