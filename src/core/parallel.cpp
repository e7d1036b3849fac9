#include "core/parallel.h"

#include <sched.h>

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <memory>
#include <mutex>
#include <string_view>
#include <thread>

namespace cola {
namespace {

constexpr int most_threads = 1024;
// Enough that a thread which is late costs little, few enough that a slice is worth beginning.
constexpr std::int64_t slices_per_thread = 8;

int default_thread_count() {
  const char* variable = std::getenv("OMP_NUM_THREADS");
  const std::string_view text = variable != nullptr ? variable : "";
  int threads = 0;
  std::from_chars(text.data(), text.data() + text.size(), threads);
  if (threads > 0) return std::min(threads, most_threads);
  cpu_set_t processors;
  const int count = sched_getaffinity(0, sizeof processors, &processors) == 0  // fails on very large machines
                        ? CPU_COUNT(&processors)
                        : static_cast<int>(std::thread::hardware_concurrency());
  return std::clamp(count, 1, most_threads);
}

/// The pool of the process's loops: one at a time uses it, others run on the thread that calls them.
struct Loops {
  std::unique_ptr<ThreadPool> pool = std::make_unique<ThreadPool>(default_thread_count());
  std::mutex in_use;
};

Loops& loops() {
  static Loops loops;
  return loops;
}

}  // namespace

void set_thread_count(int threads) {
  const int wanted = threads > 0 ? threads : default_thread_count();
  const std::lock_guard lock(loops().in_use);
  if (wanted != loops().pool->threads()) loops().pool = std::make_unique<ThreadPool>(wanted);
}

int thread_count() { return ThreadPool::in_job() ? 1 : loops().pool->threads(); }

std::int64_t slice_count(std::int64_t count, std::int64_t grain) {
  const std::int64_t threads = thread_count();
  if (threads == 1) return 1;
  const std::int64_t slices = std::min(grain > 0 ? count / grain : count, slices_per_thread * threads);
  return std::max<std::int64_t>(slices > threads ? slices - slices % threads : slices, 1);
}

void run_slices(std::int64_t slices, const void* body, ThreadPool::Slice slice) {
  if (slices == 1) return slice(body, 0);
  if (const std::unique_lock lock(loops().in_use, std::try_to_lock); lock) {
    loops().pool->run(slices, body, slice);
  } else {
    for (std::int64_t i = 0; i < slices; ++i) slice(body, i);
  }
}

}  // namespace cola
