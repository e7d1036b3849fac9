#pragma once
#include <cstdint>

#include "core/thread_pool.h"

namespace cola {

/// Threads of parallel loops; 0: OMP_NUM_THREADS, or as many as the process has processors. Set once, at
/// start.
void set_thread_count(int threads);
/// 1 inside a parallel loop.
[[nodiscard]] int thread_count();

/// Slices into which a loop is cut: several a thread, each at least `grain` long.
[[nodiscard]] std::int64_t slice_count(std::int64_t count, std::int64_t grain);
/// Calls slice(body, index) for all, on all threads; where another thread's loop has them, on this one alone.
void run_slices(std::int64_t slices, const void* body, ThreadPool::Slice slice);

/// Calls body(begin, end) on contiguous slices of [0, count), at least `grain` long (shorter only if count
/// is), which the threads take one after the other: at most one slice a thread at a time. `body` does not
/// throw. The slices depend only on count, grain and the thread count; which thread takes one does not show
/// in a result.
template <class Body>
void parallel_for(std::int64_t count, std::int64_t grain, const Body& body) {
  if (count <= 0) return;
  const std::int64_t slices = slice_count(count, grain);
  const auto run = [&](std::int64_t slice) { body(count * slice / slices, count * (slice + 1) / slices); };
  run_slices(slices, &run,
             [](const void* of, std::int64_t slice) { (*static_cast<const decltype(run)*>(of))(slice); });
}

}  // namespace cola
