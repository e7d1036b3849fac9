#include "training_process.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <spawn.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <vector>

#include "core/error.h"
#include "io/files.h"
#include "train/options_toml.h"

namespace cola::test {
namespace {

constexpr const char* options_variable = "COLA_TEST_TRAIN_OPTIONS";
constexpr const char* resume_variable = "COLA_TEST_TRAIN_RESUME";
constexpr const char* limit_variable = "COLA_TEST_TRAIN_FILE_BYTES";

void limit_file_size(rlim_t bytes) {
  std::signal(SIGXFSZ, SIG_IGN);  // writing fails with EFBIG instead
  const rlimit limit{bytes, bytes};
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

TEST(TrainingProcess, Trains) {
  const char* file = std::getenv(options_variable);
  if (file == nullptr) GTEST_SKIP() << "only as the process of another test";
  TrainOptions options;
  read_toml(file, options);
  if (const char* bytes = std::getenv(limit_variable)) limit_file_size(std::stoul(bytes));
  try {
    (void)train(options, {.resume = std::getenv(resume_variable) != nullptr, .quiet = true});
  } catch (const Error& error) {
    fmt::print(stderr, "{}\n", error.what());
    std::fflush(stderr);
    _exit(error.exit_status());
  }
  _exit(0);
}

}  // namespace

TrainingProcess::TrainingProcess(const TrainOptions& options, bool resume,
                                 const std::filesystem::path& folder, Limits limits)
    : errors_(folder / "stderr") {
  const auto file = folder / "options.toml";
  write_text_file(file, to_toml(options));
  std::vector<std::string> environment{fmt::format("{}={}", options_variable, file.string())};
  if (resume) environment.push_back(fmt::format("{}=1", resume_variable));
  if (limits.file_bytes > 0) environment.push_back(fmt::format("{}={}", limit_variable, limits.file_bytes));
  std::vector<char*> variables;
  for (auto& text : environment) variables.push_back(text.data());
  for (char** variable = environ; *variable != nullptr; ++variable) variables.push_back(*variable);
  variables.push_back(nullptr);
  std::vector<std::string> arguments{"test", "--gtest_filter=TrainingProcess.Trains"};
  std::vector<char*> pointers{arguments[0].data(), arguments[1].data(), nullptr};

  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, errors_.c_str(), O_WRONLY | O_CREAT | O_TRUNC,
                                   0600);
  posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
  running_ =
      posix_spawn(&process_, "/proc/self/exe", &actions, nullptr, pointers.data(), variables.data()) == 0;
  posix_spawn_file_actions_destroy(&actions);
  if (!running_) throw std::runtime_error("cannot start a process of this test program");
}

TrainingProcess::~TrainingProcess() {
  if (!running_) return;
  send(SIGKILL);
  wait();
}

void TrainingProcess::take(int status) {
  running_ = false;
  status_ = WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status);
}

bool TrainingProcess::is_running() {
  int status = 0;
  if (running_ && waitpid(process_, &status, WNOHANG) == process_) take(status);
  return running_;
}

void TrainingProcess::send(int signal) const { ::kill(process_, signal); }

int TrainingProcess::wait() {
  int status = 0;
  if (running_ && waitpid(process_, &status, 0) == process_) take(status);
  return status_;
}

std::string TrainingProcess::error_text() const { return read_text_file(errors_); }

}  // namespace cola::test
