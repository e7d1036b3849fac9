#pragma once
#include <cuda_runtime_api.h>

#include <array>
#include <string>

#include "core/memory.h"

namespace cola::ops::cuda {

/// A copy in the host's memory, on all threads: one alone does not fill a PCIe link from the pages of a file.
void copy_on_host(const std::byte* source, std::byte* destination, std::size_t bytes);

/// Page-locked memory of the host, which a device copies from and to on its own.
class PinnedBuffer {
 public:
  explicit PinnedBuffer(std::size_t bytes);
  ~PinnedBuffer();
  PinnedBuffer(const PinnedBuffer&) = delete;
  PinnedBuffer& operator=(const PinnedBuffer&) = delete;

  [[nodiscard]] std::byte* data() const { return data_; }
  [[nodiscard]] std::size_t size() const { return size_; }

  /// The device's work on `stream` so far uses the buffer.
  void mark_used(cudaStream_t stream);
  /// Until what was marked is done: then the host may write again.
  void wait() const;

 private:
  std::byte* data_ = nullptr;
  std::size_t size_;
  cudaEvent_t used_ = nullptr;
};

/// The memory of one device, in the order of one stream: what is released is used again by later work without
/// waiting, and nothing goes back to the driver in between. Copies go through two pinned buffers, one filled
/// while the other travels.
class DeviceMemory final : public Memory {
 public:
  DeviceMemory(int device, cudaStream_t stream);
  ~DeviceMemory() override;
  DeviceMemory(const DeviceMemory&) = delete;
  DeviceMemory& operator=(const DeviceMemory&) = delete;

  [[nodiscard]] std::byte* allocate(std::size_t bytes) override;
  void release(std::byte* memory, std::size_t bytes) noexcept override;
  void fill_zero(std::byte* memory, std::size_t bytes) override;
  void upload(const std::byte* host, std::byte* destination, std::size_t bytes) override;
  void download(const std::byte* source, std::byte* host, std::size_t bytes) override;
  [[nodiscard]] bool is_host() const override { return false; }
  [[nodiscard]] std::int64_t available_bytes() const override;
  [[nodiscard]] std::int64_t peak_bytes() const override;

 private:
  static constexpr std::size_t staging_bytes = std::size_t{8} << 20;

  [[nodiscard]] std::string out_of_memory(std::size_t bytes) const;
  [[nodiscard]] std::int64_t pool_bytes(cudaMemPoolAttr which) const;

  int device_;
  cudaStream_t stream_;
  cudaMemPool_t pool_ = nullptr;
  std::array<PinnedBuffer, 2> staging_{PinnedBuffer(staging_bytes), PinnedBuffer(staging_bytes)};
};

}  // namespace cola::ops::cuda
