#pragma once
#include <cuda_runtime_api.h>

#include <string>
#include <vector>

#include "backend/backend.h"
#include "backend/cuda/device_memory.h"
#include "backend/cuda/host_arrays.h"
#include "backend/cuda/plans.h"
#include "backend/cuda/products.h"
#include "backend/cuda/replays.h"
#include "backend/cuda/stream.h"
#include "backend/cuda/uploads.h"

namespace cola::ops::cuda {

/// Why a device cannot be used: no driver, too old a one, no such device or too old a one; "" if it can.
[[nodiscard]] std::string why_unusable(int device);

/// The place on the bus of every device that this process sees, "0000:65:00.0".
[[nodiscard]] std::vector<std::string> device_places();

/// One device. Every op puts its work on one stream and returns; uploads have a stream of their own. What a
/// kernel does wrong is reported by the first call after it that looks.
class CudaBackend final : public Backend {
 public:
  explicit CudaBackend(int device);

  [[nodiscard]] std::string name() const override;
  [[nodiscard]] std::string description() const override;
  [[nodiscard]] const OpTable& ops() const override;
  [[nodiscard]] Memory& memory() override { return memory_; }
  [[nodiscard]] bool has_bf16_products() const override { return true; }
  [[nodiscard]] std::string_view product_kernel(DType /*dtype*/, bool /*frozen*/) const override {
    return "cuBLASLt";
  }
  [[nodiscard]] std::int64_t logits_chunk_bytes(DType /*dtype*/) const override {
    return std::int64_t{128} << 20;
  }
  [[nodiscard]] std::int64_t expansion_bytes(DType dtype, ConstMatrixView w) const override;
  void synchronize() override;
  [[nodiscard]] Uploads* uploads() override { return &uploads_; }
  [[nodiscard]] std::int64_t bucket_of(std::int64_t rows) const override;
  void repeatable(Context& context, std::string_view name, std::int64_t rows,
                  const std::function<void()>& body) override;
  [[nodiscard]] std::unique_ptr<DeviceGroup> join_devices(int number, int processes,
                                                          const Gather& gather) override;
  [[nodiscard]] PeakRate measure_peak(DType dtype) override;
  [[nodiscard]] double measure_read_rate() override;

  /// Where ops put their work.
  [[nodiscard]] launch::Queue queue() { return replays_.queue(); }
  [[nodiscard]] HostArrays& host_arrays() { return host_arrays_; }
  [[nodiscard]] Products& products() { return products_; }
  [[nodiscard]] BatchPlans& plans() { return plans_; }

 private:
  int device_;
  Stream stream_;
  DeviceMemory memory_;
  BackgroundUploads uploads_;
  HostArrays host_arrays_;
  Products products_;
  BatchPlans plans_;
  Replays replays_;
};

/// The backend of a context that computes here.
[[nodiscard]] inline CudaBackend& backend_of(Context& context) {
  return static_cast<CudaBackend&>(context.backend());
}

}  // namespace cola::ops::cuda
