#include "bench/machine_peak.h"

namespace cola {

MachinePeak measure_machine_peak(ops::Backend& backend, DType dtype) {
  return {backend.measure_peak(dtype), backend.measure_read_rate()};
}

MachinePeak mean_of(const MachinePeak& a, const MachinePeak& b) {
  return {{(a.multiply.flops_per_second + b.multiply.flops_per_second) / 2.0, a.multiply.instruction},
          (a.read_bytes_per_second + b.read_bytes_per_second) / 2.0};
}

MachinePeak median_of(const std::vector<MachinePeak>& peaks) {
  std::vector<double> flops, bytes;
  for (const MachinePeak& peak : peaks) {
    flops.push_back(peak.multiply.flops_per_second);
    bytes.push_back(peak.read_bytes_per_second);
  }
  return {{median(std::move(flops)), peaks.front().multiply.instruction}, median(std::move(bytes))};
}

}  // namespace cola
