#pragma once
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "bench/machine_peak.h"
#include "core/dtype.h"
#include "model/decoder_spec.h"

namespace cola {

struct OpsBenchmarkOptions {
  DecoderSpec config;
  DType dtype = DType::f32;
  std::int64_t batch_size = 8;
  std::int64_t seq_length = 128;
  std::int64_t lora_r = 8;
  double least_seconds = 0.2;  ///< measured for each figure
};

/// One op on the matrices that a block of the shape gives it.
struct OpRate {
  std::string op;
  std::int64_t rows = 0, cols = 0;  ///< of its main operand
  double bytes = 0.0;    ///< every operand read once, every result written once: the least that can be moved
  double flops = 0.0;    ///< 2 a multiply-add of its products; 0 where it has none
  double seconds = 0.0;  ///< median
  double bytes_per_second = 0.0;
  /// Around its kind of ops; may be above 1 where operands stay in a cache.
  double fraction_of_bandwidth = 0.0;
  double flops_per_second = 0.0;
  double fraction_of_peak = 0.0;
};

struct OpsBenchmark {
  std::vector<OpRate> results;
  MachinePeak peak;  ///< the median of those around the kinds
};

/// What a training step of the shape does beside the products of its linear layers: norm, activation,
/// residual, attention, rotary (Llama), cross-entropy with its head, optimizer, LoRA; `progress` counts these
/// kinds. Throws UsageError for a number out of range.
[[nodiscard]] OpsBenchmark benchmark_ops(
    const OpsBenchmarkOptions& options,
    const std::function<void(std::int64_t done, std::int64_t total)>& progress = {});

}  // namespace cola
