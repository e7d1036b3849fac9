#include "core/interrupt.h"

#include <unistd.h>

#include <algorithm>
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

/// On the alternate stack: a loop of oneDNN 2.6's sgemm under a timer signal corrupted the heap in 4 of 4
/// runs with a handler on the normal stack, in 0 of 2 with this. The kernel probably uses the stack register.
void install() {
  struct sigaction action{};
  action.sa_handler = note_signal;
  action.sa_flags = SA_ONSTACK | SA_RESTART;
  sigemptyset(&action.sa_mask);
  sigaction(SIGINT, &action, nullptr);
  sigaction(SIGTERM, &action, nullptr);
}

}  // namespace

// The kernel gives a process's signals to its main thread, which is the one that trains.
InterruptGuard::InterruptGuard()
    : stack_(static_cast<std::size_t>(std::max(sysconf(_SC_SIGSTKSZ), 1L << 16))) {
  pending_signal = 0;
  stack_t stack{};
  stack.ss_sp = stack_.data();
  stack.ss_size = stack_.size();
  sigaltstack(&stack, nullptr);
  install();
}

InterruptGuard::~InterruptGuard() {
  std::signal(SIGINT, SIG_DFL);
  std::signal(SIGTERM, SIG_DFL);
  stack_t none{};
  none.ss_flags = SS_DISABLE;
  sigaltstack(&none, nullptr);
}

int InterruptGuard::pending() noexcept { return pending_signal; }

}  // namespace cola
