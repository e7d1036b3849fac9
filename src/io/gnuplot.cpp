#include "io/gnuplot.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <memory>
#include <string_view>
#include <vector>

#include "core/error.h"
#include "io/files.h"

namespace cola {
namespace {

constexpr std::size_t largest_picture = std::size_t{64} << 20;

struct CloseFile {
  void operator()(std::FILE* file) const {
    (void)std::fclose(file);  // NOLINT(cppcoreguidelines-owning-memory): this is the owner's deleter
  }
};
using TemporaryFile = std::unique_ptr<std::FILE, CloseFile>;

/// A file without a name, gone when it is closed.
TemporaryFile temporary_file() {
  TemporaryFile file(std::tmpfile());
  if (!file) throw Error(fmt::format("cannot make a temporary file for gnuplot: {}", std::strerror(errno)));
  ::fcntl(::fileno(file.get()), F_SETFD, FD_CLOEXEC);
  return file;
}

void go_to_start(const TemporaryFile& file) {
  if (std::fseek(file.get(), 0, SEEK_SET) != 0)
    throw Error(fmt::format("cannot read a temporary file of gnuplot: {}", std::strerror(errno)));
}

std::string contents(const TemporaryFile& file) {
  std::string text;
  std::vector<char> buffer(std::size_t{1} << 16);
  go_to_start(file);
  while (const std::size_t count = std::fread(buffer.data(), 1, buffer.size(), file.get())) {
    if (text.size() + count > largest_picture) throw Error("gnuplot made a picture of more than 64 MiB");
    text.append(buffer.data(), count);
  }
  return text;
}

/// The three standard streams of a child process.
struct ChildStreams {
  TemporaryFile input = temporary_file(), output = temporary_file(), error = temporary_file();
};

/// Runs a program without a shell and waits for it: its exit status, or 128 + the signal that ended it.
int run_program(std::vector<std::string> arguments, const ChildStreams& streams) {
  std::vector<char*> argv;
  for (std::string& argument : arguments) argv.push_back(argument.data());
  argv.push_back(nullptr);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, ::fileno(streams.input.get()), STDIN_FILENO);
  posix_spawn_file_actions_adddup2(&actions, ::fileno(streams.output.get()), STDOUT_FILENO);
  posix_spawn_file_actions_adddup2(&actions, ::fileno(streams.error.get()), STDERR_FILENO);
  pid_t child = 0;
  const int failure = posix_spawnp(&child, argv[0], &actions, nullptr, argv.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  if (failure == ENOENT) throw Error("gnuplot, which draws the plots, is not installed: install gnuplot-nox");
  if (failure != 0) throw Error(fmt::format("cannot run gnuplot: {}", std::strerror(failure)));
  int status = 0;
  while (::waitpid(child, &status, 0) < 0) {
    if (errno != EINTR) throw Error(fmt::format("cannot wait for gnuplot: {}", std::strerror(errno)));
  }
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/// gnuplot says where before what: the last line that is not empty has the cause.
std::string last_line(std::string_view text) {
  while (!text.empty() && (text.back() == '\n' || text.back() == ' ')) text.remove_suffix(1);
  return std::string(text.substr(text.rfind('\n') + 1));
}

}  // namespace

void require_gnuplot() {
  const ChildStreams streams;
  if (const int status = run_program({"gnuplot", "--version"}, streams); status != 0)
    throw Error(fmt::format("gnuplot --version ended with status {}: reinstall gnuplot-nox", status));
}

std::string svg_plot(const std::string& script, const std::string& what) {
  const ChildStreams streams;
  if (std::fwrite(script.data(), 1, script.size(), streams.input.get()) != script.size() ||
      std::fflush(streams.input.get()) != 0) {
    throw Error(fmt::format("cannot write a temporary file for gnuplot: {}", std::strerror(errno)));
  }
  go_to_start(streams.input);
  // -d: not the user's settings
  const int status = run_program({"gnuplot", "-d", "-"}, streams);
  std::string picture = contents(streams.output);
  if (status != 0 || !picture.starts_with("<?xml")) {
    throw Error(fmt::format("gnuplot made no plot for {} (status {}): {}", what, status,
                            last_line(contents(streams.error))));
  }
  return picture;
}

void write_svg_plot(const std::string& script, const std::filesystem::path& file) {
  write_text_file(file, svg_plot(script, file.string()));
}

}  // namespace cola
