#include "sweep/runner.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <spawn.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstring>
#include <fstream>
#include <thread>

#include "core/error.h"
#include "core/interrupt.h"
#include "core/progress.h"
#include "io/files.h"
#include "io/printable.h"

namespace cola {
namespace {

constexpr std::chrono::milliseconds poll_interval{50};
constexpr std::streamoff longest_message = 1 << 16;  // bytes

/// The last bytes of a file; none where it cannot be read.
std::string tail_of(const std::filesystem::path& file, std::streamoff most) {
  std::ifstream stream(file, std::ios::binary | std::ios::ate);
  if (!stream) return {};
  const std::streamoff size = stream.tellg();
  std::string text(static_cast<std::size_t>(std::min(size, most)), '\0');
  stream.seekg(size - static_cast<std::streamoff>(text.size()));
  stream.read(text.data(), static_cast<std::streamsize>(text.size()));
  text.resize(static_cast<std::size_t>(stream.gcount()));
  return text;
}

/// How a process ended that left a trial unfinished.
std::string ending_text(int status) {
  return WIFSIGNALED(status) ? fmt::format("ended by signal {}\n", WTERMSIG(status))
                             : fmt::format("ended with exit status {}\n", WEXITSTATUS(status));
}

/// Starts this program once more, the very file that runs, even where its name has become another's since.
/// Standard input and output are /dev/null, standard error goes to `messages`, and it leads a process group
/// of its own, so that a terminal's Ctrl-C reaches only its parent.
pid_t start_process(std::vector<std::string> arguments, const std::filesystem::path& messages) {
  std::vector<char*> argv;
  for (std::string& argument : arguments) argv.push_back(argument.data());
  argv.push_back(nullptr);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
  posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, messages.c_str(), O_WRONLY | O_CREAT | O_TRUNC,
                                   0666);
  posix_spawnattr_t attributes;
  posix_spawnattr_init(&attributes);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP);
  posix_spawnattr_setpgroup(&attributes, 0);
  pid_t child = 0;
  const int failure = posix_spawn(&child, "/proc/self/exe", &actions, &attributes, argv.data(), environ);
  posix_spawnattr_destroy(&attributes);
  posix_spawn_file_actions_destroy(&actions);
  if (failure != 0) throw Error(fmt::format("cannot start {}: {}", argv[0], std::strerror(failure)));
  return child;
}

struct RunningTrial {
  std::size_t index;  ///< in the plan
  pid_t process;
};

class Runner {
 public:
  Runner(const SweepPlan& plan, const SweepFolder& folder, const RunnerOptions& options)
      : plan_(plan), folder_(folder), options_(options), progress_(options.quiet) {
    for (std::size_t i = 0; i < plan.trials.size(); ++i) {
      total_work_ += work(i);
      std::filesystem::remove(folder.messages(plan.trials[i].id));  // of a sweep that was killed
      if (folder.finished(plan.trials[i].id)) {
        ++outcome_.already_finished;
        done_work_ += work(i);
      } else {
        waiting_.push_back(i);
      }
    }
    std::ranges::reverse(waiting_);
  }

  RunnerOutcome run() {
    const InterruptGuard guard;
    report();
    while (!running_.empty() || (!waiting_.empty() && outcome_.signal == 0)) {
      if (outcome_.signal == 0 && InterruptGuard::pending() != 0) stop();
      while (outcome_.signal == 0 && !waiting_.empty() &&
             static_cast<int>(running_.size()) < options_.workers) {
        start(waiting_.back());
        waiting_.pop_back();
      }
      if (!collect_ended()) std::this_thread::sleep_for(poll_interval);
      report();
    }
    return outcome_;
  }

 private:
  [[nodiscard]] std::int64_t work(std::size_t index) const {
    return index < options_.work.size() ? options_.work[index] : 1;
  }

  void start(std::size_t index) {
    const std::string& id = plan_.trials[index].id;
    running_.push_back(
        {index, start_process({options_.program.string(), "sweep", "--out", folder_.root.string(), "--trial",
                               id, "--parent", std::to_string(::getpid())},
                              folder_.messages(id))});
  }

  void stop() {
    outcome_.signal = InterruptGuard::pending();
    progress_.note(fmt::format("stopping: {} running trials save where they are", running_.size()));
    for (const RunningTrial& trial : running_) ::kill(trial.process, SIGTERM);
  }

  /// Whether any trial had ended.
  bool collect_ended() {
    const auto ended = [&](const RunningTrial& trial) {
      int status = 0;
      const pid_t process = ::waitpid(trial.process, &status, WNOHANG);
      if (process == 0 || (process < 0 && errno == EINTR)) return false;
      account(trial.index, status);
      return true;
    };
    return std::erase_if(running_, ended) > 0;
  }

  void account(std::size_t index, int status) {
    const std::string& id = plan_.trials[index].id;
    done_work_ += work(index);
    std::string text = tail_of(folder_.messages(id), longest_message);
    std::filesystem::remove(folder_.messages(id));
    if (folder_.finished(id)) {
      ++outcome_.run;
      return;
    }
    if (outcome_.signal != 0) return;
    if (text.empty() || WIFSIGNALED(status)) text += ending_text(status);
    std::filesystem::create_directories(folder_.trial(id));
    write_text_file(folder_.error(id), text);
    outcome_.failed.push_back(id);
    const std::string line = printable(text.substr(0, text.find('\n')));
    progress_.note(fmt::format("trial {} failed: {}", id, line));
  }

  void report() {
    const auto finished = outcome_.already_finished + outcome_.run;
    std::string text = fmt::format("{}/{} trials", finished, plan_.trials.size());
    if (!outcome_.failed.empty()) text += fmt::format(", {} failed", outcome_.failed.size());
    if (!running_.empty()) text += fmt::format(", running {}", plan_.trials[running_.front().index].id);
    progress_.update(text, done_work_, total_work_);
  }

  const SweepPlan& plan_;
  const SweepFolder& folder_;
  const RunnerOptions& options_;
  Progress progress_;
  RunnerOutcome outcome_;
  std::vector<std::size_t> waiting_;  ///< the next one last
  std::vector<RunningTrial> running_;
  std::int64_t total_work_ = 0, done_work_ = 0;
};

}  // namespace

RunnerOutcome run_trials(const SweepPlan& plan, const SweepFolder& folder, const RunnerOptions& options) {
  return Runner(plan, folder, options).run();
}

void end_with_parent(std::int64_t parent) {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (::getppid() != parent) throw Error("the sweep that started this trial has ended");
}

}  // namespace cola
