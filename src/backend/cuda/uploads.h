#pragma once
#include <cuda_runtime_api.h>

#include <memory>

#include "backend/cuda/stream.h"
#include "backend/uploads.h"

namespace cola::ops::cuda {

/// Page-locked memory of the host.
class PageLockedMemory final : public Memory {
 public:
  [[nodiscard]] std::byte* allocate(std::size_t bytes) override;
  void release(std::byte* memory, std::size_t bytes) noexcept override;
  void fill_zero(std::byte* memory, std::size_t bytes) override;
  void upload(const std::byte* host, std::byte* destination, std::size_t bytes) override;
  void download(const std::byte* source, std::byte* host, std::size_t bytes) override;
  [[nodiscard]] bool is_host() const override { return true; }
  [[nodiscard]] std::int64_t available_bytes() const override { return host_memory().available_bytes(); }
  [[nodiscard]] std::int64_t peak_bytes() const override { return host_memory().peak_bytes(); }
};

/// Uploads on a stream of their own, which events order with the ops' stream.
class BackgroundUploads final : public Uploads {
 public:
  /// `memory`: the device's, in the order of the stream `ops`.
  BackgroundUploads(int device, cudaStream_t ops, Memory& memory)
      : ops_(ops), copies_(device), device_memory_(memory) {}

  [[nodiscard]] Memory& memory() override { return page_locked_; }
  [[nodiscard]] std::unique_ptr<UploadSlot> make_slot(std::size_t bytes) override;

 private:
  cudaStream_t ops_;
  Stream copies_;
  Memory& device_memory_;
  PageLockedMemory page_locked_;
};

}  // namespace cola::ops::cuda
