#pragma once
#include <chrono>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "backend/cuda/cuda_backend.h"
#include "backend/cuda/elements.h"
#include "backend/cuda/kernels/slices.h"
#include "backend/cuda/nccl_api.h"
#include "backend/device_group.h"

namespace cola::ops::cuda {

/// What NcclGroup may take.
struct NcclLimits {
  std::int64_t chunk_elements = std::int64_t{1} << 24;  ///< summed at a time: 64 MiB
  /// For the others to come, and to do their part of a chunk. Who dies is noticed sooner, by NCCL where
  /// machines are apart, else by the launcher: this is for a device that hangs.
  std::chrono::seconds patience{300};
};

/// Devices that NCCL joins. The tensors are cut into one slice a process, which adds up that of all and gives
/// it back to all, as dist/mpi_ranks.cpp does on the host: NCCL moves, and only moves, so that the order of
/// the sum is the processes'.
class NcclGroup final : public DeviceGroup {
 public:
  /// Collective; the first sum is made here, with all memory that NCCL takes for itself. Throws Error if NCCL
  /// is not there or cannot join the devices.
  NcclGroup(CudaBackend& backend, int number, int processes, const Backend::Gather& gather,
            const NcclLimits& limits = {});
  ~NcclGroup() override;
  NcclGroup(const NcclGroup&) = delete;
  NcclGroup& operator=(const NcclGroup&) = delete;

  void sum(std::span<const std::span<float>> tensors) override;
  [[nodiscard]] std::int64_t sum_bytes(std::int64_t elements) const override;

 private:
  [[nodiscard]] std::size_t chunk_bytes(std::int64_t elements) const;
  void sum_chunk(std::span<const std::span<float>> pieces, std::int64_t count);
  void copy(const std::vector<launch::Copy>& copies);
  void exchange_slices(const float* outgoing, float* incoming, std::int64_t slice);

  /// Until NCCL is through with the call that gave `result`: its work is on the stream. Throws as wait_until.
  void finish(nccl::Result result, std::string_view what);
  /// Returns when NCCL is not busy and done() is true. Throws Error, the communicator gone, when NCCL says
  /// that another process is lost, or after the limits' patience.
  void wait_until(const std::function<bool()>& done, std::string_view what);
  [[noreturn]] void fail(std::string_view what, const std::string& why);
  void abort() noexcept;

  CudaBackend& backend_;
  const nccl::Api& nccl_;
  int processes_;
  NcclLimits limits_;
  nccl::Communicator* communicator_ = nullptr;
  Buffer outgoing_, incoming_;
};

}  // namespace cola::ops::cuda
