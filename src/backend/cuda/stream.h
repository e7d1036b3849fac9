#pragma once
#include <cuda_runtime_api.h>

#include "backend/cuda/check.h"

namespace cola::ops::cuda {

/// One stream of one device; owns it.
class Stream {
 public:
  explicit Stream(int device) {
    require(cudaSetDevice(device), "choosing a device");
    require(cudaStreamCreateWithFlags(&stream_, cudaStreamNonBlocking), "a stream");
  }
  ~Stream() { (void)cudaStreamDestroy(stream_); }
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;
  [[nodiscard]] cudaStream_t get() const { return stream_; }

 private:
  cudaStream_t stream_ = nullptr;
};

/// A point in a stream's work; owns it.
class Event {
 public:
  Event() { require(cudaEventCreateWithFlags(&event_, cudaEventDisableTiming), "an event"); }
  ~Event() { (void)cudaEventDestroy(event_); }
  Event(const Event&) = delete;
  Event& operator=(const Event&) = delete;

  /// Of the work on `stream` so far. Nothing was recorded before: then it is passed.
  void record(cudaStream_t stream) { require(cudaEventRecord(event_, stream), "an event"); }
  /// What is put on `stream` from here on comes after the point.
  void hold_back(cudaStream_t stream) const { require(cudaStreamWaitEvent(stream, event_, 0), "an event"); }
  [[nodiscard]] cudaEvent_t get() const { return event_; }

 private:
  cudaEvent_t event_ = nullptr;
};

}  // namespace cola::ops::cuda
