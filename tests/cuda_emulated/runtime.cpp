#include <cuda_runtime_api.h>

#include <cstdlib>
#include <cstring>
#include <string>
#include <utility>

#include "emulator.h"

// NOLINTBEGIN: CUDA's names and signatures
namespace {

/// With room before and after, so that the sanitizers see an access past the end; filled with NaN, so that a
/// value that nobody wrote shows.
void* allocate(std::size_t bytes) {
  constexpr std::size_t alignment = 256;
  void* memory = std::aligned_alloc(alignment, (bytes + alignment - 1) / alignment * alignment);
  if (memory != nullptr) std::memset(memory, 0xff, bytes);
  return memory;
}

cola::emulation::Graph* captured = nullptr;
cudaError_t last_error = cudaSuccess;

/// The digits of the visible devices.
std::string visible_devices() {
  const char* chosen = std::getenv("CUDA_VISIBLE_DEVICES");
  std::string digits = chosen != nullptr ? chosen : "012";
  std::erase(digits, ',');
  return digits;
}

}  // namespace

// A graph is a list of work; what is not submitted as work (copies to and from the device, waiting) is an
// error while one is made, as on a device.
struct CUgraph_st {
  cola::emulation::Graph work;
};
struct CUgraphExec_st {
  cola::emulation::Graph work;
};
cudaError_t cudaStreamBeginCapture(cudaStream_t, cudaStreamCaptureMode) {
  captured = new cola::emulation::Graph;
  cola::emulation::keep_work_in(captured);
  return cudaSuccess;
}
cudaError_t cudaStreamEndCapture(cudaStream_t, cudaGraph_t* graph) {
  *graph = new CUgraph_st{std::move(*captured)};
  delete std::exchange(captured, nullptr);
  cola::emulation::keep_work_in(nullptr);
  return cudaSuccess;
}
cudaError_t cudaGraphInstantiate(cudaGraphExec_t* executable, cudaGraph_t graph, unsigned long long) {
  *executable = new CUgraphExec_st{graph->work};
  return cudaSuccess;
}
cudaError_t cudaGraphLaunch(cudaGraphExec_t executable, cudaStream_t) {
  for (const auto& work : executable->work) {
    if (const cudaError_t error = work(); error != cudaSuccess) return error;
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

const char* cudaGetErrorString(cudaError_t error) { return error == cudaSuccess ? "no error" : "an error"; }
const char* cudaGetErrorName(cudaError_t error) { return error == cudaSuccess ? "cudaSuccess" : "cudaError"; }
cudaError_t cudaGetLastError() { return std::exchange(last_error, cudaSuccess); }
cudaError_t cudaDriverGetVersion(int* version) {
  *version = 13000;
  return cudaSuccess;
}
cudaError_t cudaRuntimeGetVersion(int* version) {
  *version = 13000;
  return cudaSuccess;
}
cudaError_t cudaGetDeviceCount(int* count) {
  *count = static_cast<int>(visible_devices().size());
  return cudaSuccess;
}
cudaError_t cudaSetDevice(int device) {
  return device < static_cast<int>(visible_devices().size()) ? cudaSuccess : cudaErrorInvalidDevice;
}
cudaError_t cudaDeviceGetPCIBusId(char* place, int size, int device) {
  const std::string name =
      std::string("0000:0") + visible_devices().at(static_cast<std::size_t>(device)) + ":00.0";
  if (static_cast<int>(name.size()) >= size) return cudaErrorInvalidValue;
  std::memcpy(place, name.c_str(), name.size() + 1);
  return cudaSuccess;
}
cudaError_t cudaDeviceGetAttribute(int* value, cudaDeviceAttr attribute, int) {
  *value = attribute == cudaDevAttrComputeCapabilityMajor ? 9 : 0;
  return cudaSuccess;
}
cudaError_t cudaGetDeviceProperties(cudaDeviceProp* properties, int) {
  *properties = {"emulated", std::size_t{1} << 30, 9, 0};
  return cudaSuccess;
}
cudaError_t cudaStreamCreateWithFlags(cudaStream_t* stream, unsigned) {
  *stream = nullptr;
  return cudaSuccess;
}
cudaError_t cudaStreamDestroy(cudaStream_t) { return cudaSuccess; }
cudaError_t cudaStreamSynchronize(cudaStream_t) {
  return captured == nullptr ? cudaSuccess : cudaErrorInvalidValue;
}
/// Not ready every other time. That counts as an error, which the next launch would take for its own: who
/// asks again without having asked for it fails.
cudaError_t cudaStreamQuery(cudaStream_t) {
  static bool ready = true;
  if (captured != nullptr || last_error != cudaSuccess) return cudaErrorInvalidValue;
  ready = !ready;
  if (!ready) last_error = cudaErrorNotReady;
  return last_error;
}
cudaError_t cudaEventCreate(cudaEvent_t* event) {
  *event = nullptr;
  return cudaSuccess;
}
cudaError_t cudaEventCreateWithFlags(cudaEvent_t* event, unsigned) { return cudaEventCreate(event); }
cudaError_t cudaEventDestroy(cudaEvent_t) { return cudaSuccess; }
cudaError_t cudaEventRecord(cudaEvent_t, cudaStream_t) { return cudaSuccess; }
cudaError_t cudaEventSynchronize(cudaEvent_t) { return cudaSuccess; }
cudaError_t cudaEventElapsedTime(float* milliseconds, cudaEvent_t, cudaEvent_t) {
  *milliseconds = 1.0F;
  return cudaSuccess;
}
cudaError_t cudaMallocHost(void** memory, std::size_t bytes) {
  *memory = allocate(bytes);
  return *memory != nullptr ? cudaSuccess : cudaErrorMemoryAllocation;
}
cudaError_t cudaFreeHost(void* memory) {
  std::free(memory);
  return cudaSuccess;
}
cudaError_t cudaMemPoolCreate(cudaMemPool_t* pool, const cudaMemPoolProps*) {
  *pool = nullptr;
  return cudaSuccess;
}
cudaError_t cudaMemPoolDestroy(cudaMemPool_t) { return cudaSuccess; }
cudaError_t cudaMemPoolTrimTo(cudaMemPool_t, std::size_t) { return cudaSuccess; }
cudaError_t cudaMemPoolSetAttribute(cudaMemPool_t, cudaMemPoolAttr, void*) { return cudaSuccess; }
cudaError_t cudaMemPoolGetAttribute(cudaMemPool_t, cudaMemPoolAttr, void* value) {
  *static_cast<std::uint64_t*>(value) = 0;
  return cudaSuccess;
}
cudaError_t cudaMallocFromPoolAsync(void** memory, std::size_t bytes, cudaMemPool_t, cudaStream_t) {
  if (captured != nullptr) return cudaErrorInvalidValue;
  if (bytes > (std::size_t{1} << 30)) return cudaErrorMemoryAllocation;
  return cudaMallocHost(memory, bytes);
}
cudaError_t cudaFreeAsync(void* memory, cudaStream_t) { return cudaFreeHost(memory); }
cudaError_t cudaMemGetInfo(std::size_t* free, std::size_t* total) {
  *free = *total = std::size_t{1} << 30;
  return cudaSuccess;
}
cudaError_t cudaMemsetAsync(void* memory, int value, std::size_t bytes, cudaStream_t) {
  if (captured != nullptr) return cudaErrorInvalidValue;
  std::memset(memory, value, bytes);
  return cudaSuccess;
}
cudaError_t cudaMemset2DAsync(void* memory, std::size_t pitch, int value, std::size_t width,
                              std::size_t height, cudaStream_t) {
  if (width > pitch) return cudaErrorInvalidValue;
  return cola::emulation::submit([=] {
    for (std::size_t row = 0; row < height; ++row)
      std::memset(static_cast<std::byte*>(memory) + row * pitch, value, width);
    return cudaSuccess;
  });
}
cudaError_t cudaMemcpyAsync(void* destination, const void* source, std::size_t bytes, cudaMemcpyKind,
                            cudaStream_t) {
  if (captured != nullptr) return cudaErrorInvalidValue;
  std::memcpy(destination, source, bytes);
  return cudaSuccess;
}
cudaError_t cudaMemcpy2DAsync(void* destination, std::size_t destination_pitch, const void* source,
                              std::size_t source_pitch, std::size_t width, std::size_t height, cudaMemcpyKind,
                              cudaStream_t) {
  if (width > destination_pitch || width > source_pitch) return cudaErrorInvalidValue;
  return cola::emulation::submit([=] {
    for (std::size_t row = 0; row < height; ++row) {
      std::memcpy(static_cast<std::byte*>(destination) + row * destination_pitch,
                  static_cast<const std::byte*>(source) + row * source_pitch, width);
    }
    return cudaSuccess;
  });
}
// NOLINTEND
