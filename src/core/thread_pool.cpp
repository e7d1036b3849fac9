#include "core/thread_pool.h"

#include <algorithm>
#include <chrono>
#include <system_error>

namespace cola {
namespace {

// As long as the serial parts between a step's loops take; a sleeping thread takes about as long to wake.
constexpr std::chrono::microseconds patience{50};

void pause() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#endif
}

/// Whether `done` came true while the caller had patience.
template <class Done>
bool spin_until(const Done& done) {
  const auto end = std::chrono::steady_clock::now() + patience;
  do {
    for (int i = 0; i < 16; ++i) {
      if (done()) return true;
      pause();
    }
  } while (std::chrono::steady_clock::now() < end);
  return done();
}

constexpr std::uint32_t claims_of(std::int64_t begin, std::int64_t end) {
  return static_cast<std::uint32_t>(end << 16 | begin);
}
constexpr std::int64_t next_of(std::uint32_t claims) { return claims & 0xffffU; }
constexpr std::int64_t end_of(std::uint32_t claims) { return claims >> 16; }

thread_local bool computes = false;

}  // namespace

bool ThreadPool::in_job() { return computes; }

ThreadPool::ThreadPool(int threads) : shares_(static_cast<std::size_t>(std::max(threads, 1))) {
  try {
    for (std::size_t own = 1; own < shares_.size(); ++own) workers_.emplace_back([this, own] { serve(own); });
  } catch (const std::system_error&) {
    // The system starts no more: those that there are take the slices of those that there are not.
  }
}

ThreadPool::~ThreadPool() {
  ends_ = true;
  ++begun_;
  begun_.notify_all();
  for (std::thread& worker : workers_) worker.join();
}

void ThreadPool::run(std::int64_t slices, const void* body, Slice slice) {
  body_ = body;
  slice_ = slice;
  unfinished_.store(static_cast<std::uint32_t>(slices), std::memory_order_relaxed);
  const std::int64_t threads = std::ssize(shares_);
  for (std::int64_t i = 0; i < threads; ++i) {
    shares_[static_cast<std::size_t>(i)].claims.store(
        claims_of(slices * i / threads, slices * (i + 1) / threads), std::memory_order_release);
  }
  ++begun_;
  if (sleepers_ > 0) begun_.notify_all();
  computes = true;
  work(0);
  computes = false;
  const auto finished = [this] { return unfinished_.load(std::memory_order_acquire) == 0; };
  if (spin_until(finished)) return;
  caller_sleeps_ = true;
  for (std::uint32_t left = unfinished_; left != 0; left = unfinished_) unfinished_.wait(left);
  caller_sleeps_ = false;
}

/// Until no slice is left to begin. What is done is counted once, at the end: a word that all threads write.
void ThreadPool::work(std::size_t own) {
  std::uint32_t done = 0;
  for (std::size_t i = 0; i < shares_.size(); ++i) {
    std::atomic<std::uint32_t>& share = shares_[(own + i) % shares_.size()].claims;
    for (;;) {
      const std::uint32_t seen = share.load(std::memory_order_relaxed);
      if (next_of(seen) >= end_of(seen)) break;
      const std::uint32_t claims = share.fetch_add(1, std::memory_order_acquire);
      if (next_of(claims) >= end_of(claims)) break;
      slice_(body_, next_of(claims));
      ++done;
    }
  }
  if (done > 0 && (unfinished_ -= done) == 0 && caller_sleeps_) unfinished_.notify_one();
}

void ThreadPool::serve(std::size_t own) {
  computes = true;
  for (std::uint32_t seen = begun_; !ends_; seen = begun_) {
    work(own);
    if (spin_until([&] { return begun_.load(std::memory_order_acquire) != seen; })) continue;
    ++sleepers_;
    begun_.wait(seen);
    --sleepers_;
  }
}

}  // namespace cola
