#pragma once
#include <cuda_runtime_api.h>

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>

#include "backend/context.h"
#include "backend/cuda/elements.h"
#include "backend/cuda/host_arrays.h"
#include "backend/cuda/kernels/queue.h"

namespace cola::ops::cuda {

/// Does work that comes again as a CUDA graph: to launch a thousand small kernels one by one takes longer
/// than to run them.
///
/// Work is first only described: its digest covers every kernel, its size and its operands, so a graph of the
/// same digest does the same. What differs from batch to batch, the arrays that describe it, has its place on
/// the device by its turn (HostArrays::Turns), and its content there before the graph starts. Work seen for
/// the second time becomes a graph; work seen once is done as it is.
class Replays {
 public:
  explicit Replays(cudaStream_t stream) : stream_(stream) {}
  ~Replays();
  Replays(const Replays&) = delete;
  Replays& operator=(const Replays&) = delete;

  /// Calls body(), up to twice, which puts ops on the stream that it finds in queue(); one of a name at a
  /// time. Throws what body() throws.
  void run(Context& context, std::string_view name, HostArrays& arrays, const std::function<void()>& body);

  /// Where ops put their work just now.
  [[nodiscard]] launch::Queue queue() { return {stream_, describing_ ? &digest_ : nullptr}; }

 private:
  struct Seen {
    cudaGraphExec_t graph = nullptr;
    std::uint64_t last_use = 0;
  };
  static constexpr std::size_t most_kept = 64;

  void describe(const std::function<void()>& body);
  [[nodiscard]] cudaGraphExec_t capture(const std::function<void()>& body);
  void forget_least_used();

  cudaStream_t stream_;
  bool describing_ = false;
  launch::WorkDigest digest_;
  std::map<std::uint64_t, Seen> seen_;  ///< by digest
  std::map<std::string, HostArrays::Turns, std::less<>> turns_;
  std::uint64_t uses_ = 0;
};

}  // namespace cola::ops::cuda
