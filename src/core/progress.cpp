#include "core/progress.h"

#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <cmath>
#include <cstdio>
#include <limits>

#include "core/progress_line.h"

namespace cola {
namespace {

constexpr std::chrono::milliseconds terminal_interval{200};
constexpr std::chrono::seconds pipe_interval{10};
constexpr std::chrono::seconds silent_start{2};

/// Characters that a line of the terminal takes without wrapping; no limit where it does not say.
std::size_t terminal_columns() {
  winsize size{};
  const bool known = ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 1;
  return known ? size.ws_col - 1U : std::numeric_limits<std::size_t>::max();
}

}  // namespace

std::string format_duration(double seconds) {
  const auto whole = std::llround(seconds);
  if (whole < 60) return fmt::format("{} s", whole);
  if (whole < 3600) return fmt::format("{} min {:02} s", whole / 60, whole % 60);
  return fmt::format("{} h {:02} min", whole / 3600, whole % 3600 / 60);
}

Progress::Progress(bool quiet) : quiet_(quiet), terminal_(isatty(STDERR_FILENO) != 0) {}

Progress::~Progress() { clear_line(); }

void Progress::clear_line() {
  if (line_shown_) std::fputs("\r\x1b[K", stderr);
  line_shown_ = false;
}

void Progress::update(const std::string& text, std::int64_t done, std::int64_t total) {
  if (quiet_) return;
  const auto now = Clock::now();
  if (first_done_ < 0) {
    first_done_ = done;
    first_at_ = now;
  }
  if (now - start_ < silent_start) return;
  if (now - last_shown_ < (terminal_ ? Clock::duration(terminal_interval) : Clock::duration(pipe_interval)))
    return;
  last_shown_ = now;
  std::string eta = "?";
  if (done > first_done_) {
    const double elapsed = std::chrono::duration<double>(now - first_at_).count();
    eta = format_duration(elapsed * static_cast<double>(total - done) /
                          static_cast<double>(done - first_done_));
  }
  if (terminal_) {
    fmt::print(stderr, "\r{}\x1b[K", fit_progress(text, eta, terminal_columns()));
    line_shown_ = true;
  } else {
    fmt::print(stderr, "{}  ETA {}\n", text, eta);
  }
  std::fflush(stderr);
}

void Progress::note(const std::string& line) {
  if (quiet_) return;
  clear_line();
  fmt::print(stderr, "{}\n", line);
  std::fflush(stderr);
}

}  // namespace cola
