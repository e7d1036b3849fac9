#include "backend/cuda/replays.h"

#include <algorithm>

#include "backend/cuda/check.h"

namespace cola::ops::cuda {

Replays::~Replays() {
  for (const auto& [digest, seen] : seen_) {
    if (seen.graph != nullptr) (void)cudaGraphExecDestroy(seen.graph);
  }
}

void Replays::run(Context& context, std::string_view name, HostArrays& arrays,
                  const std::function<void()>& body) {
  auto turns = turns_.find(name);
  if (turns == turns_.end()) turns = turns_.try_emplace(std::string(name)).first;
  const auto in_turns = [&] {
    const HostArrays::InTurns guard(arrays, turns->second);
    body();
  };
  const std::uint64_t flops_before = context.flops();
  describe(in_turns);
  const std::uint64_t flops = context.flops() - flops_before;
  const bool first_time = !seen_.contains(digest_.value());
  if (first_time && seen_.size() >= most_kept) forget_least_used();
  Seen& seen = seen_[digest_.value()];
  seen.last_use = ++uses_;
  if (first_time) {
    in_turns();
  } else {
    if (seen.graph == nullptr) seen.graph = capture(in_turns);
    require(cudaGraphLaunch(seen.graph, stream_), "starting a graph");
  }
  context.set_flops(flops_before + flops);
}

void Replays::describe(const std::function<void()>& body) {
  digest_ = {};
  describing_ = true;
  try {
    body();
  } catch (...) {
    describing_ = false;
    throw;
  }
  describing_ = false;
}

cudaGraphExec_t Replays::capture(const std::function<void()>& body) {
  require(cudaStreamBeginCapture(stream_, cudaStreamCaptureModeThreadLocal), "recording a graph");
  cudaGraph_t graph = nullptr;
  try {
    body();
  } catch (...) {
    (void)cudaStreamEndCapture(stream_, &graph);
    if (graph != nullptr) (void)cudaGraphDestroy(graph);
    throw;
  }
  require(cudaStreamEndCapture(stream_, &graph), "recording a graph");
  cudaGraphExec_t executable = nullptr;
  const cudaError_t result = cudaGraphInstantiate(&executable, graph, 0);
  (void)cudaGraphDestroy(graph);
  require(result, "making a graph");
  return executable;
}

void Replays::forget_least_used() {
  const auto least =
      std::ranges::min_element(seen_, {}, [](const auto& entry) { return entry.second.last_use; });
  if (least->second.graph != nullptr) {
    require(cudaStreamSynchronize(stream_), "waiting for the device");  // it may still run
    (void)cudaGraphExecDestroy(least->second.graph);
  }
  seen_.erase(least);
}

}  // namespace cola::ops::cuda
