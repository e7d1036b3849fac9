// init -> train -> resume -> eval -> generate -> inspect on a tiny random model.
#include <gtest/gtest.h>

#include <cmath>
#include <fstream>

#include "cli/letter_tokenizer.h"
#include "cli/program.h"
#include "io/json.h"
#include "support/files.h"

namespace cola {
namespace {

using test::run_program;

std::string quoted(const std::filesystem::path& path) { return "'" + path.string() + "'"; }

void expect_keys(const Json& json, std::initializer_list<const char*> keys) {
  for (const char* key : keys) EXPECT_TRUE(json.contains(key)) << key << " in " << json;
}

class Journey : public testing::TestWithParam<const char*> {
 protected:
  void SetUp() override {
    std::ofstream(folder_ / "shape.json") << GetParam();
    test::write_letter_tokenizer(folder_ / "tokenizer");
    std::ofstream data(folder_ / "data.jsonl");
    for (int i = 0; i < 12; ++i) {
      data << R"({"input_ids": [2, )" << 3 + i % 5 << ", " << 4 + i % 7 << ", 9, " << 5 + i % 3 << "]}\n";
    }
    data.close();
    const auto made =
        run_program("init --shape " + quoted(folder_ / "shape.json") + " --seed 3 --tokenizer " +
                    quoted(folder_ / "tokenizer") + " --out " + quoted(model()) + " --json");
    ASSERT_EQ(made.status, 0) << made.error;
    expect_keys(parse_json(made.output, "init"), {"model", "parameters", "dtype", "seed"});
  }

  [[nodiscard]] std::filesystem::path model() const { return folder_ / "model"; }
  [[nodiscard]] std::string train_command(const std::string& run, const std::string& more) const {
    const std::string data = quoted(folder_ / "data.jsonl");
    return "train --model " + quoted(model()) + " --train " + data + " --dev " + data + " --out " +
           quoted(folder_ / run) + " --epochs 2 --batch-size 4 --lora-r 2 --learning-rate 1e-2 --threads 1 " +
           more;
  }
  [[nodiscard]] Json evaluated(const std::string& more) const {
    const auto result =
        run_program("eval --data " + quoted(folder_ / "data.jsonl") + " --json --threads 1 " + more);
    EXPECT_EQ(result.status, 0) << result.error;
    return parse_json(result.output, "eval");
  }

  test::TemporaryFolder folder_;
};

TEST_P(Journey, InitIsAFunctionOfTheSeedAndOverwritesNothing) {
  const std::string shape = "init --shape " + quoted(folder_ / "shape.json");
  const auto weights = [&](const char* name) { return read_text_file(folder_ / name / "model.safetensors"); };
  ASSERT_EQ(run_program(shape + " --seed 3 --out " + quoted(folder_ / "same")).status, 0);
  ASSERT_EQ(run_program(shape + " --seed 4 --out " + quoted(folder_ / "other")).status, 0);
  EXPECT_EQ(weights("model"), weights("same"));
  EXPECT_NE(weights("model"), weights("other"));
  const auto again = run_program(shape + " --out " + quoted(model()));
  EXPECT_EQ(again.status, 2);
  EXPECT_NE(again.error.find("already exists"), std::string::npos) << again.error;
  for (const char* dtype : {"bf16", "f16"}) {
    ASSERT_EQ(run_program(shape + " --dtype " + dtype + " --out " + quoted(folder_ / dtype)).status, 0);
    EXPECT_LT(weights(dtype).size(), weights("model").size());
    EXPECT_TRUE(std::isfinite(evaluated("--model " + quoted(folder_ / dtype)).at("loss").get<double>()));
  }
}

TEST_P(Journey, TrainsEvaluatesGeneratesAndInspects) {
  const Json before = evaluated("--model " + quoted(model()));
  expect_keys(before, {"loss", "perplexity", "token_accuracy", "loss_tokens", "sequences", "links"});
  EXPECT_EQ(before.at("sequences"), 12);
  EXPECT_EQ(before.at("loss_tokens"), 48);

  const auto trained = run_program(train_command("run", "--json --quiet"));
  ASSERT_EQ(trained.status, 0) << trained.error;
  EXPECT_EQ(trained.error, "");
  const Json result = parse_json(trained.output, "train");
  expect_keys(result, {"run", "steps", "links", "train_loss", "dev_loss", "best_dev_loss", "seconds",
                       "tokens", "trained_parameters", "hf_flos", "real_flops", "peak_rss_bytes"});
  EXPECT_EQ(result.at("steps"), 6);
  EXPECT_EQ(result.at("links"), 2);

  const std::string run = "--run " + quoted(folder_ / "run");
  const Json best = evaluated(run);
  EXPECT_LT(best.at("loss"), before.at("loss"));
  // best/ is merged from one factored adapter, training merged link by link: f32 rounding apart.
  EXPECT_NEAR(best.at("loss").get<double>(), result.at("best_dev_loss").get<double>(), 1e-5);
  EXPECT_EQ(evaluated(run + " --up-to-link 1").at("links"), 1);
  EXPECT_EQ(evaluated(run + " --state last").at("links"), 2);
  const auto shown = run_program("eval " + run + " --data " + quoted(folder_ / "data.jsonl"));
  EXPECT_NE(shown.error.find("links, |delta W|"), std::string::npos) << shown.error;

  const std::string generate =
      "generate " + run + " --prompt 'a cat' --max-new-tokens 8 --temperature 1 --json";
  const auto generated = run_program(generate);
  ASSERT_EQ(generated.status, 0) << generated.error;
  expect_keys(parse_json(generated.output, "generate"), {"text", "tokens", "tokens_per_second"});
  EXPECT_EQ(parse_json(run_program(generate).output, "again").at("text"),
            parse_json(generated.output, "generate").at("text"));

  const auto inspected = run_program("inspect " + run + " --json");
  ASSERT_EQ(inspected.status, 0) << inspected.error;
  const Json description = parse_json(inspected.output, "inspect");
  EXPECT_EQ(description.at("links").size(), 2U);
  EXPECT_EQ(description.at("links")[0].at("tied_at"), 3);
  EXPECT_TRUE(description.at("links")[1].at("tied_at").is_null());
  EXPECT_EQ(description.at("log").back().at("event"), "end");
}

TEST_P(Journey, ResumeTakesTheRunsOptionsAndNoOthers) {
  ASSERT_EQ(run_program(train_command("run", "--quiet")).status, 0);
  const auto refused = run_program(train_command("run", ""));
  EXPECT_EQ(refused.status, 2);
  EXPECT_EQ(refused.output, "");
  EXPECT_NE(refused.error.find("--resume"), std::string::npos) << refused.error;
  const std::string resume = "train --resume --quiet --out " + quoted(folder_ / "run");
  EXPECT_EQ(run_program(resume).status, 0);
  EXPECT_EQ(run_program(resume + " --epochs 2").status, 0);
  const auto differs = run_program(resume + " --epochs 3");
  EXPECT_EQ(differs.status, 2);
  EXPECT_NE(differs.error.find("--epochs differs"), std::string::npos) << differs.error;
  EXPECT_NE(differs.error.find("--extend " + (folder_ / "run").string()), std::string::npos) << differs.error;
  const auto other_rate = run_program(resume + " --learning-rate 3");
  EXPECT_EQ(other_rate.error.find("--extend"), std::string::npos) << other_rate.error;
  ASSERT_EQ(run_program(train_command("full", "--quiet --method full")).status, 0);
  const auto full = run_program("train --resume --out " + quoted(folder_ / "full") + " --epochs 3");
  EXPECT_NE(full.error.find("--model " + (folder_ / "full" / "last").string()), std::string::npos)
      << full.error;
}

// Before --decay-norms all decayed: config.toml had no such key.
TEST_P(Journey, ResumeGoesOnDecayingTheNormsOfAnOlderRun) {
  ASSERT_EQ(
      run_program(train_command("run", "--quiet --method full --weight-decay 0.1 --decay-norms")).status, 0);
  const auto config = folder_ / "run" / "config.toml";
  std::string text = read_text_file(config);
  const std::string key = "decay-norms = true";
  ASSERT_NE(text.find(key), std::string::npos) << text;
  std::ofstream(config) << text.erase(text.find(key), key.size());
  const std::string resume = "train --resume --quiet --out " + quoted(folder_ / "run");
  EXPECT_EQ(run_program(resume).status, 0);
  EXPECT_EQ(run_program(resume + " --decay-norms").status, 0);
  const auto refused = run_program(resume + " --decay-norms=false");
  EXPECT_EQ(refused.status, 2);
  EXPECT_NE(refused.error.find("--decay-norms differs"), std::string::npos) << refused.error;
}

TEST_P(Journey, AWarmUpThatOutlastsTheRunOrALinkIsSaid) {
  const auto said = [&](const char* run, const std::string& more) {
    const auto trained = run_program(train_command(run, more));
    EXPECT_EQ(trained.status, 0) << trained.error;
    const auto at = trained.error.find("--warmup-steps");
    return at == std::string::npos ? std::string()
                                   : trained.error.substr(at, trained.error.find('\n', at) - at);
  };
  EXPECT_EQ(said("longer", "--method lora --warmup-steps 10"),
            "--warmup-steps 10 are not over within the 6 steps of the run: its learning rate reaches 0.005, "
            "not 0.01");
  EXPECT_EQ(said("fits", "--method lora --warmup-steps 5"), "");
  EXPECT_EQ(said("link", "--knots 4 --lr-at-knot restart --warmup-steps 2"),
            "--warmup-steps 2 are not over within link 2 (steps 5 to 6): the learning rate there reaches "
            "0.005, not 0.01");
  EXPECT_EQ(said("goes_on", "--knots 4 --warmup-steps 2"), "");
}

TEST_P(Journey, TheCommandLineWinsOverTheConfigurationFile) {
  std::ofstream(folder_ / "options.toml") << "links = 3\nranks = [1, 2, 1]\nmethod = \"cola\"\n";
  const auto trained = run_program(
      train_command("run", "--quiet --json --ranks 2,1,2 --config " + quoted(folder_ / "options.toml")));
  ASSERT_EQ(trained.status, 0) << trained.error;
  EXPECT_EQ(parse_json(trained.output, "train").at("links"), 3);
  const Json run =
      parse_json(run_program("inspect --json --run " + quoted(folder_ / "run")).output, "inspect");
  EXPECT_EQ(run.at("links")[0].at("ranks"), Json::array({2}));
  EXPECT_EQ(run.at("links")[1].at("ranks"), Json::array({1}));
}

TEST_P(Journey, APatternMayHaveCommas) {
  const auto trained = run_program(train_command(
      "run", R"(--quiet --target-modules 'k_proj,.*layers\.[0-9]{1,2}\.(fc2|mlp\.down_proj)')"));
  ASSERT_EQ(trained.status, 0) << trained.error;
  const Json run =
      parse_json(run_program("inspect --json --run " + quoted(folder_ / "run")).output, "inspect");
  EXPECT_EQ(run.at("links")[0].at("targets").size(), 2U);
  EXPECT_EQ(run.at("links")[0].at("modules"), 4);
}

TEST_P(Journey, EvaluatesDataAsTheRunReadsIt) {
  std::ofstream(folder_ / "data.jsonl") << R"({"prompt": "a cat ate", "completion": " a hat"})" << "\n";
  ASSERT_EQ(run_program(train_command("run", "--quiet --train-on-prompt --no-eos")).status, 0);
  const std::string run = "--run " + quoted(folder_ / "run");
  const std::string plain = "--model " + quoted(model());
  const Json tokens = evaluated(run).at("loss_tokens");
  EXPECT_EQ(tokens, evaluated(plain + " --train-on-prompt --no-eos").at("loss_tokens"));
  EXPECT_NE(tokens, evaluated(plain).at("loss_tokens"));
  EXPECT_EQ(evaluated(run + " --train-on-prompt=false --no-eos=false").at("loss_tokens"),
            evaluated(plain).at("loss_tokens"));
}

TEST_P(Journey, AKilledRunIsWhatItsNewestCheckpointHolds) {
  const auto trained = run_program(train_command("run", "--quiet --method lora --save-steps 5"));
  ASSERT_EQ(trained.status, 0) << trained.error;
  const auto run = folder_ / "run";
  const double loss = evaluated("--run " + quoted(run) + " --state last").at("loss").get<double>();
  // As a kill would leave it: links/ as at the start, neither best/ nor last/.
  const auto start = folder_ / "start";
  ASSERT_EQ(run_program(train_command("start", "--quiet --method lora --max-steps 1")).status, 0);
  std::filesystem::remove_all(run / "best");
  std::filesystem::remove_all(run / "last");
  std::filesystem::remove_all(run / "links");
  std::filesystem::copy(start / "links", run / "links", std::filesystem::copy_options::recursive);
  EXPECT_NEAR(evaluated("--run " + quoted(run)).at("loss").get<double>(), loss, 1e-6);  // f32 rounding
  const auto shown = run_program("eval --run " + quoted(run) + " --data " + quoted(folder_ / "data.jsonl"));
  EXPECT_NE(shown.error.find("checkpoint 6 of an unfinished run"), std::string::npos) << shown.error;
}

TEST_P(Journey, WeightsThatAreNoNumbersOrGiveNoneAreAnError) {
  const auto error_with = [&](const std::string& last_number) {
    std::string end;
    for (int i = 0; i < 640; ++i) end += last_number;
    std::fstream(model() / "model.safetensors", std::ios::binary | std::ios::in | std::ios::out)
            .seekp(-static_cast<std::streamoff>(end.size()), std::ios::end)
        << end;
    const auto result =
        run_program("eval --json --data " + quoted(folder_ / "data.jsonl") + " --model " + quoted(model()));
    EXPECT_EQ(result.status, 1);
    return result.error;
  };
  const std::string no_number = error_with("\xff\xff\xff\xff");
  EXPECT_NE(no_number.find("has to be finite"), std::string::npos) << no_number;
  const std::string largest = error_with("\xff\xff\x7f\x7f");
  EXPECT_NE(largest.find("the loss is"), std::string::npos) << largest;
}

TEST_P(Journey, ShowsModelAdapterAndData) {
  const Json description =
      parse_json(run_program("inspect --json --model " + quoted(model())).output, "model");
  expect_keys(description, {"architecture", "parameters", "hidden_size", "dtype", "files", "tokenizer"});
  EXPECT_EQ(description.at("tokenizer").at("eos"), 2);
  const std::string data =
      "inspect --count 1 --model " + quoted(model()) + " --data " + quoted(folder_ / "data.jsonl");
  const Json sequences = parse_json(run_program(data + " --json").output, "data").at("sequences");
  ASSERT_EQ(sequences.size(), 1U);
  EXPECT_EQ(sequences[0].at("ids"), (Json{2, 3, 4, 9, 5}));
  EXPECT_EQ(sequences[0].at("trained"), (Json{false, true, true, true, true}));
  const auto text = run_program(data);
  EXPECT_NE(text.output.find("</s> [<unk>] [\u0120] [e] [a]"), std::string::npos) << text.output;
  EXPECT_EQ(text.output.find('\x1b'), std::string::npos);  // colour only on a terminal
}

TEST_P(Journey, AnAdapterOfAnotherModelIsAnError) {
  ASSERT_EQ(run_program(train_command("run", "--quiet --method lora")).status, 0);
  const auto adapter = folder_ / "run" / "last";
  EXPECT_EQ(evaluated("--model " + quoted(model()) + " --adapter " + quoted(adapter)).at("links"), 1);
  auto shape = parse_json(GetParam(), "shape");
  shape["num_hidden_layers"] = 1;  // the adapter has two
  std::ofstream(folder_ / "small.json") << shape;
  ASSERT_EQ(
      run_program("init --shape " + quoted(folder_ / "small.json") + " --out " + quoted(folder_ / "small"))
          .status,
      0);
  const auto refused = run_program("eval --model " + quoted(folder_ / "small") + " --adapter " +
                                   quoted(adapter) + " --data " + quoted(folder_ / "data.jsonl"));
  EXPECT_EQ(refused.status, 1);
  EXPECT_NE(refused.error.find("on this model"), std::string::npos) << refused.error;
  EXPECT_NE(refused.error.find(adapter.string()), std::string::npos) << refused.error;
}

TEST_P(Journey, AFullRunIsAModelOfItsOwn) {
  const auto trained = run_program(train_command("full", "--quiet --json --method full"));
  ASSERT_EQ(trained.status, 0) << trained.error;
  const Json result = parse_json(trained.output, "train");
  const Json best = evaluated("--run " + quoted(folder_ / "full"));
  EXPECT_EQ(best.at("links"), 0);
  EXPECT_NEAR(best.at("loss").get<double>(), result.at("best_dev_loss").get<double>(), 1e-6);
}

TEST_P(Journey, AClosedOrFullStandardOutputIsNoCrash) {
  const std::string inspect = "'" + test::program() + "' inspect --model " + quoted(model());
  const auto status = folder_ / "status";
  // `true` has long ended when the program writes.
  const std::string piped = "{ sleep 0.3; " + inspect + "; echo $? >" + quoted(status) + "; } | true";
  ASSERT_EQ(std::system(piped.c_str()), 0);  // NOLINT(cert-env33-c)
  EXPECT_EQ(read_text_file(status), "0\n");
  if (std::filesystem::exists("/dev/full")) {
    const std::string full = inspect + " >/dev/full 2>/dev/null";
    EXPECT_EQ(WEXITSTATUS(std::system(full.c_str())), 1);  // NOLINT(cert-env33-c)
  }
}

constexpr const char* opt_shape = R"({"model_type": "opt", "vocab_size": 40, "hidden_size": 16, "ffn_dim": 24,
  "num_hidden_layers": 2, "num_attention_heads": 2, "max_position_embeddings": 32, "do_layer_norm_before": true})";
constexpr const char* llama_shape = R"({"model_type": "llama", "vocab_size": 40, "hidden_size": 16,
  "intermediate_size": 24, "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2,
  "max_position_embeddings": 32, "rms_norm_eps": 1e-5})";
TEST_P(Journey, EventFilesFollowTheLogAndARunCanBeReported) {
  const auto trained = run_program(train_command("run", "--quiet --tensorboard"));
  ASSERT_EQ(trained.status, 0) << trained.error;
  std::vector<std::filesystem::path> files;
  for (const auto& entry : std::filesystem::directory_iterator(folder_ / "run" / "tensorboard"))
    files.push_back(entry.path());
  ASSERT_EQ(files.size(), 1U);
  const std::string events = read_text_file(files.front());
  std::size_t steps = 0;
  for (std::size_t at = events.find("train/loss"); at != std::string::npos;
       at = events.find("train/loss", at + 1))
    ++steps;
  EXPECT_EQ(steps, 6U);  // 12 examples in batches of 4, twice
  EXPECT_NE(events.find("dev/loss"), std::string::npos);

  if (std::system("gnuplot --version >/dev/null 2>&1") != 0) return;  // NOLINT(cert-env33-c)
  const auto report =
      run_program("report " + quoted(folder_ / "run") + " --json --out " + quoted(folder_ / "report.html"));
  ASSERT_EQ(report.status, 0) << report.error;
  const Json json = parse_json(report.output, "report");
  EXPECT_EQ(json.at("plot_count"), 2);
  EXPECT_EQ(json.at("bytes"), std::filesystem::file_size(folder_ / "report.html"));
}

INSTANTIATE_TEST_SUITE_P(Architectures, Journey, testing::Values(opt_shape, llama_shape),
                         [](const auto& info) { return std::string(info.index == 0 ? "opt" : "llama"); });

}  // namespace
}  // namespace cola
