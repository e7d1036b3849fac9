// Training in several processes: the same losses as in one, and nothing lost when one of them is.
#include <gtest/gtest.h>

#include <chrono>
#include <csignal>
#include <thread>

#include "cli/program.h"
#include "support/child_process.h"
#include "train/options_toml.h"
#include "train/small_run.h"

namespace cola {
namespace {

using test::run_program;

std::string quoted(const std::filesystem::path& path) { return "'" + path.string() + "'"; }

struct Case {
  std::string name;
  int processes = 2;
  void (*set)(TrainOptions& options);
};

void PrintTo(const Case& test_case, std::ostream* stream) { *stream << test_case.name; }

class SeveralProcesses : public testing::Test {
 protected:
  void SetUp() override {
    if (std::string(COLA_MPIRUN).empty()) GTEST_SKIP() << "MPI is off, or there is no mpirun";
    options = test::small_options(folder.path());
    options.knots = "";
    options.method = "lora";
  }

  /// mpirun's command line up to the program.
  static std::string mpirun(int processes) { return COLA_MPIRUN + (" " + std::to_string(processes)) + " "; }
  static std::string in_processes(int processes, const std::string& arguments) {
    return (processes == 1 ? "" : mpirun(processes)) + "'" + test::program() + "' " + arguments;
  }
  [[nodiscard]] std::string train_arguments(const std::string& run) {
    options.out = folder / run;
    const auto config = folder / (run + ".toml");
    write_text_file(config, to_toml(options));
    return "train --config " + quoted(config);
  }
  /// A run in RUN, which has to succeed.
  void train_in(int processes, const std::string& run, const std::string& more = "--quiet") {
    const auto result = test::run_command(in_processes(processes, train_arguments(run) + " " + more));
    ASSERT_EQ(result.status, 0) << result.error;
  }
  void resume_in(int processes, const std::string& run) {
    resumed = test::run_command(in_processes(processes, "train --resume --out " + quoted(folder / run)));
    ASSERT_EQ(resumed.status, 0) << resumed.error;
  }
  void remove_checkpoints_after(const std::string& run, std::int64_t step) const {
    const RunFolder result{folder / run};
    for (const auto saved : result.checkpoint_steps()) {
      if (saved > step) std::filesystem::remove_all(result.checkpoint(saved));
    }
  }

  /// 1e-5: f32 rounding of other batches and another order of sums.
  void expect_same_losses(const std::string& actual, const std::string& expected) const {
    const auto compare = [&](const char* event, const char* key, double tolerance) {
      const auto values = test::values(folder / actual, event, key);
      const auto wanted = test::values(folder / expected, event, key);
      ASSERT_EQ(values.size(), wanted.size()) << event;
      for (std::size_t i = 0; i < wanted.size(); ++i)
        EXPECT_NEAR(values[i], wanted[i], tolerance) << event << " " << i << ": " << key;
    };
    compare("step", "loss", 1e-5);
    compare("step", "step", 0.0);
    compare("step", "tokens", 0.0);
    compare("step", "link", 0.0);
    compare("step", "hf_flos", 0.0);
    compare("step", "real_flops", 0.0);
    compare("eval", "dev_loss", 1e-5);
    compare("end", "best_dev_loss", 1e-5);
    compare("knot", "delta_norm", 1e-4);
    compare("knot", "step", 0.0);
    EXPECT_EQ(test::events(folder / actual, "end").front().at("stopped_early"),
              test::events(folder / expected, "end").front().at("stopped_early"));
  }

  test::TemporaryFolder folder;
  TrainOptions options;
  test::ProgramResult resumed;
};

class SameLosses : public SeveralProcesses, public testing::WithParamInterface<Case> {};

TEST_P(SameLosses, AsInOneProcess) {
  test::add_dev(options);
  GetParam().set(options);
  train_in(1, "one");
  train_in(GetParam().processes, "several");
  expect_same_losses("several", "one");
}

void set_everything(TrainOptions& options) {
  options.method = "cola";
  options.knots = "2,5";
  options.batch_size = 3;
  options.gradient_accumulation_steps = 2;
  options.micro_batch_size = 1;
  options.dropout = "0.1";
  options.lora_dropout = 0.1;
  options.target_modules = {"all-linear"};
  options.bias = "lora_only";
  options.max_grad_norm = 0.5;
}

const std::vector<Case> cases{
    {"Lora", 2, [](TrainOptions& /*options*/) {}},
    {"ColaAcrossAKnot", 2, [](TrainOptions& options) { options.method = "cola", options.knots = "5"; }},
    {"Full", 2, [](TrainOptions& options) { options.method = "full", options.learning_rate = 1e-4; }},
    {"Everything", 2, set_everything},
    {"EverythingInThree", 3, set_everything},
    {"UnevenShares", 2, [](TrainOptions& options) { options.batch_size = 3; }},
    {"FewerSequencesThanProcesses", 3, [](TrainOptions& options) { options.batch_size = 2; }},
    {"OneSequenceAcrossAKnot", 2,
     [](TrainOptions& options) { options.batch_size = 1, options.method = "cola", options.knots = "5"; }},
    {"StallingLinks", 2,
     [](TrainOptions& options) {
       options.method = "cola", options.knots = "auto", options.min_link_steps = 2;
       options.stall_threshold = 0.05;
     }},
    {"EarlyStopping", 2,
     [](TrainOptions& options) {
       options.learning_rate = 0.5, options.max_grad_norm = 0.0, options.optimizer = "sgd";
       options.early_stopping_patience = 1, options.eval_steps = 1;
     }},
};
INSTANTIATE_TEST_SUITE_P(, SameLosses, testing::ValuesIn(cases),
                         [](const auto& info) { return info.param.name; });

/// A task on the demo's model: candidates, or an answer to be generated.
class SeveralProcessesOnATask : public SeveralProcesses {
 protected:
  void write_task(const std::string& answers) {
    options.train.clear();
    options.model = test::test_files() / ".." / ".." / "share" / "demo" / "model";
    options.task = (folder / "colours.toml").string();
    options.num_train = 13;
    options.num_dev = 5;
    options.epochs = 2;
    options.learning_rate = 1e-2;
    test::write_text_file_at(folder / "colours.toml",
                             "train = \"train.jsonl\"\nvalidation = \"train.jsonl\"\n"
                             "prompt = \"{premise}\\nIs it red?\\n\"\n" +
                                 answers);
    std::string lines;
    for (int i = 0; i < 18; ++i) {
      lines +=
          Json{{"premise", "The ball is by the " + std::string(static_cast<std::size_t>(i % 5 + 1), 'x')},
               {"label", i % 3},
               {"answer", i % 2 == 0 ? "yes" : "no"}}
              .dump() +
          "\n";
    }
    test::write_text_file_at(folder / "train.jsonl", lines);
  }
};

TEST_F(SeveralProcessesOnATask, CandidatesTrainTheSame) {
  write_task("candidates = [\"True\", \"False\", \"Not known at all\"]\nlabel = \"label\"\n");
  options.dropout = "0.1";
  train_in(1, "one");
  train_in(2, "several");
  expect_same_losses("several", "one");
  EXPECT_EQ(test::values(folder / "several", "eval", "dev_score"),
            test::values(folder / "one", "eval", "dev_score"));
}

TEST_F(SeveralProcessesOnATask, AnswersTrainTheSame) {
  write_task("answers = \"answer\"\n");
  train_in(1, "one");
  train_in(2, "several");
  expect_same_losses("several", "one");
  EXPECT_EQ(test::values(folder / "several", "eval", "dev_score"),
            test::values(folder / "one", "eval", "dev_score"));
}

TEST_F(SeveralProcesses, TheSameBitsEveryTimeAndOneResult) {
  set_everything(options);
  test::add_dev(options);
  train_in(2, "first");
  train_in(2, "second");
  test::expect_same_run(folder / "second", folder / "first");
  const auto shown = test::run_command(in_processes(2, train_arguments("third") + " --json"));
  ASSERT_EQ(shown.status, 0) << shown.error;
  EXPECT_EQ(parse_json(shown.output, "train").at("steps"), 9);
  EXPECT_NE(shown.error.find("in each of 2 processes"), std::string::npos) << shown.error;
  EXPECT_EQ(test::events(folder / "third", "start").front().at("processes"), 2);
}

TEST_F(SeveralProcesses, ResumesWithAsManyBitExactlyAndWithOneToRounding) {
  set_everything(options);
  test::add_dev(options);
  options.save_steps = 1;
  options.save_total_limit = 99;
  train_in(2, "whole");
  for (const char* run : {"as many", "one"}) {
    std::filesystem::copy(folder / "whole", folder / run, std::filesystem::copy_options::recursive);
    remove_checkpoints_after(run, 3);
  }
  resume_in(2, "as many");
  test::expect_same_run(folder / "as many", folder / "whole");
  EXPECT_EQ(resumed.error.find("note: the run had"), std::string::npos) << resumed.error;
  resume_in(1, "one");
  expect_same_losses("one", "whole");
  EXPECT_NE(resumed.error.find("the run had 2 processes so far, now 1"), std::string::npos) << resumed.error;
}

/// A long run in two processes; the shell that starts rank R writes its process id into FOLDER/R.
class TwoToBeStopped : public SeveralProcesses {
 protected:
  std::unique_ptr<test::ChildProcess> start() {
    set_everything(options);
    options.epochs = 100;
    options.knots = "2,7";
    options.save_steps = 5;
    const std::string ids = "echo \\$\\$ >" + quoted(folder.path()) + "/\\$OMPI_COMM_WORLD_RANK; exec ";
    const std::string command = "exec " + mpirun(2) + "sh -c \"" + ids + "'" + test::program() + "' " +
                                train_arguments("stopped") + "\"";
    return std::make_unique<test::ChildProcess>("/bin/sh", std::vector<std::string>{"sh", "-c", command},
                                                std::vector<std::string>(), folder / "stderr");
  }
  /// The process of a rank, once the run has come to a checkpoint.
  pid_t rank_in_training(test::ChildProcess& launcher, int rank) {
    while (launcher.is_running() && RunFolder{folder / "stopped"}.checkpoint_steps().empty())
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    EXPECT_TRUE(launcher.is_running()) << launcher.error_text();
    return std::stoi(read_text_file(folder / std::to_string(rank)));
  }
  void expect_to_end_as_if_not_stopped() {
    const auto steps = RunFolder{folder / "stopped"}.checkpoint_steps();
    ASSERT_FALSE(steps.empty());
    EXPECT_LT(steps.back(), 300);
    resume_in(2, "stopped");
    EXPECT_NE(resumed.error.find("resumed at step " + std::to_string(steps.back())), std::string::npos)
        << resumed.error;
    train_in(2, "whole");
    test::expect_same_run(folder / "stopped", folder / "whole");
  }
};

TEST_F(TwoToBeStopped, BySignalToOne) {
  auto launcher = start();
  kill(rank_in_training(*launcher, 1), SIGTERM);
  EXPECT_EQ(launcher->wait(), 1);
  const std::string said = launcher->error_text();
  EXPECT_NE(said.find("checkpoint saved; go on with: cola train --resume"), std::string::npos) << said;
  EXPECT_EQ(said.find("stopped by a signal"), said.rfind("stopped by a signal")) << said;
  expect_to_end_as_if_not_stopped();
}

TEST_F(TwoToBeStopped, ByTheDeathOfOne) {
  auto launcher = start();
  kill(rank_in_training(*launcher, 1), SIGKILL);
  EXPECT_NE(launcher->wait(), 0);
  EXPECT_NE(launcher->error_text().find("rank 1"), std::string::npos) << launcher->error_text();
  expect_to_end_as_if_not_stopped();
}

TEST_F(SeveralProcesses, AFailureOfOneEndsAllWithItsError) {
  test::add_dev(options);
  options.save_steps = 1;
  // 20 kB: the checkpoint's tensors do not fit. XFSZ is ignored: writing fails instead.
  const std::string limited = mpirun(2) + "sh -c \"trap '' XFSZ; ulimit -f 40; exec '" + test::program() +
                              "' " + train_arguments("run") + "\"";
  const auto failed = test::run_command(limited);
  EXPECT_EQ(failed.status, 1);
  EXPECT_NE(failed.error.find("cola: error: rank 0: "), std::string::npos) << failed.error;
  EXPECT_NE(failed.error.find("File too large"), std::string::npos) << failed.error;
  resume_in(2, "run");
}

TEST_F(SeveralProcesses, AWrongOptionIsSaidOnce) {
  const auto refused = test::run_command(in_processes(2, train_arguments("run") + " --batch-size 0"));
  EXPECT_EQ(refused.status, 2) << refused.error;
  EXPECT_NE(refused.error.find("--batch-size is 0"), std::string::npos) << refused.error;
  EXPECT_EQ(refused.error.find("--batch-size is 0"), refused.error.rfind("--batch-size is 0"))
      << refused.error;
  EXPECT_FALSE(std::filesystem::exists(folder / "run"));
}

TEST_F(SeveralProcesses, OtherDataInOneIsRefused) {
  const std::string arguments = train_arguments("run");
  test::write_random_data(folder / "other.jsonl", 16, 99);
  const auto refused =
      test::run_command(mpirun(1) + "'" + test::program() + "' " + arguments + " : -n 1 '" + test::program() +
                        "' " + arguments + " --train " + quoted(folder / "other.jsonl"));
  EXPECT_EQ(refused.status, 1) << refused.error;
  EXPECT_NE(refused.error.find("rank 1 has training data of digest"), std::string::npos) << refused.error;
  EXPECT_FALSE(std::filesystem::exists(folder / "run"));
}

TEST_F(SeveralProcesses, ALauncherThatMpiDoesNotSeeIsNamed) {
  const auto refused =
      test::run_command("env PMI_SIZE=2 PMI_RANK=0 " + in_processes(1, train_arguments("run")));
  EXPECT_EQ(refused.status, 1) << refused.error;
  EXPECT_NE(refused.error.find("mpirun (MPICH) started 2 processes, but MPI sees 1"), std::string::npos)
      << refused.error;
}

}  // namespace
}  // namespace cola
