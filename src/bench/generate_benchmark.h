#pragma once
#include <cstdint>
#include <functional>

#include "bench/machine_peak.h"
#include "core/dtype.h"
#include "model/config.h"

namespace cola {

/// Greedy decoding of one sequence with random weights after a prompt of random tokens.
struct GenerateBenchmarkOptions {
  ModelConfig config;
  DType dtype = DType::f32;
  std::int64_t prompt_tokens = 128;
  std::int64_t new_tokens = 64;
  std::int64_t rounds = 3;  ///< generations, after one short one that is not counted
};

/// Medians over the rounds.
struct GenerateBenchmark {
  double tokens_per_second = 0.0;         ///< of the new tokens behind the first
  double prompt_tokens_per_second = 0.0;  ///< of the prompt, until the first new token
  double weight_bytes = 0.0;              ///< read for a token: weight_bytes_of_token()
  double fraction_of_bandwidth = 0.0;     ///< tokens_per_second * weight_bytes / the peak's read rate
  MachinePeak peak;                       ///< the better of before and after
};

/// `progress` counts tokens. Throws UsageError for a number out of range, Error if the weights do not fit
/// into memory.
[[nodiscard]] GenerateBenchmark benchmark_generate(
    const GenerateBenchmarkOptions& options,
    const std::function<void(std::int64_t done, std::int64_t total)>& progress = {});

}  // namespace cola
