// Preference pairs, and files with fields of their own, through the program.
#include <gtest/gtest.h>

#include <fstream>

#include "cli/program.h"
#include "io/json.h"
#include "support/files.h"

namespace cola {
namespace {

using test::run_program;

class Preference : public testing::Test {
 protected:
  Preference() {
    write("pairs.csv", "q,chosen,rejected\nSay cat., cat big., big.\nSay big., big., cat.\n");
    write("records.json", R"([{"ask":"Say cat.","reply":" cat."},{"ask":"Say big.","reply":" big."}])");
  }
  [[nodiscard]] std::string at(const std::string& name) const {
    return "'" + (folder_ / name).string() + "'";
  }
  void write(const std::string& name, const std::string& text) const {
    std::ofstream(folder_ / name, std::ios::binary) << text;
  }
  [[nodiscard]] static std::string model() {
    return "--model '" + (test::test_files() / "cases" / "chat-with-end-of-turn" / "model").string() + "' ";
  }

  test::TemporaryFolder folder_;
};

TEST_F(Preference, IsTrainedEvaluatedAndShown) {
  const auto trained =
      run_program("train " + model() + "--train " + at("pairs.csv") + " --prompt-field q --out " + at("run") +
                  " --objective dpo --beta 0.5 --dpo-loss ipo --method lora --epochs 30 --batch-size 2 "
                  "--learning-rate 1e-2 --dtype f32 --json");
  ASSERT_EQ(trained.status, 0) << trained.error;
  EXPECT_NE(trained.error.find("read as preference pairs: 2 records; 2 pairs, "), std::string::npos)
      << trained.error;
  const auto evaluated = run_program("eval --run " + at("run") + " --data " + at("pairs.csv") +
                                     " --objective dpo --dtype f32 --json");  // the rest is the run's
  ASSERT_EQ(evaluated.status, 0) << evaluated.error;
  const Json result = parse_json(evaluated.output, "output");
  EXPECT_NEAR(result.at("loss").get<double>(),
              parse_json(trained.output, "output").at("train_loss").get<double>(), 0.05);
  EXPECT_EQ(result.at("rewards_accuracy"), 1.0);
  EXPECT_EQ(result.at("pairs"), 2);
  const auto shown =
      run_program("inspect --run " + at("run") + " --data " + at("pairs.csv") + " --objective dpo --json");
  ASSERT_EQ(shown.status, 0) << shown.error;
  const Json pairs = parse_json(shown.output, "output").at("pairs");
  EXPECT_EQ(pairs.size(), 2U);
  EXPECT_LT(pairs.at(0).at("prompt_tokens"), pairs.at(0).at("chosen").at("tokens"));
}

TEST_F(Preference, WrongOptionsAreNamed) {
  const std::string train = "train " + model() + "--prompt-field q --out " + at("run") + " --train ";
  for (const auto& [options, message] : std::vector<std::pair<std::string, std::string>>{
           {at("pairs.csv"), "--objective dpo, orpo or simpo"},
           {at("pairs.csv") + " --beta 1", "belong to --objective"},
           {at("pairs.csv") + " --objective kto", "--objective 'kto'"},
           {at("pairs.csv") + " --objective dpo --label-smoothing 0.1", "--label-smoothing"},
           {at("pairs.csv") + " --objective dpo --completion-field q", "--completion-field"},
           {at("pairs.csv") + " --objective dpo --train-on-prompt", "--train-on-prompt"},
           {at("records.json") + " --objective dpo", "records.json:1: a pair is"}}) {
    const auto result = run_program(train + options);
    EXPECT_NE(result.status, 0) << options;
    EXPECT_NE(result.error.find(message), std::string::npos) << options << "\n" << result.error;
    EXPECT_FALSE(std::filesystem::exists(folder_ / "run")) << options;
  }
}

TEST_F(Preference, NamedFieldsAreKeptWithTheRun) {
  const auto trained =
      run_program("train " + model() + "--train " + at("records.json") + " --out " + at("run") +
                  " --prompt-template '{ask} ' --completion-field reply --method lora --epochs 1 "
                  "--dtype f32 --json");
  ASSERT_EQ(trained.status, 0) << trained.error;
  const auto evaluated =
      run_program("eval --run " + at("run") + " --data " + at("records.json") + " --dtype f32 --json");
  ASSERT_EQ(evaluated.status, 0) << evaluated.error;
  EXPECT_EQ(parse_json(evaluated.output, "output").at("sequences"), 2);
}

}  // namespace
}  // namespace cola
