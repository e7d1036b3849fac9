#pragma once
#include <string_view>

#include "core/dtype.h"

namespace cola::ops {

/// How fast this processor multiplies and adds on registers alone, all threads together: what any matrix
/// product can at most reach.
struct PeakRate {
  double flops_per_second = 0.0;
  std::string_view instruction;
};

[[nodiscard]] inline PeakRate faster(PeakRate a, PeakRate b) {
  return a.flops_per_second < b.flops_per_second ? b : a;
}

/// The fastest of a few runs (about 0.3 s in all) of the fastest instruction of cpu_isa() for products of
/// `dtype` (f32 or bf16) into f32 sums.
[[nodiscard]] PeakRate measure_peak(DType dtype);

/// How many bytes a second all threads together read from memory: the fastest of a few passes over a buffer
/// of four times the last-level cache, at least 256 MiB (less where less is available). Throws Error without
/// memory for it.
[[nodiscard]] double measure_read_rate();

}  // namespace cola::ops
