#pragma once
#include "backend/backend.h"
#include "core/dtype.h"

namespace cola::ops {

/// The fastest of a few runs (about 0.3 s in all) of the fastest instruction of cpu_isa() for products of
/// `dtype` (f32 or bf16) into f32 sums.
[[nodiscard]] PeakRate measure_peak(DType dtype);

/// How many bytes a second all threads together read from memory: the fastest of a few passes over a buffer
/// of four times the last-level cache, at least 256 MiB (less where less is available). Throws Error without
/// memory for it.
[[nodiscard]] double measure_read_rate();

}  // namespace cola::ops
