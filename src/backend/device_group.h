#pragma once
#include <cstdint>
#include <span>

namespace cola::ops {

/// The devices of several processes, one each, seen from one of them. All make the same calls in the same
/// order.
class DeviceGroup {
 public:
  DeviceGroup() = default;
  virtual ~DeviceGroup() = default;
  DeviceGroup(const DeviceGroup&) = delete;
  DeviceGroup& operator=(const DeviceGroup&) = delete;

  /// Replaces each element by its sum over the processes, added in the order of their numbers: the same bits
  /// in each of them and in every run. Tensors lie in the device's memory; end to end, they have one length
  /// in all processes. Done when it returns; throws Error if another process is lost.
  virtual void sum(std::span<const std::span<float>> tensors) = 0;
  /// Bytes of the device's memory that `sum` of so many elements allocates.
  [[nodiscard]] virtual std::int64_t sum_bytes(std::int64_t elements) const = 0;
};

}  // namespace cola::ops
