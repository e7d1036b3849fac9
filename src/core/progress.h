#pragma once
#include <chrono>
#include <cstdint>
#include <string>

namespace cola {

/// Progress of a long job on standard error: one line that is rewritten on a terminal, a plain line now and
/// then otherwise, nothing at all when quiet or when the job ends within two seconds.
class Progress {
 public:
  explicit Progress(bool quiet);
  ~Progress();
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  /// `text` describes the state; `done` of `total` gives the ETA that is appended.
  void update(const std::string& text, std::int64_t done, std::int64_t total);
  [[nodiscard]] bool is_quiet() const { return quiet_; }

  /// A line that stays.
  void note(const std::string& line);

 private:
  using Clock = std::chrono::steady_clock;
  void clear_line();

  bool quiet_;
  bool terminal_;
  bool line_shown_ = false;
  std::int64_t first_done_ =
      -1;  ///< of the first update, at first_at_: what came before it is not the job's pace
  Clock::time_point first_at_;
  Clock::time_point start_ = Clock::now();
  Clock::time_point last_shown_ = Clock::now();
};

/// "45 s", "3 min 20 s", "2 h 05 min".
[[nodiscard]] std::string format_duration(double seconds);

}  // namespace cola
