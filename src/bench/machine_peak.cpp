#include "bench/machine_peak.h"

#include <algorithm>

namespace cola {

MachinePeak measure_machine_peak(ops::Backend& backend, DType dtype) {
  return {backend.measure_peak(dtype), backend.measure_read_rate()};
}

MachinePeak faster(const MachinePeak& a, const MachinePeak& b) {
  return {ops::faster(a.multiply, b.multiply), std::max(a.read_bytes_per_second, b.read_bytes_per_second)};
}

}  // namespace cola
