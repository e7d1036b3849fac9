#pragma once
#include <atomic>
#include <cstdint>
#include <memory>
#include <thread>
#include <vector>

namespace cola {

/// Threads that compute the slices of one job after another, the calling thread being one of them. Each
/// begins with the slices next to each other that are its own, and then takes those that others have not
/// begun: a thread whose processor is busy with something else costs its share only. Between jobs a thread
/// looks for work for `patience`, and then sleeps.
class ThreadPool {
 public:
  using Slice = void (*)(const void* body, std::int64_t slice);

  explicit ThreadPool(int threads);
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;
  ThreadPool(ThreadPool&&) = delete;
  ThreadPool& operator=(ThreadPool&&) = delete;

  /// Whether the calling thread is computing a slice, of any pool.
  [[nodiscard]] static bool in_job();
  [[nodiscard]] int threads() const { return static_cast<int>(shares_.size()); }

  /// Calls slice(body, index) for 0 .. slices - 1, at most most_slices, which does not throw; returns when
  /// all are done. One job at a time, none inside another.
  void run(std::int64_t slices, const void* body, Slice slice);

  static constexpr std::int64_t most_slices = 0x8000;

 private:
  /// A thread's own slices that nobody has begun, in one word that is claimed from by adding 1: the end and
  /// the next (16 bits each). A thread that comes late finds none left, and is not waited for; one that has
  /// claimed a slice knows that the job waits for it.
  struct alignas(64) Share {
    std::atomic<std::uint32_t> claims{0};
  };

  void work(std::size_t own);
  void serve(std::size_t own);

  std::vector<Share> shares_;
  const void* body_ = nullptr;
  Slice slice_ = nullptr;
  alignas(64) std::atomic<std::uint32_t> unfinished_{0};  ///< slices of the job
  std::atomic<bool> caller_sleeps_{false};
  /// Jobs, and the end of the pool: what sleepers wait for.
  alignas(64) std::atomic<std::uint32_t> begun_{0};
  std::atomic<std::uint32_t> sleepers_{0};
  std::atomic<bool> ends_{false};
  std::vector<std::thread> workers_;
};

}  // namespace cola
