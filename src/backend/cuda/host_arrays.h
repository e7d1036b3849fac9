#pragma once
#include <cuda_runtime_api.h>

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "backend/cuda/device_memory.h"

namespace cola::ops::cuda {

/// Copies on the device of what describes a batch: small host arrays that many ops of a step are given again
/// and again. A copy is found by its content, so an array is uploaded once a batch whoever asks, and nobody
/// has to say when a batch begins.
class HostArrays {
 public:
  HostArrays(Memory& memory, cudaStream_t stream) : memory_(memory), stream_(stream) {}

  /// The array on the device, for work put on the stream before `most_arrays` others are asked for. Null for
  /// an empty one.
  template <class T>
  [[nodiscard]] const T* on_device(std::span<const T> values) {
    return static_cast<const T*>(find_or_upload(std::as_bytes(values)));
  }
  template <class T>
  [[nodiscard]] const T* on_device(const std::vector<T>& values) {
    return on_device(std::span<const T>(values));
  }

 private:
  struct Entry {
    std::unique_ptr<PinnedBuffer> host;
    Buffer device;
    std::size_t bytes = 0;
    std::uint64_t last_use = 0;

    [[nodiscard]] bool holds(std::span<const std::byte> content) const;
  };

 public:
  /// Places of arrays by their turn: the n-th array (the n-th that differs from those before it) that is
  /// asked for lies where the n-th did the last time.
  class Turns {
    friend class HostArrays;
    std::vector<Entry> entries_;
    std::size_t next_ = 0;
  };

  /// While one lives, arrays have their places in `turns`, from the first on.
  class InTurns {
   public:
    InTurns(HostArrays& arrays, Turns& turns) : arrays_(arrays) {
      turns.next_ = 0;
      arrays_.turns_ = &turns;
    }
    ~InTurns() { arrays_.turns_ = nullptr; }
    InTurns(const InTurns&) = delete;
    InTurns& operator=(const InTurns&) = delete;

   private:
    HostArrays& arrays_;
  };

 private:
  static constexpr std::size_t most_arrays = 64;

  const void* find_or_upload(std::span<const std::byte> bytes);
  const void* find_in_turn(std::span<const std::byte> bytes);
  void upload(Entry& entry, std::span<const std::byte> bytes);
  Entry& least_used();

  Memory& memory_;
  cudaStream_t stream_;
  std::vector<Entry> entries_;
  Turns* turns_ = nullptr;
  std::uint64_t uses_ = 0;
};

}  // namespace cola::ops::cuda
