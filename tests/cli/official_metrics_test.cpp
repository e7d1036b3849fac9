// The data sets' own metrics beside the paper's, in what `cola eval` prints.
#include <gtest/gtest.h>

#include <map>
#include <sstream>

#include "cli/program.h"
#include "io/json.h"
#include "support/files.h"

namespace cola {
namespace {

using test::run_program;

std::string quoted(const std::filesystem::path& path) { return "'" + path.string() + "'"; }

class OfficialMetricsOfEval : public testing::Test {
 protected:
  /// A random model, a token for each printable character of ASCII, and MultiRC of 8 questions with 3
  /// answers.
  void SetUp() override {
    std::filesystem::create_directory(folder_ / "tokenizer");
    Json vocabulary{{"<s>", 0}, {"<pad>", 1}, {"</s>", 2}, {"<unk>", 3}, {"\u0120", 4}, {"\u010a", 5}};
    for (char c = '!'; c <= '~'; ++c) vocabulary[std::string(1, c)] = 6 + c - '!';
    write_text_file(folder_ / "tokenizer" / "vocab.json", vocabulary.dump());
    write_text_file(folder_ / "tokenizer" / "merges.txt", "#version: 0.2\n");
    write_text_file(folder_ / "shape.json", R"({"model_type": "opt", "vocab_size": 100, "hidden_size": 16,
        "ffn_dim": 24, "num_hidden_layers": 2, "num_attention_heads": 2, "max_position_embeddings": 256,
        "do_layer_norm_before": true})");
    const auto made =
        run_program("init --shape " + quoted(folder_ / "shape.json") + " --seed 3 --tokenizer " +
                    quoted(folder_ / "tokenizer") + " --out " + quoted(folder_ / "model"));
    ASSERT_EQ(made.status, 0) << made.error;
    Json questions = Json::array();
    for (int q = 0; q < 8; ++q) {
      Json answers = Json::array();
      for (int a = 0; a < 3; ++a)
        answers.push_back(
            {{"text", std::string(static_cast<std::size_t>(7 * q + a + 1), 'x')}, {"label", a % 2}});
      questions.push_back({{"question", "What is it?"}, {"answers", answers}});
    }
    write_text_file(
        folder_ / "val.jsonl",
        Json{{"idx", 0}, {"passage", {{"text", "It is."}, {"questions", questions}}}}.dump() + "\n");
  }

  [[nodiscard]] std::string eval(const std::string& options) const {
    return "eval --model " + quoted(folder_ / "model") + " --task multirc --task-data " +
           quoted(folder_.path()) + " " + options;
  }

  test::TemporaryFolder folder_;
};

TEST_F(OfficialMetricsOfEval, AreThoseOfItsPredictions) {
  const auto run = run_program(eval("--json --predictions " + quoted(folder_ / "predictions.jsonl")));
  ASSERT_EQ(run.status, 0) << run.error;
  int both = 0, yes = 0;
  std::map<std::string, bool> whole;
  std::istringstream lines(read_text_file(folder_ / "predictions.jsonl"));
  for (std::string line; std::getline(lines, line);) {
    const Json one = parse_json(line, "predictions");
    EXPECT_EQ(one["tokens"], (Json{2, 3}));  // "No", "Yes"
    const bool predicted = one["prediction"] == "Yes", right = one["gold"][0] == "Yes";
    both += predicted && right ? 1 : 0;
    yes += (predicted ? 1 : 0) + (right ? 1 : 0);
    const auto id = one["id"].get<std::string>();
    const auto question = whole.try_emplace(id.substr(0, id.rfind('-')), true).first;
    question->second = question->second && predicted == right;
  }
  ASSERT_EQ(whole.size(), 8U);
  int right = 0;
  for (const auto& [question, is_right] : whole) right += is_right ? 1 : 0;
  const Json result = parse_json(run.output, "result");
  EXPECT_EQ(result["metric"], "accuracy");
  EXPECT_DOUBLE_EQ(result["official"]["f1_a"].get<double>(), 2.0 * both / yes);
  EXPECT_DOUBLE_EQ(result["official"]["exact_match"].get<double>(), right / 8.0);
}

TEST_F(OfficialMetricsOfEval, SayWhatPartOfTheQuestionsCannotTell) {
  const auto run = run_program(eval("--num-test 5"));
  ASSERT_EQ(run.status, 0) << run.error;
  EXPECT_NE(run.output.find("multirc, official: exact_match -, f1_a "), std::string::npos) << run.output;
  EXPECT_NE(run.output.find("raise --num-test"), std::string::npos) << run.output;
  const auto json = run_program(eval("--num-test 5 --json"));
  EXPECT_TRUE(parse_json(json.output, "result")["official"]["exact_match"].is_null()) << json.output;
}

}  // namespace
}  // namespace cola
