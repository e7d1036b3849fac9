#pragma once
// A program in a process of its own, which a test can stop at any moment.
#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <stdexcept>
#include <string>
#include <vector>

#include "io/files.h"

namespace cola::test {

class ChildProcess {
 public:
  /// Starts `program` with `arguments` (the first its own name) and `environment` ("NAME=value") before this
  /// process's own; standard error goes to the file `errors`, standard output nowhere.
  ChildProcess(const std::string& program, std::vector<std::string> arguments,
               std::vector<std::string> environment, std::filesystem::path errors)
      : errors_(std::move(errors)) {
    std::vector<char*> variables = pointers(environment);
    variables.pop_back();
    for (char** variable = environ; *variable != nullptr; ++variable) variables.push_back(*variable);
    variables.push_back(nullptr);
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, errors_.c_str(), O_WRONLY | O_CREAT | O_TRUNC,
                                     0600);
    posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
    running_ = posix_spawn(&process_, program.c_str(), &actions, nullptr, pointers(arguments).data(),
                           variables.data()) == 0;
    posix_spawn_file_actions_destroy(&actions);
    if (!running_) throw std::runtime_error("cannot start " + program);
  }
  ~ChildProcess() {
    if (!running_) return;
    send(SIGKILL);
    wait();
  }
  ChildProcess(const ChildProcess&) = delete;
  ChildProcess& operator=(const ChildProcess&) = delete;

  [[nodiscard]] bool is_running() {
    int status = 0;
    if (running_ && waitpid(process_, &status, WNOHANG) == process_) take(status);
    return running_;
  }
  void send(int signal) const { ::kill(process_, signal); }
  /// Its exit status, or minus the signal that ended it.
  int wait() {
    int status = 0;
    if (running_ && waitpid(process_, &status, 0) == process_) take(status);
    return status_;
  }
  [[nodiscard]] std::string error_text() const { return read_text_file(errors_); }

 private:
  /// Ends with a null pointer.
  static std::vector<char*> pointers(std::vector<std::string>& texts) {
    std::vector<char*> list;
    for (auto& text : texts) list.push_back(text.data());
    list.push_back(nullptr);
    return list;
  }
  void take(int status) {
    running_ = false;
    status_ = WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status);
  }

  std::filesystem::path errors_;
  pid_t process_ = -1;
  bool running_ = false;
  int status_ = 0;
};

}  // namespace cola::test
