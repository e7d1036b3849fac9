#pragma once
#include <vector>

namespace cola {

/// While one lives, SIGINT and SIGTERM are noted instead of ending the process; a second signal ends it at
/// once.
class InterruptGuard {
 public:
  InterruptGuard();
  ~InterruptGuard();
  InterruptGuard(const InterruptGuard&) = delete;
  InterruptGuard& operator=(const InterruptGuard&) = delete;

  /// The signal that came, or 0.
  [[nodiscard]] static int pending() noexcept;

 private:
  std::vector<char> stack_;  ///< that the handler runs on
};

}  // namespace cola
