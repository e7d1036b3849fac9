// What `cola` makes of data files that people have: which tokens are trained, BOS and EOS, weights.
#include <gtest/gtest.h>

#include <chrono>
#include <fstream>
#include <vector>

#include "cli/letter_tokenizer.h"
#include "cli/program.h"
#include "io/json.h"
#include "support/files.h"

namespace cola {
namespace {

using test::run_program;
using Ids = std::vector<std::int32_t>;

class Data : public testing::Test {
 protected:
  std::string file(const std::string& lines) {
    std::ofstream(folder_ / "data.jsonl", std::ios::binary) << lines;
    return "'" + (folder_ / "data.jsonl").string() + "'";
  }
  static std::string model(const std::string& name) {
    return "'" + (test::test_files() / "cases/base" / name).string() + "'";
  }
  Json inspected(const std::string& lines, const std::string& tokenizer, const std::string& more = "") {
    const auto result =
        run_program("inspect --data " + file(lines) + " --tokenizer '" + tokenizer + "' --json " + more);
    EXPECT_EQ(result.status, 0) << result.error;
    error_ = result.error;
    return parse_json(result.output, "inspect");
  }
  /// The pieces of a sequence that carry loss.
  static std::string trained(const Json& inspected, std::size_t number = 0) {
    const Json& sequence = inspected.at("sequences").at(number);
    std::string text;
    for (std::size_t i = 0; i < sequence.at("pieces").size(); ++i) {
      if (sequence.at("trained").at(i).get<bool>())
        text += sequence.at("pieces").at(i).get<std::string>() + "|";
    }
    return text;
  }
  static Ids ids(const Json& inspected) { return inspected.at("sequences").at(0).at("ids").get<Ids>(); }

  test::TemporaryFolder folder_;
  std::string error_;
};

/// Tokenizers that are not in the repository.
class DataOfPublishedTokenizers : public Data {
 protected:
  void SetUp() override {
    const auto data = test::test_data();
    if (!data) GTEST_SKIP() << "COLA_TEST_DATA is not set";
    tokenizers_ = (*data / "tokenizers").string();
  }
  std::string tokenizers_;
};

TEST_F(DataOfPublishedTokenizers, EveryTokenWithAByteOfTheCompletionIsTrained) {
  const std::string opt = tokenizers_ + "/opt";
  const Json space = inspected(R"({"prompt":"Is the sky blue? Answer: ","completion":"yes"})", opt);
  EXPECT_EQ(trained(space), "\u0120yes|</s>|");
  EXPECT_EQ(space.at("report").at("merged_borders"), 1);
  EXPECT_EQ(trained(inspected(R"({"prompt":"Is the sky blue? Answer:","completion":" yes"})", opt)),
            "\u0120yes|</s>|");
  EXPECT_EQ(trained(inspected(R"({"prompt":"The answer is un","completion":"believable"})", opt)),
            "\u0120unbelievable|</s>|");
  const Json first_word = inspected(R"({"prompt":"Is the sky blue? Answer: ","completion":"yes indeed"})",
                                    tokenizers_ + "/llama2");
  EXPECT_EQ(trained(first_word), "\u2581yes|\u2581indeed|</s>|");
  // The prompt's own tokens differ from the space on; nothing before the word is trained.
  EXPECT_EQ(trained(inspected(R"({"prompt":"foo   ","completion":"bar"})", opt)), "\u0120bar|</s>|");
}

TEST_F(DataOfPublishedTokenizers, ATextWithBosAndEosOfItsOwnHasOneOfEach) {
  EXPECT_EQ(ids(inspected(R"({"text":"<s>[INST] hi [/INST] hello </s>"})", tokenizers_ + "/llama2")),
            (Ids{1, 518, 25580, 29962, 7251, 518, 29914, 25580, 29962, 22172, 29871, 2}));
  EXPECT_EQ(ids(inspected(R"({"text":"</s>Hello</s>"})", tokenizers_ + "/opt")), (Ids{2, 31414, 2}));
}

TEST_F(DataOfPublishedTokenizers, FormsOfAChatGiveTheSameIds) {
  const std::string llama2 = tokenizers_ + "/llama2";
  const Ids expected{1, 518, 25580, 29962, 6324, 518, 29914, 25580, 29962, 15043, 29871, 2};
  for (
      const char* line :
      {R"({"prompt":"Hi","prompt_id":"x","messages":[{"role":"user","content":"Hi"},{"role":"assistant","content":"Hello"}]})",
       R"({"prompt":[{"role":"user","content":"Hi"}],"completion":[{"role":"assistant","content":"Hello"}]})",
       R"({"conversations":[{"from":"human","value":"Hi"},{"from":"gpt","value":"Hello"}]})"}) {
    const Json chat = inspected(line, llama2, "--chat-template llama2");
    EXPECT_EQ(ids(chat), expected) << line;
    EXPECT_EQ(trained(chat), "\u2581Hello|\u2581|</s>|") << line;
  }
}

TEST_F(DataOfPublishedTokenizers, APostProcessorThatPutsNoBosCounts) {
  const Json text = inspected(R"({"text":"Hello world"})", tokenizers_ + "/deepseek_v3");
  EXPECT_EQ(ids(text), (Ids{19923, 2058, 1}));
  EXPECT_NE(error_.find("add_bos_token"), std::string::npos) << error_;
}

// 400 turns of 2 KB, without an EOS that would cut them apart.
TEST_F(DataOfPublishedTokenizers, LongChatsTakeTimeByTheirLength) {
  std::string line = R"({"messages":[)";
  for (int turn = 0; turn < 400; ++turn) {
    line += std::string(turn > 0 ? "," : "") + R"({"role":")" + (turn % 2 == 0 ? "user" : "assistant") +
            R"(","content":")";
    for (int word = 0; word < 290; ++word) line += "word" + std::to_string((turn * 7 + word) % 97) + " ";
    line += "\"}";
  }
  const auto start = std::chrono::steady_clock::now();
  const Json chat = inspected(line + "]}", tokenizers_ + "/llama2",
                              "--chat-template plain --no-eos --count 0 --max-length 2000000");
  EXPECT_EQ(chat.at("report").at("sequences"), 1);
  EXPECT_LT(std::chrono::steady_clock::now() - start,
            std::chrono::seconds(60));  // as the square it takes hours
}

TEST_F(Data, ALlama3TextEndsWithItsTurn) {
  const auto folder = test::test_files() / "cases/llama3_text";
  EXPECT_EQ(ids(inspected(read_text_file(folder / "data.jsonl"), folder.string())),
            (Ids{273, 275, 263, 276, 272, 256, 277, 275, 271, 276, 272, 260, 277}));
}

/// {loss, loss_tokens} of an evaluation.
std::pair<double, std::int64_t> evaluated(const std::string& model, const std::string& data) {
  const auto result = run_program("eval --json --threads 1 --model " + model + " --data " + data);
  EXPECT_EQ(result.status, 0) << result.error;
  const Json json = parse_json(result.output, "eval");
  return {json.at("loss").get<double>(), json.at("loss_tokens").get<std::int64_t>()};
}

TEST_F(Data, WeightsScaleTheLossOfAnEvaluation) {
  const std::string first = R"({"input_ids":[78,72,19,50,120,80])";
  const std::string second = R"({"input_ids":[94,103,120,57])";
  const auto alone = evaluated(model("llama"), file(first + "}"));
  const auto other = evaluated(model("llama"), file(second + "}"));
  EXPECT_EQ(alone.second, 5);
  const auto half = evaluated(model("llama"), file(first + R"(,"weight":0.5})"));
  EXPECT_NEAR(half.first, 0.5 * alone.first, 1e-9);
  EXPECT_EQ(half.second, 5);
  const auto both = evaluated(model("llama"), file(first + R"(,"weight":2})" + "\n" + second + "}"));
  EXPECT_NEAR(both.first, (2 * 5 * alone.first + 3 * other.first) / 8, 1e-6);
  const auto without = evaluated(model("llama"), file(first + "}\n" + second + R"(,"weight":0})"));
  EXPECT_EQ(without, alone);
}

TEST_F(Data, WeightsScaleTheGradient) {
  const auto first_step = [&](const std::string& lines) {
    const std::string run = (folder_ / "run").string();
    std::filesystem::remove_all(run);
    const auto result =
        run_program("train --quiet --method lora --threads 1 --max-grad-norm 0 --max-steps 1 --model " +
                    model("llama") + " --train " + file(lines) + " --out '" + run + "'");
    EXPECT_EQ(result.status, 0) << result.error;
    const std::string log = read_text_file(std::filesystem::path(run) / "log.jsonl");
    const std::size_t begin = log.find(R"("event":"step")");
    const std::size_t line = log.rfind('\n', begin) + 1;
    const Json step = parse_json(std::string_view(log).substr(line, log.find('\n', line) - line), "step");
    return std::pair(step.at("loss").get<double>(), step.at("grad_norm").get<double>());
  };
  const std::string line = R"({"input_ids":[78,72,19,50,120,80])";
  const auto one = first_step(line + "}");
  const auto four = first_step(line + R"(,"weight":4})");
  EXPECT_GT(one.second, 0.0);
  EXPECT_NEAR(four.first, 4 * one.first, 1e-6);
  EXPECT_NEAR(four.second, 4 * one.second, 1e-6 * four.second);
  // Half of the tokens twice as heavy as the others: the mean of both, once with weight 2.
  const auto mixed = first_step(line + R"(,"weight":3})" + "\n" + line + "}");
  EXPECT_NEAR(mixed.second, 2 * one.second, 1e-6 * mixed.second);
}

TEST_F(Data, WeightsOutsideTheRangeNameTheKey) {
  for (const char* weight : {"-1", "\"2\"", "1e60"}) {
    const auto result = run_program("eval --model " + model("llama") + " --data " +
                                    file(R"({"input_ids":[5,6],"weight":)" + std::string(weight) + "}"));
    EXPECT_EQ(result.status, 1);
    EXPECT_NE(result.error.find("'weight'"), std::string::npos) << result.error;
  }
}

TEST_F(Data, APromptWithBosOfItsOwnGetsNoSecond) {
  test::write_letter_tokenizer(folder_ / "tokenizer");
  const auto generated = [&](const std::string& prompt) {
    const auto result =
        run_program("generate --json --temperature 1 --max-new-tokens 16 --model " + model("opt") +
                    " --tokenizer '" + (folder_ / "tokenizer").string() + "' --prompt '" + prompt + "'");
    EXPECT_EQ(result.status, 0) << result.error;
    return parse_json(result.output, "generate").at("text").get<std::string>();
  };
  EXPECT_EQ(generated("</s>a cat"), generated("a cat"));
  EXPECT_NE(generated("</s></s>a cat"), generated("a cat"));
}

TEST_F(Data, AGzipFileIsCalledOne) {
  const auto result =
      run_program("eval --model " + model("llama") + " --data " + file(std::string("\x1f\x8b\x08\0", 4)));
  EXPECT_EQ(result.status, 1);
  EXPECT_NE(result.error.find("gzip"), std::string::npos) << result.error;
}

}  // namespace
}  // namespace cola
