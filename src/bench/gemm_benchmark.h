#pragma once
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "backend/backend.h"
#include "bench/timing.h"
#include "core/dtype.h"
#include "model/decoder_spec.h"

namespace cola {

struct GemmBenchmarkOptions {
  DecoderSpec config;
  DType dtype = DType::f32;
  std::vector<std::int64_t> rows{512, 1024, 2048};  ///< tokens
  std::int64_t lora_r = 8;
  std::vector<std::string> target_modules;  ///< empty: the family's
  double least_seconds = 0.5;               ///< measured for each figure
};

/// One product of a linear layer: [m, k] by [k, n].
struct ProductRate {
  std::vector<std::string> layers;  ///< the layers of this shape, by the ends of their names
  bool backward = false;            ///< dx = dy W, n the layer's inputs; else y = x W^T + bias, n its outputs
  std::int64_t m = 0, n = 0, k = 0;
  Spread seconds{};
  double flops_per_second = 0.0;  ///< by the median
  Spread fraction_of_peak{};      ///< of the peak around the measurement
  /// The same product by oneDNN from row-major memory, in turn; none where it has none, as bf16 without
  /// hardware.
  std::optional<double> onednn_flops_per_second = std::nullopt;
  std::optional<Spread> speedup_over_onednn = std::nullopt;  ///< run by run
};

struct GemmBenchmark {
  /// Of the weights, both directions from one copy: packed where ops::prefers_packed().
  std::vector<ProductRate> results;
  /// Of the targets' LoRA, rank lora_r: forward u = x A^T and y += u B^T; backward du, dB, dA and dx.
  /// oneDNN's are of f32 operands.
  std::vector<ProductRate> thin;
  ops::PeakRate peak;  ///< the median of those around the measurements
};

/// Every distinct linear layer of the shape, the head included. Throws UsageError for a number out of range.
[[nodiscard]] GemmBenchmark benchmark_gemm(
    const GemmBenchmarkOptions& options,
    const std::function<void(std::int64_t done, std::int64_t total)>& progress = {});

}  // namespace cola
