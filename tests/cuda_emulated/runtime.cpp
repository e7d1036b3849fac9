#include <cuda_runtime_api.h>
#include <malloc.h>

#include <cstdlib>
#include <cstring>
#include <iterator>
#include <map>
#include <string>

#include "streams.h"

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

/// The digits of the visible devices.
std::string visible_devices() {
  const char* chosen = std::getenv("CUDA_VISIBLE_DEVICES");
  std::string digits = chosen != nullptr ? chosen : "012";
  std::erase(digits, ',');
  return digits;
}

/// So that work that still uses it shows.
void release(void* memory) {
  if (memory != nullptr) std::memset(memory, 0xff, malloc_usable_size(memory));
  std::free(memory);
}

std::map<std::byte*, std::size_t> page_locked;  // bytes of each block

bool is_page_locked(const void* memory, std::size_t bytes) {
  auto* begin = static_cast<std::byte*>(const_cast<void*>(memory));
  const auto after = page_locked.upper_bound(begin);
  return after != page_locked.begin() && begin + bytes <= std::prev(after)->first + std::prev(after)->second;
}

}  // namespace

const char* cudaGetErrorString(cudaError_t error) { return error == cudaSuccess ? "no error" : "an error"; }
const char* cudaGetErrorName(cudaError_t error) { return error == cudaSuccess ? "cudaSuccess" : "cudaError"; }
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
cudaError_t cudaMallocHost(void** memory, std::size_t bytes) {
  *memory = allocate(bytes);
  if (*memory == nullptr) return cudaErrorMemoryAllocation;
  page_locked[static_cast<std::byte*>(*memory)] = bytes;
  return cudaSuccess;
}
cudaError_t cudaFreeHost(void* memory) {
  if (memory != nullptr && page_locked.erase(static_cast<std::byte*>(memory)) == 0)
    return cudaErrorInvalidValue;
  release(memory);
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
cudaError_t cudaMallocFromPoolAsync(void** memory, std::size_t bytes, cudaMemPool_t, cudaStream_t stream) {
  if (cola::emulation::is_recorded(stream)) return cudaErrorInvalidValue;
  if (bytes > (std::size_t{1} << 30)) return cudaErrorMemoryAllocation;
  *memory = allocate(bytes);
  return *memory != nullptr ? cudaSuccess : cudaErrorMemoryAllocation;
}
cudaError_t cudaFreeAsync(void* memory, cudaStream_t stream) {
  return cola::emulation::submit_unrecorded(stream, [=] {
    release(memory);
    return cudaSuccess;
  });
}
cudaError_t cudaMemGetInfo(std::size_t* free, std::size_t* total) {
  *free = *total = std::size_t{1} << 30;
  return cudaSuccess;
}
cudaError_t cudaMemsetAsync(void* memory, int value, std::size_t bytes, cudaStream_t stream) {
  return cola::emulation::submit_unrecorded(stream, [=] {
    std::memset(memory, value, bytes);
    return cudaSuccess;
  });
}
cudaError_t cudaMemset2DAsync(void* memory, std::size_t pitch, int value, std::size_t width,
                              std::size_t height, cudaStream_t stream) {
  if (width > pitch) return cudaErrorInvalidValue;
  return cola::emulation::submit(stream, [=] {
    for (std::size_t row = 0; row < height; ++row)
      std::memset(static_cast<std::byte*>(memory) + row * pitch, value, width);
    return cudaSuccess;
  });
}
cudaError_t cudaMemcpyAsync(void* destination, const void* source, std::size_t bytes, cudaMemcpyKind kind,
                            cudaStream_t stream) {
  const bool locked = kind == cudaMemcpyDeviceToDevice ||
                      is_page_locked(kind == cudaMemcpyHostToDevice ? source : destination, bytes);
  if (!locked) return cudaErrorInvalidValue;  // there it would wait for the copy
  return cola::emulation::submit_unrecorded(stream, [=] {
    std::memcpy(destination, source, bytes);
    return cudaSuccess;
  });
}
cudaError_t cudaMemcpy2DAsync(void* destination, std::size_t destination_pitch, const void* source,
                              std::size_t source_pitch, std::size_t width, std::size_t height, cudaMemcpyKind,
                              cudaStream_t stream) {
  if (width > destination_pitch || width > source_pitch) return cudaErrorInvalidValue;
  return cola::emulation::submit(stream, [=] {
    for (std::size_t row = 0; row < height; ++row) {
      std::memcpy(static_cast<std::byte*>(destination) + row * destination_pitch,
                  static_cast<const std::byte*>(source) + row * source_pitch, width);
    }
    return cudaSuccess;
  });
}
// NOLINTEND
