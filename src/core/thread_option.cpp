#include "core/thread_option.h"

#include <fmt/format.h>

#include "core/error.h"

namespace cola {

void require_thread_count(int threads) {
  constexpr int most = 1024;
  if (threads < 0 || threads > most)
    throw UsageError(fmt::format("--threads is {}: it must be 0 (all cores) to {}", threads, most));
}

}  // namespace cola
