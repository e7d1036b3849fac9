#include "streams.h"

#include <deque>
#include <memory>
#include <optional>
#include <utility>

// NOLINTBEGIN: CUDA's names and signatures
using cola::emulation::Work;

struct CUgraph_st {
  std::vector<Work> work;
};
struct CUgraphExec_st {
  std::vector<Work> work;
};
struct CUstream_st {
  std::deque<Work> waiting;
  std::size_t done = 0;
  bool running = false;
  std::optional<CUgraph_st> recorded;

  [[nodiscard]] std::size_t given() const { return done + waiting.size() + (running ? 1 : 0); }
};
struct CUevent_st {
  CUstream_st* stream = nullptr;
  std::size_t after = 0;  ///< pieces of the stream's work
};

namespace {

cudaError_t failure = cudaSuccess;     ///< as there, found by whoever waits next
cudaError_t last_error = cudaSuccess;  ///< until somebody asks for it

std::vector<std::unique_ptr<CUstream_st>>& streams() {  // as long as the program: events point at them
  static std::vector<std::unique_ptr<CUstream_st>> all;
  return all;
}

void work_off(CUstream_st& stream, std::size_t until) {
  while (stream.done < until && failure == cudaSuccess) {
    if (stream.running || stream.waiting.empty()) {  // it waits for what comes after it
      failure = cudaErrorLaunchFailure;
      return;
    }
    const Work work = std::move(stream.waiting.front());
    stream.waiting.pop_front();
    stream.running = true;
    const cudaError_t error = work();
    stream.running = false;
    ++stream.done;
    if (error != cudaSuccess) failure = error;
  }
}

cudaError_t wait_for(CUstream_st& stream, std::size_t until) {
  if (stream.done >= until) return failure;
  static std::uint32_t turn = 1;
  turn = turn * 1664525 + 1013904223;
  if (turn >> 31 != 0) {
    for (const auto& other : streams()) {
      if (other.get() != &stream) work_off(*other, other->given());
    }
  }
  work_off(stream, until);
  return failure;
}

cudaError_t take(cudaStream_t stream, Work work) {
  if (stream == nullptr) return work();
  if (stream->recorded) {
    stream->recorded->work.push_back(std::move(work));
  } else {
    stream->waiting.push_back(std::move(work));
  }
  return cudaSuccess;
}

}  // namespace

namespace cola::emulation {

bool is_recorded(cudaStream_t stream) { return stream->recorded.has_value(); }

cudaError_t submit_unrecorded(cudaStream_t stream, Work work) {
  return is_recorded(stream) ? cudaErrorInvalidValue : submit(stream, std::move(work));
}

}  // namespace cola::emulation

cudaError_t cudaStreamCreateWithFlags(cudaStream_t* stream, unsigned) {
  cola::emulation::give_work_to(take);
  *stream = streams().emplace_back(std::make_unique<CUstream_st>()).get();
  return cudaSuccess;
}
cudaError_t cudaStreamDestroy(cudaStream_t stream) {
  work_off(*stream, stream->given());
  return cudaSuccess;
}
cudaError_t cudaStreamSynchronize(cudaStream_t stream) {
  return stream->recorded ? cudaErrorInvalidValue : wait_for(*stream, stream->given());
}
/// Not ready every other time. That counts as an error, which the next launch would take for its own: who
/// asks again without having asked for it fails.
cudaError_t cudaStreamQuery(cudaStream_t stream) {
  static bool ready = true;
  if (stream->recorded || last_error != cudaSuccess) return cudaErrorInvalidValue;
  ready = !ready;
  if (ready) return wait_for(*stream, stream->given());
  return last_error = cudaErrorNotReady;
}
cudaError_t cudaGetLastError() { return std::exchange(last_error, cudaSuccess); }
cudaError_t cudaStreamWaitEvent(cudaStream_t stream, cudaEvent_t event, unsigned) {
  if (event->stream == nullptr) return cudaSuccess;
  return cola::emulation::submit_unrecorded(stream, [event = *event] {
    work_off(*event.stream, event.after);
    return cudaSuccess;
  });
}

cudaError_t cudaEventCreate(cudaEvent_t* event) {
  *event = new CUevent_st;
  return cudaSuccess;
}
cudaError_t cudaEventCreateWithFlags(cudaEvent_t* event, unsigned) { return cudaEventCreate(event); }
cudaError_t cudaEventDestroy(cudaEvent_t event) {
  delete event;
  return cudaSuccess;
}
cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t stream) {
  if (stream->recorded) return cudaErrorInvalidValue;
  *event = {stream, stream->given()};
  return cudaSuccess;
}
cudaError_t cudaEventSynchronize(cudaEvent_t event) {
  return event->stream == nullptr ? cudaSuccess : wait_for(*event->stream, event->after);
}
cudaError_t cudaEventElapsedTime(float* milliseconds, cudaEvent_t, cudaEvent_t) {
  *milliseconds = 1.0F;
  return cudaSuccess;
}

// A graph is a list of work; what is not submitted as work (copies to and from the device, waiting) is an
// error while one is made, as on a device.
cudaError_t cudaStreamBeginCapture(cudaStream_t stream, cudaStreamCaptureMode) {
  stream->recorded.emplace();
  return cudaSuccess;
}
cudaError_t cudaStreamEndCapture(cudaStream_t stream, cudaGraph_t* graph) {
  *graph = new CUgraph_st{std::move(*stream->recorded)};
  stream->recorded.reset();
  return cudaSuccess;
}
cudaError_t cudaGraphInstantiate(cudaGraphExec_t* executable, cudaGraph_t graph, unsigned long long) {
  *executable = new CUgraphExec_st{graph->work};
  return cudaSuccess;
}
cudaError_t cudaGraphLaunch(cudaGraphExec_t executable, cudaStream_t stream) {
  for (const Work& work : executable->work) {
    if (const cudaError_t error = cola::emulation::submit(stream, work); error != cudaSuccess) return error;
  }
  return cudaSuccess;
}
cudaError_t cudaGraphDestroy(cudaGraph_t graph) {
  delete graph;
  return cudaSuccess;
}
cudaError_t cudaGraphExecDestroy(cudaGraphExec_t executable) {
  delete executable;
  return cudaSuccess;
}
// NOLINTEND
