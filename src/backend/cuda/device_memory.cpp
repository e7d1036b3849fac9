#include "backend/cuda/device_memory.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <limits>

#include "backend/cuda/check.h"
#include "core/error.h"
#include "core/parallel.h"
#include "core/system_memory.h"

namespace cola::ops::cuda {
void copy_on_host(const std::byte* source, std::byte* destination, std::size_t bytes) {
  constexpr std::int64_t grain = std::int64_t{1} << 20;
  parallel_for(static_cast<std::int64_t>(bytes), grain, [&](std::int64_t begin, std::int64_t end) {
    std::memcpy(destination + begin, source + begin, static_cast<std::size_t>(end - begin));
  });
}

PinnedBuffer::PinnedBuffer(std::size_t bytes) : size_(bytes) {
  void* memory = nullptr;
  require(cudaMallocHost(&memory, bytes), "page-locked memory");
  data_ = static_cast<std::byte*>(memory);
  require(cudaEventCreateWithFlags(&used_, cudaEventDisableTiming), "an event");
}

PinnedBuffer::~PinnedBuffer() {
  (void)cudaEventSynchronize(used_);
  (void)cudaEventDestroy(used_);
  (void)cudaFreeHost(data_);
}

void PinnedBuffer::mark_used(cudaStream_t stream) { require(cudaEventRecord(used_, stream), "an event"); }

void PinnedBuffer::wait() const { require(cudaEventSynchronize(used_), "waiting for a copy"); }

DeviceMemory::DeviceMemory(int device, cudaStream_t stream) : device_(device), stream_(stream) {
  cudaMemPoolProps properties = {};
  properties.allocType = cudaMemAllocationTypePinned;
  properties.location.type = cudaMemLocationTypeDevice;
  properties.location.id = device;
  require(cudaMemPoolCreate(&pool_, &properties), "a memory pool");
  std::uint64_t keep_all = std::numeric_limits<std::uint64_t>::max();
  require(cudaMemPoolSetAttribute(pool_, cudaMemPoolAttrReleaseThreshold, &keep_all), "a memory pool");
}

DeviceMemory::~DeviceMemory() {
  (void)cudaStreamSynchronize(stream_);
  (void)cudaMemPoolDestroy(pool_);
}

std::byte* DeviceMemory::allocate(std::size_t bytes) {
  void* memory = nullptr;
  cudaError_t result = cudaMallocFromPoolAsync(&memory, bytes, pool_, stream_);
  if (result == cudaErrorMemoryAllocation) {  // once more, without what the pool keeps in unsuitable pieces
    (void)cudaGetLastError();
    require(cudaStreamSynchronize(stream_), "waiting for memory");
    require(cudaMemPoolTrimTo(pool_, 0), "a memory pool");
    result = cudaMallocFromPoolAsync(&memory, bytes, pool_, stream_);
  }
  if (result == cudaErrorMemoryAllocation) {
    (void)cudaGetLastError();
    throw Error(out_of_memory(bytes));
  }
  require(result, "allocating memory");
  return static_cast<std::byte*>(memory);
}

std::string DeviceMemory::out_of_memory(std::size_t bytes) const {
  std::size_t free = 0;
  std::size_t total = 0;
  (void)cudaMemGetInfo(&free, &total);
  return fmt::format(
      "out of memory on cuda:{}: {} more are needed, {} of {} are in use\n"
      "use --activation-checkpointing, a smaller --micro-batch-size or --max-length, --dtype bf16, or "
      "--offload-base",
      device_, format_bytes(static_cast<std::int64_t>(bytes)),
      format_bytes(static_cast<std::int64_t>(total - free)), format_bytes(static_cast<std::int64_t>(total)));
}

void DeviceMemory::release(std::byte* memory, std::size_t /*bytes*/) noexcept {
  (void)cudaFreeAsync(memory, stream_);
}

void DeviceMemory::fill_zero(std::byte* memory, std::size_t bytes) {
  if (bytes > 0) require(cudaMemsetAsync(memory, 0, bytes, stream_), "zeroing memory");
}

void DeviceMemory::upload(const std::byte* host, std::byte* destination, std::size_t bytes) {
  for (std::size_t done = 0, turn = 0; done < bytes; ++turn) {
    PinnedBuffer& buffer = staging_.at(turn % staging_.size());
    const std::size_t part = std::min(buffer.size(), bytes - done);
    buffer.wait();
    copy_on_host(host + done, buffer.data(), part);
    require(cudaMemcpyAsync(destination + done, buffer.data(), part, cudaMemcpyHostToDevice, stream_),
            "a copy to the device");
    buffer.mark_used(stream_);
    done += part;
  }
}

void DeviceMemory::download(const std::byte* source, std::byte* host, std::size_t bytes) {
  const auto start = [&](std::size_t begin, PinnedBuffer& buffer) {
    if (begin >= bytes) return;
    buffer.wait();
    require(cudaMemcpyAsync(buffer.data(), source + begin, std::min(buffer.size(), bytes - begin),
                            cudaMemcpyDeviceToHost, stream_),
            "a copy from the device");
    buffer.mark_used(stream_);
  };
  start(0, staging_[0]);
  for (std::size_t done = 0, turn = 0; done < bytes; ++turn) {
    const PinnedBuffer& buffer = staging_.at(turn % staging_.size());
    const std::size_t part = std::min(buffer.size(), bytes - done);
    start(done + part, staging_.at((turn + 1) % staging_.size()));
    buffer.wait();
    copy_on_host(buffer.data(), host + done, part);
    done += part;
  }
}

std::int64_t DeviceMemory::available_bytes() const {
  std::size_t free = 0;
  std::size_t total = 0;
  require(cudaMemGetInfo(&free, &total), "asking for the free memory");
  return static_cast<std::int64_t>(free) + pool_bytes(cudaMemPoolAttrReservedMemCurrent) -
         pool_bytes(cudaMemPoolAttrUsedMemCurrent);
}

std::int64_t DeviceMemory::peak_bytes() const { return pool_bytes(cudaMemPoolAttrUsedMemHigh); }

std::int64_t DeviceMemory::pool_bytes(cudaMemPoolAttr which) const {
  std::uint64_t bytes = 0;
  require(cudaMemPoolGetAttribute(pool_, which, &bytes), "a memory pool");
  return static_cast<std::int64_t>(bytes);
}

}  // namespace cola::ops::cuda
