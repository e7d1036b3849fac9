// A sweep that is stopped, killed, or started twice.
#include <gtest/gtest.h>

#include <algorithm>
#include <csignal>
#include <fstream>
#include <iterator>
#include <sstream>
#include <thread>

#include "cli/tiny_sweep.h"
#include "support/child_process.h"

namespace cola::test {
namespace {

/// Trials long enough (about half a second) to be met while they run, with checkpoints to go on from.
constexpr const char* long_plan = R"(
name = "long"
seeds = [0, 1]
num-test = 6
[train]
epochs = 150
num-train = 16
num-dev = 4
batch-size = 1
save-steps = 300
lora-r = 2
learning-rate = 1e-3
[[method]]
method = "lora"
[[method]]
method = "cola"
)";

/// Command lines of the processes that name `path`.
std::vector<std::string> processes_naming(const std::string& path) {
  std::vector<std::string> found;
  std::error_code ignored;
  for (const auto& entry : std::filesystem::directory_iterator("/proc", ignored)) {
    std::ifstream stream(entry.path() / "cmdline");
    std::string line((std::istreambuf_iterator<char>(stream)), std::istreambuf_iterator<char>());
    std::ranges::replace(line, '\0', ' ');
    if (line.find(path) != std::string::npos) found.push_back(line);
  }
  return found;
}

class StoppedSweep : public TinySweep {
 protected:
  void SetUp() override {
    TinySweep::SetUp();
    write_plan("[" + task("choice") + "]", long_plan);
  }

  [[nodiscard]] std::vector<std::string> arguments(const std::string& out) const {
    return {
        "cola", "sweep",  (folder_ / "plan.toml").string(), "--out", (folder_ / out).string(), "--workers",
        "2",    "--quiet"};
  }
  [[nodiscard]] std::filesystem::path errors() const { return folder_ / "stderr"; }

  /// The lines that the trials' logs have together.
  [[nodiscard]] std::ptrdiff_t logged_lines(const std::string& out) const {
    std::ptrdiff_t lines = 0;
    std::error_code ignored;
    for (const auto& trial : std::filesystem::directory_iterator(folder_ / out / "trials", ignored)) {
      std::ifstream log(trial.path() / "log.jsonl");
      lines += std::count(std::istreambuf_iterator<char>(log), std::istreambuf_iterator<char>(), '\n');
    }
    return lines;
  }
  [[nodiscard]] std::ptrdiff_t finished_trials(const std::string& out) const {
    const std::filesystem::directory_iterator trials(folder_ / out / "trials");
    return std::ranges::count_if(
        trials, [](const auto& trial) { return std::filesystem::exists(trial.path() / "test.json"); });
  }
  /// Waits until the trials have logged `count` lines more, or the sweep ends.
  void wait_for_lines(ChildProcess& process, const std::string& out, std::ptrdiff_t count) const {
    const auto start = logged_lines(out);
    while (process.is_running() && logged_lines(out) < start + count)
      std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }

  const std::vector<std::string> no_variables_;
};

TEST_F(StoppedSweep, GoesOnToTheSameTables) {
  const auto reference = run_program(sweep("reference") + " --workers 2 --quiet");
  ASSERT_EQ(reference.status, 0) << reference.error;
  for (const int signal : {SIGTERM, SIGINT, SIGKILL}) {
    ChildProcess process(program(), arguments("stopped"), no_variables_, errors());
    wait_for_lines(process, "stopped", 200);
    process.send(signal);
    const auto start = std::chrono::steady_clock::now();
    const int status = process.wait();
    const std::chrono::duration<double> wait = std::chrono::steady_clock::now() - start;
    if (signal == SIGKILL) {
      EXPECT_EQ(status, -SIGKILL);
      // They are killed with it, but not before it has gone.
      for (int i = 0; i < 500 && !processes_naming(folder_.path().string()).empty(); ++i)
        std::this_thread::sleep_for(std::chrono::milliseconds(10));
    } else {
      EXPECT_EQ(status, 1);
      const std::string message = process.error_text();
      EXPECT_NE(message.find("stopped by a signal; go on with: cola sweep --out"), std::string::npos)
          << message;
      EXPECT_EQ(std::ranges::count(message, '\n'), 1) << message;
      EXPECT_FALSE(std::filesystem::exists(folder_ / "stopped" / "running"));
      // A step takes less than a millisecond; a machine under load gets ten seconds.
      EXPECT_LT(wait.count(), 10.0);
    }
    EXPECT_EQ(processes_naming(folder_.path().string()), std::vector<std::string>());
    EXPECT_FALSE(std::filesystem::exists(folder_ / "stopped" / "results.json"));
    EXPECT_GT(logged_lines("stopped"), 0);
    EXPECT_EQ(finished_trials("stopped"), 0) << "the trials ran to their end";
  }
  const auto resumed = run_program("sweep --quiet --out " + quoted(folder_ / "stopped"));
  EXPECT_EQ(resumed.status, 0) << resumed.error;
  expect_same_tables("stopped", "reference");
  EXPECT_FALSE(std::filesystem::exists(folder_ / "stopped" / "running"));
}

TEST_F(StoppedSweep, AnEmittedTrialSaysHowItGoesOn) {
  ASSERT_EQ(run_program(sweep("out") + " --emit commands").status, 0);
  const std::string id = "choice-lora-lr1e-3-seed0";
  ChildProcess process(program(),
                       {"cola", "sweep", "--out", (folder_ / "out").string(), "--trial", id, "--quiet"},
                       no_variables_, errors());
  wait_for_lines(process, "out", 20);
  process.send(SIGTERM);
  EXPECT_EQ(process.wait(), 1);
  const std::string message = process.error_text();
  EXPECT_NE(message.find("go on with: cola sweep --out " + (folder_ / "out").string() + " --trial " + id),
            std::string::npos)
      << message;
}

TEST_F(StoppedSweep, NotByASecondOneWhichIsRefused) {
  ChildProcess first(program(), arguments("one"), no_variables_, errors());
  wait_for_lines(first, "one", 20);
  ASSERT_TRUE(first.is_running()) << first.error_text();
  for (const char* more : {" --quiet", " --emit commands"}) {
    const auto second = run_program(sweep("one") + more);
    EXPECT_EQ(second.status, 1);
    EXPECT_EQ(second.output, "");
    EXPECT_NE(second.error.find("is in use by another sweep"), std::string::npos) << second.error;
    EXPECT_EQ(std::ranges::count(second.error, '\n'), 1) << second.error;
  }
  ASSERT_TRUE(first.is_running()) << "too short to be met by the second: " << first.error_text();
  EXPECT_EQ(run_program("sweep --collect --out " + quoted(folder_ / "one")).status, 0);  // only reads
  EXPECT_EQ(first.wait(), 0) << first.error_text();
  const auto alone = run_program(sweep("alone") + " --workers 2 --quiet");
  ASSERT_EQ(alone.status, 0) << alone.error;
  expect_same_tables("one", "alone");
  EXPECT_FALSE(std::filesystem::exists(folder_ / "one" / "running"));
}

}  // namespace
}  // namespace cola::test
