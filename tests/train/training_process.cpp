#include "training_process.h"

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
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

/// The variables that tell Trains what to do.
std::vector<std::string> variables_of(const TrainOptions& options, bool resume,
                                      const std::filesystem::path& folder,
                                      const TrainingProcess::Limits& limits) {
  const auto file = folder / "options.toml";
  write_text_file(file, to_toml(options));
  std::vector<std::string> variables{fmt::format("{}={}", options_variable, file.string())};
  if (resume) variables.push_back(fmt::format("{}=1", resume_variable));
  if (limits.file_bytes > 0) variables.push_back(fmt::format("{}={}", limit_variable, limits.file_bytes));
  return variables;
}

}  // namespace

TrainingProcess::TrainingProcess(const TrainOptions& options, bool resume,
                                 const std::filesystem::path& folder, Limits limits)
    : ChildProcess("/proc/self/exe", {"test", "--gtest_filter=TrainingProcess.Trains"},
                   variables_of(options, resume, folder, limits), folder / "stderr") {}

}  // namespace cola::test
