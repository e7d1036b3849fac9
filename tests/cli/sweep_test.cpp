// cola sweep as its user meets it.
#include <gtest/gtest.h>

#include "cli/tiny_sweep.h"

namespace cola::test {
namespace {

constexpr const char* plan_text = R"(
name = "tiny"
seeds = [0, 1]
gain-over = "lora"
num-test = 6
[train]
epochs = 2
num-train = 8
num-dev = 4
lora-r = 2
[[method]]
method = "lora"
learning-rate = [1e-3, 1e-2]
[[method]]
method = "cola"
learning-rate = 1e-2
[[method]]
method = "icl"
demonstrations = 1
)";

/// Exit status of a shell command.
int run_shell(const std::string& command) {
  const int status = std::system(command.c_str());  // NOLINT(cert-env33-c): the tests' own commands
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

class SweepTables : public TinySweep {
 protected:
  /// Two tasks of 7 trials.
  void SetUp() override {
    TinySweep::SetUp();
    write_plan("[" + task("choice") + ", " + task("answer") + "]", plan_text);
  }

  /// Lets `run` run the trials of the folder FORM by what --emit FORM prints for it, which it finds in the
  /// file "emitted".
  template <class Run>
  void expect_emitted_trials_do(const std::string& form, const Run& run) {
    const auto emitted = run_program(sweep(form) + " --emit " + form);
    ASSERT_EQ(emitted.status, 0) << emitted.error;
    write_text_file(folder_ / "emitted", emitted.output);
    run();
    const auto collected = run_program("sweep --collect --out " + quoted(folder_ / form));
    EXPECT_EQ(collected.status, 0) << collected.error;
    expect_same_tables(form, "reference");
    EXPECT_FALSE(std::filesystem::exists(folder_ / form / "running"));
  }

  /// As Slurm would: each task of the array runs the script with its own number.
  void run_job_array() const {
    const std::string file = quoted(folder_ / "emitted");
    const std::string script = read_text_file(folder_ / "emitted");
    EXPECT_TRUE(
        script.starts_with("#!/bin/bash\n#SBATCH --job-name=cola-tiny\n#SBATCH --array=0-13\n"
                           "#SBATCH --cpus-per-task=1\n#SBATCH --signal=B:TERM@60\n"))
        << script;
    EXPECT_EQ(run_shell("bash -n " + file), 0);
    EXPECT_NE(run_shell("unset SLURM_ARRAY_TASK_ID; bash " + file + " 2>/dev/null"), 0);
    for (int i = 0; i < 14; ++i)
      EXPECT_EQ(run_shell("SLURM_ARRAY_TASK_ID=" + std::to_string(i) + " bash " + file + " 2>/dev/null"), 0);
  }
};

TEST(SweepVerb, RefusesAnImpossiblePlanBeforeAnythingRuns) {
  const TemporaryFolder folder;
  write_text_file(folder / "plan.toml",
                  "tasks = ['cb', 'mnist']\nseeds = []\n[[method]]\nmethod = 'lora'\n"
                  "learning-rate = []\n");
  const auto result = run_program("sweep '" + (folder / "plan.toml").string() + "' --out '" +
                                  (folder / "out").string() + "' --set model=/nowhere data=/nowhere");
  EXPECT_EQ(result.status, 2);
  EXPECT_NE(result.error.find("mnist"), std::string::npos) << result.error;
  EXPECT_NE(result.error.find("'seeds'"), std::string::npos) << result.error;
  EXPECT_NE(result.error.find("/nowhere"), std::string::npos) << result.error;
  EXPECT_FALSE(std::filesystem::exists(folder / "out"));
}

TEST_F(SweepTables, TrainedAndTestedLinksAreThoseOfTheRun) {
  ASSERT_EQ(run_program(sweep("out") + " --emit commands").status, 0);
  const std::string id = "choice-cola-lr1e-2-seed0";
  const auto run = run_program("sweep --out " + quoted(folder_ / "out") + " --trial " + id);
  ASSERT_EQ(run.status, 0) << run.error;
  const auto trial = folder_ / "out" / "trials" / id;
  const Json test = read_json_file(trial / "test.json");
  EXPECT_EQ(test.at("links"), 2);
  EXPECT_EQ(test.at("tested_links"), read_json_file(trial / "best" / "cola_state.json").at("links"));
}

TEST_F(SweepTables, EvaluationTriesItsPredictionsFileFirst) {
  const auto result = run_program("eval --model /nowhere --task choice.toml --predictions " +
                                  quoted(folder_ / "plan.toml" / "p.jsonl"));
  EXPECT_EQ(result.status, 1);
  EXPECT_NE(result.error.find("cannot write into folder"), std::string::npos) << result.error;
  EXPECT_EQ(
      run_program("eval --model /nowhere --task choice.toml --predictions " + quoted(folder_.path())).status,
      2);
}

TEST_F(SweepTables, KnotsThatCannotComeAreToldOf) {
  const auto result =
      run_program("train --model " + quoted(folder_ / "model") + " --task " + task("choice") +
                  " --num-train 8 --num-dev 4 --epochs 2 --knots auto --min-link-steps 999999 --out " +
                  quoted(folder_ / "run"));
  EXPECT_EQ(result.status, 0) << result.error;
  EXPECT_NE(result.error.find("--knots auto ties nothing here"), std::string::npos) << result.error;
}

TEST_F(SweepTables, WarmUpsThatALinkNeverLeavesAreToldOfBeforeTheTrials) {
  const std::string command = sweep("warm") + " --dry-run --set train.warmup-steps=99";
  const auto told = run_program(command);
  EXPECT_EQ(told.status, 0) << told.error;
  std::size_t notes = 0;
  for (std::size_t at = 0; (at = told.error.find("--warmup-steps 99 are", at)) != std::string::npos; ++at)
    ++notes;
  EXPECT_EQ(notes, 4U) << told.error;  // two tasks, two methods that train
  EXPECT_EQ(run_program(command + " --quiet").error, "");
  EXPECT_EQ(run_program(sweep("warm") + " --dry-run").error, "");
}

TEST_F(SweepTables, DoNotDependOnWorkersOrOnWhoRunsTheTrials) {
  const auto reference = run_program(sweep("reference") + " --quiet");
  ASSERT_EQ(reference.status, 0) << reference.error;
  EXPECT_EQ(reference.error, "");
  EXPECT_NE(reference.output.find("Method            choice"), std::string::npos) << reference.output;
  EXPECT_FALSE(std::filesystem::exists(folder_ / "reference" / "running"));
  ASSERT_EQ(run_program(sweep("two") + " --workers 2 --quiet").status, 0);
  expect_same_tables("two", "reference");
  expect_emitted_trials_do(
      "commands", [this] { EXPECT_EQ(run_shell("sh " + quoted(folder_ / "emitted") + " 2>/dev/null"), 0); });
  if (run_shell("bash -c true 2>/dev/null") != 0) GTEST_SKIP() << "no bash for the job array's script";
  expect_emitted_trials_do("slurm", [this] { run_job_array(); });
  const auto nothing_left = run_program(sweep("slurm") + " --emit slurm");
  EXPECT_EQ(nothing_left.status, 1);
  EXPECT_EQ(nothing_left.output, "");
  EXPECT_NE(nothing_left.error.find("--collect"), std::string::npos) << nothing_left.error;
}

// The one update at 1e30 leaves nothing but the dev set to find it by. Did a norm give zeros for what
// overflows, all logits would be equal and the loss finite.
TEST_F(SweepTables, ListARateThatDivergesAndDoNotRepeatIt) {
  write_plan("[" + task("choice") + ", " + task("answer") + "]", R"(
seeds = [0]
num-test = 6
[train]
max-steps = 1
num-train = 16
num-dev = 4
max-grad-norm = 0
[[method]]
method = "lora"
learning-rate = [1e-2, 1e30]
)");
  for (int i = 0; i < 2; ++i) {
    const auto result = run_program(sweep("out") + " --quiet");
    ASSERT_EQ(result.status, 0) << result.error;
    EXPECT_NE(result.output.find(
                  "Diverged, never chosen: 2 of 4 trials: choice-lora-lr1e30-seed0 answer-lora-lr1e30-seed0"),
              std::string::npos)
        << result.output;
  }
  for (const char* trial : {"choice-lora-lr1e30-seed0", "answer-lora-lr1e30-seed0"}) {
    const Json test = read_json_file(folder_ / "out" / "trials" / trial / "test.json");
    const auto diverged = test.at("diverged").get<std::string>();
    EXPECT_NE(diverged.find("the input of model.decoder.layers.0."), std::string::npos) << diverged;
  }
  for (const Json& row : read_json_file(folder_ / "out" / "results.json").at("rows"))
    EXPECT_EQ(row.at("learning_rate"), 1e-2);
}

TEST_F(SweepTables, TellFailedTrialsFromThoseThatHaveNotRun) {
  ASSERT_EQ(run_program(sweep("out") + " --emit commands").status, 0);  // leaves the plan there
  const auto collect = [&] { return run_program("sweep --collect --out " + quoted(folder_ / "out")); };
  const auto none = collect();
  EXPECT_EQ(none.status, 0) << none.error;
  EXPECT_NE(none.output.find("Not finished: 14 of 14 trials"), std::string::npos) << none.output;
  const auto trials = folder_ / "out" / "trials";
  std::filesystem::create_directories(trials / "choice-icl-seed0");
  write_text_file(trials / "choice-icl-seed0" / "error.txt", "the disk is full\nmore of it\n");
  std::filesystem::create_directories(trials / "answer-icl-seed0");
  write_text_file(trials / "answer-icl-seed0" / "test.json", "{");  // no sweep loses its tables over one file
  const auto failed = collect();
  EXPECT_EQ(failed.status, 1);
  EXPECT_NE(failed.error.find("2 of 14 trials failed"), std::string::npos) << failed.error;
  const std::string tables = read_text_file(folder_ / "out" / "results.txt");
  EXPECT_NE(tables.find("Not finished: 12 of 14 trials"), std::string::npos) << tables;
  EXPECT_NE(tables.find("choice-icl-seed0 (the disk is full)"), std::string::npos) << tables;
  EXPECT_NE(read_text_file(folder_ / "out" / "trials.csv").find("choice-icl-seed0,choice,icl,,,0,failed,"),
            std::string::npos);
}

TEST_F(SweepTables, ATrialThatFailsAloneSaysSoInItsFolder) {
  ASSERT_EQ(run_program(sweep("out") + " --emit commands").status, 0);
  std::filesystem::remove(folder_ / "model" / "model.safetensors");
  const auto run = run_program("sweep --out " + quoted(folder_ / "out") + " --trial choice-icl-seed0");
  EXPECT_EQ(run.status, 1);
  const auto file = folder_ / "out" / "trials" / "choice-icl-seed0" / "error.txt";
  ASSERT_TRUE(std::filesystem::exists(file));
  EXPECT_NE(run.error.find(read_text_file(file)), std::string::npos) << run.error;
}

// vary = "seed" with data-seed and a row without training ended in exit status 1, after all the training.
TEST_F(SweepTables, PairRowsWithoutTrainingWithEverySeedOfTheirSplit) {
  write_plan("[" + task("choice") + "]", R"(
seeds = [0, 1]
vary = "seed"
num-test = 6
gain-over = "zero-shot"
[train]
epochs = 1
num-train = 8
num-dev = 4
data-seed = 5
[[method]]
method = "lora"
[[method]]
method = "zero-shot"
)");
  const auto result = run_program(sweep("out") + " --quiet");
  ASSERT_EQ(result.status, 0) << result.error << result.output;
  const Json results = read_json_file(folder_ / "out" / "results.json");
  ASSERT_EQ(results.at("tests").size(), 1U);
  EXPECT_EQ(results.at("tests")[0].at("seeds"), 2);
  EXPECT_EQ(results.at("tests")[0].at("questions"), 6);
}

TEST_F(SweepTables, AreOfOnePlan) {
  ASSERT_EQ(run_program(sweep("reference") + " --emit commands").status, 0);  // leaves the plan there
  const auto other = run_program(sweep("reference") + " --set train.epochs=3");
  EXPECT_EQ(other.status, 2);
  EXPECT_NE(other.error.find("train.epochs"), std::string::npos) << other.error;
  EXPECT_EQ(run_program(sweep("reference") + " --set train.epochs=3 --dry-run").status, 2);
  std::filesystem::create_directory(folder_ / "other");
  write_text_file(folder_ / "other" / "notes", "mine");
  const auto foreign = run_program(sweep("other"));
  EXPECT_EQ(foreign.status, 2);
  EXPECT_NE(foreign.error.find("no sweep's folder"), std::string::npos) << foreign.error;
  EXPECT_FALSE(std::filesystem::exists(folder_ / "other" / "running"));
  const auto trial = run_program(sweep("reference") + " --trial choice-lora-lr1e-3-seed0");
  EXPECT_EQ(trial.status, 2);
  EXPECT_NE(trial.error.find("name no plan"), std::string::npos) << trial.error;
  EXPECT_EQ(run_program("sweep --trial '' --out " + quoted(folder_ / "reference")).status, 2);
}

}  // namespace
}  // namespace cola::test
