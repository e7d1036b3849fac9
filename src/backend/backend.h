#pragma once
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "backend/device_group.h"
#include "backend/op_table.h"
#include "backend/uploads.h"
#include "core/dtype.h"
#include "core/memory.h"

namespace cola::ops {

/// How fast a device multiplies and adds: what any matrix product can at most reach.
struct PeakRate {
  double flops_per_second = 0.0;
  std::string_view instruction;
};

/// A device that computes: its memory, and an implementation of every op. Outlives its contexts and whatever
/// lies in its memory.
class Backend {
 public:
  Backend() = default;
  virtual ~Backend() = default;
  Backend(const Backend&) = delete;
  Backend& operator=(const Backend&) = delete;

  [[nodiscard]] virtual std::string name() const = 0;         ///< "cpu", "cuda:0"
  [[nodiscard]] virtual std::string description() const = 0;  ///< of the hardware, for people
  [[nodiscard]] virtual const OpTable& ops() const = 0;
  [[nodiscard]] virtual Memory& memory() = 0;
  /// Whether bf16 is multiplied in hardware: what --dtype auto asks.
  [[nodiscard]] virtual bool has_bf16_products() const = 0;
  /// What products with a weight run on, for people to read.
  [[nodiscard]] virtual std::string_view product_kernel(DType dtype, bool frozen) const = 0;
  /// Whether products with frozen weights of `dtype` are best read from packed copies
  /// (Decoder::pack_weights).
  [[nodiscard]] virtual bool prefers_packed(DType /*dtype*/) const { return false; }
  /// Most bytes of logits (f32) that the cross-entropy ops make at a time in a model of that dtype.
  [[nodiscard]] virtual std::int64_t logits_chunk_bytes(DType dtype) const = 0;
  /// Most bytes in which products of operands of `dtype` with the quantised weight w, of which only dtype and
  /// shape are read, expand parts of it.
  [[nodiscard]] virtual std::int64_t expansion_bytes(DType dtype, ConstMatrixView w) const = 0;
  /// Waits until all ops called so far are done. Throws Error if one has failed.
  virtual void synchronize() = 0;

  /// Null of a backend that computes in the host's memory.
  [[nodiscard]] virtual Uploads* uploads() { return nullptr; }

  /// How many rows a batch is best padded to, so that work comes again: with `repeatable`.
  [[nodiscard]] virtual std::int64_t bucket_of(std::int64_t rows) const { return rows; }
  /// Does body(), which calls ops on a batch of `rows` with this context, and which the backend may call
  /// twice, or do itself if it knows the work: body() must compute the same again, and move nothing by upload
  /// or download. `name` tells bodies of one step apart.
  virtual void repeatable(Context& /*context*/, std::string_view /*name*/, std::int64_t /*rows*/,
                          const std::function<void()>& body) {
    body();
  }

  /// Every process's text, by the process's number, in each of them: collective.
  using Gather = std::function<std::vector<std::string>(const std::string& own)>;
  /// Joins this device, the process's with that number, with those of all processes that `gather` reaches:
  /// collective. Null where the memory is the host's, which the processes sum themselves.
  [[nodiscard]] virtual std::unique_ptr<DeviceGroup> join_devices(int /*number*/, int /*processes*/,
                                                                  const Gather& /*gather*/) {
    return nullptr;
  }

  /// The fastest of a few measurements for products of `dtype` (f32 or bf16) into f32 sums.
  [[nodiscard]] virtual PeakRate measure_peak(DType dtype) = 0;
  /// Bytes a second read from its memory: the fastest of a few passes. Throws Error without room for a
  /// buffer.
  [[nodiscard]] virtual double measure_read_rate() = 0;
};

[[nodiscard]] Backend& cpu_backend();

/// The backend of `--device`: cpu, cuda, cuda:N, or auto, which is cuda where it can be used. Throws
/// UsageError for another name, Error saying what is missing where CUDA is asked for and cannot be used.
[[nodiscard]] std::shared_ptr<Backend> open_backend(const std::string& device);

/// Throws UsageError for a name that open_backend does not know.
void check_device_name(const std::string& device);

/// The backend's uploads, for --offload-base. Throws UsageError where it has none.
[[nodiscard]] Uploads& uploads_of(Backend& backend);

/// Whether open_cuda_backend(0) finds a module, a driver and a device that it can use.
[[nodiscard]] bool cuda_is_usable();
/// The devices that open_cuda_backend may open, each by its place on the machine's bus, which is the same in
/// every process whatever devices a launcher lets it see. Empty where CUDA is not usable.
[[nodiscard]] std::vector<std::string> cuda_devices();
/// The CUDA backend of a device, loaded at run time. Throws Error saying why there is none.
[[nodiscard]] std::shared_ptr<Backend> open_cuda_backend(int device);

}  // namespace cola::ops
