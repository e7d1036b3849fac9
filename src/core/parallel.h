#pragma once
#include <cstdint>

namespace cola {

/// Threads of parallel loops and oneDNN, at most what OpenMP grants; 0: as they are. Set once, at start.
void set_thread_count(int threads);
[[nodiscard]] int thread_count();

/// Calls body(begin, end) on contiguous static slices of [0, count), one a thread; a slice is at least
/// `grain` long (shorter only if count is). `body` does not throw. The slices depend only on count, grain and
/// the thread count, so results do not depend on timing.
template <class Body>
void parallel_for(std::int64_t count, std::int64_t grain, const Body& body) {
  if (count <= 0) return;
  const std::int64_t wanted = grain > 0 ? count / grain : count;
  const int threads = static_cast<int>(wanted < thread_count() ? wanted : thread_count());
  if (threads <= 1) {
    body(std::int64_t{0}, count);
    return;
  }
#pragma omp parallel for num_threads(threads) schedule(static, 1)
  for (int thread = 0; thread < threads; ++thread)
    body(count * thread / threads, count * (thread + 1) / threads);
}

}  // namespace cola
