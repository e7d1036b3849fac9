#pragma once
#include "backend/backend.h"

namespace cola {

/// What a backend's hardware can at most do: what figures of the same run stand beside.
struct MachinePeak {
  ops::PeakRate multiply;
  double read_bytes_per_second = 0.0;
};

/// Takes about a second.
[[nodiscard]] MachinePeak measure_machine_peak(ops::Backend& backend, DType dtype);

/// The better of each: of measurements before and after what is timed.
[[nodiscard]] MachinePeak faster(const MachinePeak& a, const MachinePeak& b);

}  // namespace cola
