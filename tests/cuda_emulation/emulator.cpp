#include "emulator.h"

#include <fmt/format.h>
#include <ucontext.h>

#include <algorithm>
#include <deque>
#include <memory>
#include <numeric>
#include <utility>
#include <vector>

#include "core/random.h"

namespace cola::emulation {

dim3 thread_index;
dim3 block_index;
dim3 block_size;
dim3 grid_size;

namespace {

constexpr std::size_t warp_lanes = 32;
constexpr std::size_t stack_bytes = std::size_t{128} << 10;
constexpr std::size_t canary_bytes = 64;
constexpr unsigned char poison = 0xFF;  // NaN in f32 and in bf16

enum class State : std::uint8_t { ready, at_barrier, at_warp_operation, done };

struct Copy {
  void* destination;
  const void* source;
  std::size_t bytes;
};

/// Where a switch goes on: __builtin_setjmp's buffer. swapcontext would make a system call at every switch.
using Continuation = std::array<void*, 5>;

struct Fiber {
  Continuation at{};
  ucontext_t first{};
  std::unique_ptr<std::byte[]> stack = std::make_unique_for_overwrite<std::byte[]>(stack_bytes);
  State state = State::done;
  bool started = false;
  std::source_location site;
  void* lane = nullptr;
  void (*complete)(const Lanes&) = nullptr;
  std::vector<Copy> copies;               ///< not yet in a group
  std::deque<std::vector<Copy>> pending;  ///< groups, the oldest first
};

/// The block that runs: CUDA's kernels find theirs in built-in variables, so it is one for the process.
struct Block {
  std::vector<std::unique_ptr<Fiber>> fibers;
  std::size_t threads = 0;
  std::size_t current = 0;
  Continuation scheduler{};
  const std::function<void()>* kernel = nullptr;
  std::vector<unsigned char> shared;
  std::size_t shared_bytes = 0;
  std::string failure;
  bool failed = false;
  Order order = Order::ascending;
  std::uint64_t turns = 0;  ///< a number for each shuffle
};
Block block;

Fiber& current() { return *block.fibers[block.current]; }

[[gnu::noinline]] void resume(Continuation& at) { __builtin_longjmp(at.data(), 1); }

/// Back to the scheduler, until it comes back here.
[[gnu::noinline]] void yield() {
  if (__builtin_setjmp(current().at.data()) == 0) resume(block.scheduler);
}

/// A fiber is used for a thread of one block after the other.
void fiber_main() {
  for (;;) {
    (*block.kernel)();
    current().state = State::done;
    current().copies.clear();
    current().pending.clear();
    yield();
  }
}

/// Goes on with the current thread, or begins it.
[[gnu::noinline]] void enter() {
  Fiber& fiber = current();
  if (fiber.started) resume(fiber.at);
  fiber.started = true;
  getcontext(&fiber.first);
  fiber.first.uc_stack.ss_sp = fiber.stack.get();
  fiber.first.uc_stack.ss_size = stack_bytes;
  fiber.first.uc_link = nullptr;
  makecontext(&fiber.first, fiber_main, 0);
  setcontext(&fiber.first);
}

[[gnu::noinline]] void switch_to(std::size_t thread) {
  block.current = thread;
  const auto index = static_cast<unsigned>(thread);
  thread_index = {index % block_size.x, index / block_size.x % block_size.y,
                  index / block_size.x / block_size.y};
  if (__builtin_setjmp(block.scheduler.data()) == 0) enter();
}

std::vector<std::size_t> in_order(std::size_t begin, std::size_t end) {
  std::vector<std::size_t> order(end - begin);
  std::iota(order.begin(), order.end(), begin);
  if (block.order == Order::descending) std::ranges::reverse(order);
  if (block.order == Order::shuffled) {
    const auto permutation =
        random_permutation(std::ssize(order), RandomStream(1, RandomPurpose::benchmark, block.turns++));
    for (std::size_t i = 0; i < order.size(); ++i)
      order[i] = begin + static_cast<std::size_t>(permutation[i]);
  }
  return order;
}

std::string describe(const Fiber& fiber) {
  if (fiber.state == State::done) return "has ended";
  return fmt::format("waits at {}:{}", fiber.site.file_name(), fiber.site.line());
}

bool same_place(const Fiber& a, const Fiber& b) {
  return a.state == b.state && a.site.line() == b.site.line() && a.site.column() == b.site.column() &&
         std::strcmp(a.site.file_name(), b.site.file_name()) == 0;
}

/// False, with the failure noted, unless threads [begin, end) wait at the same place or have all ended.
bool together(std::size_t begin, std::size_t end) {
  const Fiber& first = *block.fibers[begin];
  for (std::size_t thread = begin + 1; thread < end; ++thread) {
    const Fiber& other = *block.fibers[thread];
    if (first.state == State::done ? other.state == State::done : same_place(first, other)) continue;
    block.failed = true;
    block.failure = fmt::format("divergence: thread {} {}, thread {} {}", begin, describe(first), thread,
                                describe(other));
    return false;
  }
  return true;
}

void complete_warp_operation(std::size_t begin) {
  Lanes lanes;
  for (std::size_t lane = 0; lane < warp_lanes; ++lane) lanes[lane] = block.fibers[begin + lane]->lane;
  block.fibers[begin]->complete(lanes);
  for (std::size_t lane = 0; lane < warp_lanes; ++lane) block.fibers[begin + lane]->state = State::ready;
}

/// Runs a warp until it waits at a block barrier or has ended.
void run_warp(std::size_t begin) {
  const std::size_t end = begin + warp_lanes;
  for (;;) {
    for (const std::size_t thread : in_order(begin, end)) {
      switch_to(thread);
      if (block.failed) return;
    }
    if (!together(begin, end) || block.fibers[begin]->state != State::at_warp_operation) return;
    complete_warp_operation(begin);
    if (block.failed) return;
  }
}

void run_block() {
  for (std::size_t thread = 0; thread < block.threads; ++thread) {
    block.fibers[thread]->state = State::ready;
  }
  std::fill(block.shared.begin(), block.shared.end(), poison);
  const auto canary = block.shared.begin() + static_cast<std::ptrdiff_t>(block.shared_bytes);
  for (;;) {
    for (const std::size_t warp : in_order(0, block.threads / warp_lanes)) {
      run_warp(warp * warp_lanes);
      if (block.failed) return;
    }
    if (std::any_of(canary, block.shared.end(), [](unsigned char byte) { return byte != poison; })) {
      block.failed = true;
      block.failure = "shared memory is written past its end";
    }
    if (block.failed || !together(0, block.threads) || block.fibers[0]->state == State::done) return;
    for (std::size_t thread = 0; thread < block.threads; ++thread) {
      block.fibers[thread]->state = State::ready;
    }
  }
}

void prepare(std::size_t threads, std::size_t shared_bytes) {
  block.threads = threads;
  while (block.fibers.size() < threads) block.fibers.push_back(std::make_unique<Fiber>());
#ifdef __SANITIZE_ADDRESS__
  const std::size_t extra = 0;  // AddressSanitizer guards the end itself
#else
  const std::size_t extra = canary_bytes;
#endif
  block.shared = std::vector<unsigned char>(shared_bytes + extra, poison);
  block.shared_bytes = shared_bytes;
  block.failed = false;
}

}  // namespace

void set_order(Order order) { block.order = order; }

const std::string& failure() { return block.failure; }

cudaError_t run(dim3 grid, dim3 threads, std::size_t shared_bytes, const std::function<void()>& kernel) {
  grid_size = grid;
  block_size = threads;
  block.kernel = &kernel;
  block.failure.clear();
  prepare(std::size_t{threads.x} * threads.y * threads.z, shared_bytes);
  if (block.threads % warp_lanes != 0 || block.threads > 1024) {
    block.failure = "a block is not a number of whole warps, at most 32";
    return cudaErrorLaunchFailure;
  }
  for (unsigned z = 0; z < grid.z; ++z) {
    for (unsigned y = 0; y < grid.y; ++y) {
      for (unsigned x = 0; x < grid.x; ++x) {
        block_index = {x, y, z};
        run_block();
        if (!block.failed) continue;
        block.fibers.clear();  // they stand somewhere in the kernel
        return cudaErrorLaunchFailure;
      }
    }
  }
  return cudaSuccess;
}

namespace {
cudaError_t (*work_taker)(cudaStream_t stream, Work work) = nullptr;
}

cudaError_t submit(cudaStream_t stream, Work work) {
  return work_taker == nullptr ? work() : work_taker(stream, std::move(work));
}

void give_work_to(cudaError_t (*taker)(cudaStream_t stream, Work work)) { work_taker = taker; }

void* shared_memory(std::size_t at_least) {
  if (at_least > block.shared_bytes) fail("the launch has less shared memory than the kernel's layout");
  return block.shared.data();
}

int lane() { return static_cast<int>(block.current % warp_lanes); }

void block_barrier(std::source_location site) {
  current().state = State::at_barrier;
  current().site = site;
  yield();
}

void warp_collective(void* lane, void (*complete)(const Lanes&), std::source_location site) {
  Fiber& fiber = current();
  fiber.state = State::at_warp_operation;
  fiber.site = site;
  fiber.lane = lane;
  fiber.complete = complete;
  yield();
}

void copy_later(void* destination, const void* source, std::size_t bytes) {
  const auto is_aligned = [](const void* at) { return reinterpret_cast<std::uintptr_t>(at) % 16 == 0; };
  if (!is_aligned(destination) || !is_aligned(source))
    fail("an asynchronous copy is not aligned to 16 bytes");
  current().copies.push_back({destination, source, bytes});
}

void commit_copies() { current().pending.push_back(std::exchange(current().copies, {})); }

void wait_for_copies(std::size_t pending_groups) {
  auto& pending = current().pending;
  for (; pending.size() > pending_groups; pending.pop_front()) {
    for (const Copy& copy : pending.front()) {
      std::memset(copy.destination, 0, 16);
      std::memcpy(copy.destination, copy.source, copy.bytes);
    }
  }
}

void fail(const std::string& what) {
  block.failed = true;
  block.failure = what;
  for (;;) yield();
}

}  // namespace cola::emulation
