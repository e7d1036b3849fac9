#include "core/interrupt.h"

#include <csignal>

namespace cola {
namespace {

// A signal handler can only reach static storage.
volatile std::sig_atomic_t pending_signal = 0;

void note_signal(int signal) {
  if (pending_signal != 0) {
    std::signal(signal, SIG_DFL);
    std::raise(signal);
  }
  pending_signal = signal;
}

}  // namespace

InterruptGuard::InterruptGuard() {
  pending_signal = 0;
  std::signal(SIGINT, note_signal);
  std::signal(SIGTERM, note_signal);
}

InterruptGuard::~InterruptGuard() {
  std::signal(SIGINT, SIG_DFL);
  std::signal(SIGTERM, SIG_DFL);
}

int InterruptGuard::pending() noexcept { return pending_signal; }

}  // namespace cola
