#pragma once
#include <cuda_runtime_api.h>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <type_traits>

namespace cola::cuda {

/// A digest of work: which kernels, how many threads, on which operands; the same for the same work alone.
class WorkDigest {
 public:
  template <class T>
  void add(T value) {
    static_assert(std::is_trivially_copyable_v<T>);
#ifndef __clang__  // which has no such builtin: the same work may then look different, and is done as it is
    __builtin_clear_padding(&value);
#endif
    std::uint64_t words[(sizeof(T) + sizeof(std::uint64_t) - 1) / sizeof(std::uint64_t)] = {};
    std::memcpy(words, static_cast<const void*>(&value), sizeof(T));
    for (const std::uint64_t word : words) {  // FNV-1a by words, with the high bits folded into the low ones
      value_ = (value_ ^ word) * 0x100000001B3U;
      value_ ^= value_ >> 32;
    }
  }
  [[nodiscard]] std::uint64_t value() const { return value_; }

 private:
  std::uint64_t value_ = 0xCBF29CE484222325U;
};

/// Where launchers put their work. With a digest, it is only described there (backend/cuda/replays.h).
struct Queue {
  // NOLINTNEXTLINE(google-explicit-constructor): a stream is a place to put work
  Queue(cudaStream_t of, WorkDigest* only_describe = nullptr) : stream(of), digest(only_describe) {}

  cudaStream_t stream;
  WorkDigest* digest;

  /// True where the work that `parts` tell from any other is not to be done.
  template <class... Parts>
  [[nodiscard]] bool only_describes(const Parts&... parts) const {
    if (digest == nullptr) return false;
    (digest->add(parts), ...);
    return true;
  }
};

}  // namespace cola::cuda
