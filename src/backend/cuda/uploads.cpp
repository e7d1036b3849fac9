#include "backend/cuda/uploads.h"

#include <fmt/format.h>

#include <cstring>

#include "backend/cuda/device_memory.h"
#include "core/error.h"
#include "core/system_memory.h"

namespace cola::ops::cuda {
namespace {

class Slot final : public UploadSlot {
 public:
  Slot(cudaStream_t ops, cudaStream_t copies, Memory& memory, std::size_t bytes)
      : ops_(ops), copies_(copies), room_(memory) {
    room_.resize(bytes);
  }
  ~Slot() override { wait(); }  // before the room is released, in the order of the ops' stream
  Slot(const Slot&) = delete;
  Slot& operator=(const Slot&) = delete;

  [[nodiscard]] std::byte* data() override { return room_.data(); }

  void fill(std::span<const Part> parts) override {
    free_.record(ops_);
    free_.hold_back(copies_);
    for (const Part& part : parts) {
      require(
          cudaMemcpyAsync(room_.data() + part.offset, part.host, part.bytes, cudaMemcpyHostToDevice, copies_),
          "a copy of weights to the device");
    }
    filled_.record(copies_);
  }
  void arrive() override { filled_.hold_back(ops_); }
  void wait() noexcept override { (void)cudaEventSynchronize(filled_.get()); }

 private:
  cudaStream_t ops_, copies_;
  Buffer room_;
  Event free_;    ///< the ops that may read the former content are done
  Event filled_;  ///< the copies are done
};

}  // namespace

std::byte* PageLockedMemory::allocate(std::size_t bytes) {
  void* memory = nullptr;
  const cudaError_t result = cudaMallocHost(&memory, bytes);
  if (result == cudaErrorMemoryAllocation) {
    (void)cudaGetLastError();
    throw Error(
        fmt::format("out of memory: could not allocate {} of page-locked memory for --offload-base\n"
                    "use --dtype bf16, or a machine with more memory",
                    format_bytes(static_cast<std::int64_t>(bytes))));
  }
  require(result, "page-locked memory");
  return static_cast<std::byte*>(memory);
}

void PageLockedMemory::release(std::byte* memory, std::size_t /*bytes*/) noexcept {
  (void)cudaFreeHost(memory);
}

void PageLockedMemory::fill_zero(std::byte* memory, std::size_t bytes) { std::memset(memory, 0, bytes); }

void PageLockedMemory::upload(const std::byte* host, std::byte* destination, std::size_t bytes) {
  copy_on_host(host, destination, bytes);
}

void PageLockedMemory::download(const std::byte* source, std::byte* host, std::size_t bytes) {
  copy_on_host(source, host, bytes);
}

std::unique_ptr<UploadSlot> BackgroundUploads::make_slot(std::size_t bytes) {
  return std::make_unique<Slot>(ops_, copies_.get(), device_memory_, bytes);
}

}  // namespace cola::ops::cuda
