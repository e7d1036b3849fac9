#pragma once
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>
#include <source_location>
#include <string>
#include <vector>

#include "cuda_runtime_api.h"

// CUDA's execution model on one CPU thread, for tests. The blocks of a grid run one after the other; the
// threads of a block are fibers that run until they wait, one after the other, in an order that a test
// chooses.
//
// Found: threads of a block that wait at different barriers, or have ended while others wait; lanes of a warp
// that do not meet at the same warp operation; shared memory read before it is written (NaN) and written past
// its end (and, under AddressSanitizer, read); asynchronous copies read before they are waited for (they
// happen at the wait); missing barriers, where results differ between orders (run_in_every_order of
// run_in_orders.h). Not modelled: races that no order shows (a value read before and after being overwritten
// with itself), partial warp masks, atomics, memory spaces, bank conflicts, occupancy, time.
namespace cola::emulation {

/// In which order the warps of a block, and the lanes of a warp, take their turns.
enum class Order : std::uint8_t { ascending, descending, shuffled };
void set_order(Order order);

extern dim3 thread_index, block_index, block_size, grid_size;

/// Runs `kernel` once a thread of every block. cudaErrorLaunchFailure: failure() says what was wrong; what
/// the kernel has written until then stays.
[[nodiscard]] cudaError_t run(dim3 grid, dim3 block, std::size_t shared_bytes,
                              const std::function<void()>& kernel);
/// What was wrong with the last launch that failed; empty if none has.
[[nodiscard]] const std::string& failure();

using Work = std::function<cudaError_t()>;
/// Work on its way to a stream: done at once, unless someone takes it.
[[nodiscard]] cudaError_t submit(cudaStream_t stream, Work work);
/// Who takes what is submitted from now on.
void give_work_to(cudaError_t (*taker)(cudaStream_t stream, Work work));

// What kernels call.

[[nodiscard]] void* shared_memory(std::size_t at_least);
[[nodiscard]] int lane();
void block_barrier(std::source_location site);

/// What the lanes of a warp hand to an operation that they do together, by lane.
using Lanes = std::array<void*, 32>;
/// Waits until all 32 lanes are here; one of them then runs `complete`, before any goes on.
void warp_collective(void* lane, void (*complete)(const Lanes&), std::source_location site);

/// The value of lane `source`, by all lanes of the warp.
template <class T>
T exchange(unsigned mask, T value, int source, std::source_location site);

/// A copy of `bytes` to shared memory, zero-filled to 16, that happens when a wait says so. As cp.async:
/// copies make a group at commit_copies(); wait_for_copies(n) leaves the last n groups pending.
void copy_later(void* destination, const void* source, std::size_t bytes);
void commit_copies();
void wait_for_copies(std::size_t pending_groups);

/// Ends the launch with cudaErrorLaunchFailure.
[[noreturn]] void fail(const std::string& what);

template <class T>
T exchange(unsigned mask, T value, int source, std::source_location site) {
  static_assert(sizeof(T) <= sizeof(std::uint64_t));
  struct Lane {
    T value;
    int source;
    T result;
  };
  if (mask != 0xFFFFFFFFU) fail("a warp operation of some lanes only, which is not modelled");
  Lane mine = {value, source & 31, value};
  warp_collective(
      &mine,
      [](const Lanes& lanes) {
        for (void* lane : lanes) {
          auto* to = static_cast<Lane*>(lane);
          to->result = static_cast<const Lane*>(lanes[static_cast<std::size_t>(to->source)])->value;
        }
      },
      site);
  return mine.result;
}

}  // namespace cola::emulation
